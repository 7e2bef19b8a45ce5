// Words for the prompt that one press brings: a whole one, or the mention of a picture.
import { $ } from "./dom.js";

const write = (value) => {
  const field = $("#prompt textarea");
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(field, value);
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
};

const add = (words) => {
  const { value } = $("#prompt textarea");
  write(`${value.trimEnd()}${value.trim() ? " " : ""}${words}`);
};

export const start = () => {
  document.addEventListener("click", ({ target }) => {
    const mention = target.closest("[data-mention]");
    const chip = target.closest("[data-say]");
    if (mention) add(`image ${mention.dataset.mention}`);
    else if (chip) write(chip.dataset.say);
  });
};
