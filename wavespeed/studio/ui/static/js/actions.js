// Buttons of our own markup: which was pressed, and what for. A flagged picture is asked for from
// the server this way, one at a time.
const SELECTS = ["open", "version", "group"]; // Shows another run.
const COSTS = ["resume", "repeat", "resend"];

// `trigger` sends an event of the component whose markup is in `element`.
export const listen = (element, trigger) => {
  element.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-action]");
    if (!button) return;
    const { action, index, run, tip } = button.dataset;
    // What shows another run ends the watching of this one, so it is an event of its own.
    trigger(SELECTS.includes(action) ? "select" : "click", {
      action,
      index: Number(index || 0),
      run: run || "",
      tip: tip || "",
      press: COSTS.includes(action) ? window.wavespeed.press() : "",
    });
  });
};
