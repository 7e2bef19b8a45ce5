// Buttons of our own markup: which was pressed, and what for. A flagged picture is asked for from
// the server this way, one at a time.
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) trigger("click", { do: button.dataset.do, index: Number(button.dataset.index || 0), run: button.dataset.run || "", tip: button.dataset.tip || "" });
});
