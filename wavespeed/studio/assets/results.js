// A flagged picture is asked for from the server, one at a time, when its button is pressed.
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-turn]");
  if (button) trigger("click", { index: Number(button.dataset.turn) });
});
