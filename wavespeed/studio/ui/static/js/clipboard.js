// Buttons that copy a text or a link, and say so for a moment.
import { $ } from "./dom.js";

const SAID = 1500; // Milliseconds.

const write = (text) => {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without https, on another machine of the house, a browser has no other way than this one.
  const field = document.body.appendChild(Object.assign(document.createElement("textarea"), { value: text }));
  field.select();
  document.execCommand("copy");
  field.remove();
};

// A Space runs in a frame of the Hub's, which passes its own query on to it: only under the Hub's
// address is the browser's storage, and with it the run, the same again.
const absolute = (link) => new URL(link, $("#header [data-home]")?.dataset.home ?? location.href).href;

const copy = async (button) => {
  await write(button.dataset.copy ?? absolute(button.dataset.link));
  button.classList.add("ws-copied");
  button.dataset.copied = "";
  setTimeout(() => {
    button.classList.remove("ws-copied");
    delete button.dataset.copied;
  }, SAID);
};

export const start = () => {
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-copy], [data-link]");
    if (button) await copy(button);
  });
};
