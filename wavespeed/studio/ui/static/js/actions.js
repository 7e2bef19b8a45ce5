// Buttons of our own markup: which was pressed, and what for. A flagged picture is asked for from
// the server this way, one at a time.
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  // What shows another run ends the watching of this one, so it is an event of its own.
  const kind = ["open", "version", "group"].includes(button?.dataset.action) ? "select" : "click";
  const isPaid = ["resume", "repeat", "resend"].includes(button?.dataset.action);
  if (button)
    trigger(kind, {
      action: button.dataset.action,
      index: Number(button.dataset.index || 0),
      run: button.dataset.run || "",
      tip: button.dataset.tip || "",
      press: isPaid ? window.wavespeed.press() : "",
    });
});
