// Pictures from anywhere on the page: dropped beside the field, or pasted outside of it. All of
// them, whatever their names say: what is no picture is told so beside the others.
import { $ } from "./dom.js";

const picker = () => $("#inputs input[type=file]");

const addFiles = (files, event) => {
  const field = picker();
  if (!files.length || !field) return;
  event.preventDefault();
  event.stopPropagation();
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  field.files = transfer.files;
  field.dispatchEvent(new Event("change", { bubbles: true }));
};

export const start = () => {
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!event.target.closest("#inputs")) addFiles(event.dataTransfer.files, event);
  });
  document.addEventListener("paste", (event) => addFiles(event.clipboardData.files, event), true);
  document.addEventListener("click", ({ target }) => {
    if (target.closest("[data-add]")) picker()?.click();
  });
};
