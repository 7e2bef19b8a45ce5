() => {
  // Seconds tick here and not over the wire: the server sends what was true when it drew, and from
  // the moment a number is seen first, the browser counts on.
  const seen = new WeakMap();
  const text = (s) => s < 99.95 ? `${s.toFixed(1)} s` : `${Math.floor(Math.round(s) / 60)} min ${String(Math.round(s) % 60).padStart(2, "0")} s`;
  const since = (element, attribute) => {
    const drawn = element.getAttribute(attribute);
    const known = seen.get(element);
    if (!known || known.drawn !== drawn) seen.set(element, { drawn, at: performance.now() });
    return (performance.now() - seen.get(element).at) / 1000;
  };
  const tick = () => {
    for (const b of document.querySelectorAll("#status [data-seconds]"))
      b.textContent = text(parseFloat(b.dataset.seconds) + since(b, "data-seconds"));
    for (const b of document.querySelectorAll("#status [data-left]"))
      b.textContent = text(Math.max(0, parseFloat(b.dataset.left) - since(b, "data-left")));
  };
  setInterval(tick, 100);

  const press = (id) => {
    const button = document.getElementById(id);
    if (button && !button.disabled && button.checkVisibility()) button.click();
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      // The text box tells the server its words when they are entered, this key included.
      setTimeout(() => press("edit"), 0);
    }
    if (event.key === "Escape" && !event.defaultPrevented) press("stop");
  }, true);

  // Gradio takes Shift+Enter for a submission; here it is what it is everywhere: a new line.
  document.addEventListener("keypress", (event) => {
    if (event.key === "Enter" && event.shiftKey && event.target.closest("#prompt")) event.stopPropagation();
  }, true);
}
