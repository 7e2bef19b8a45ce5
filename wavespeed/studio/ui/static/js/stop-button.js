// Stop takes the place of Edit, for the keyboard too, once it can be pressed.
import { $ } from "./dom.js";
import { onLook } from "./ticker.js";

let wasOnEdit = false; // By keyboard.
let isKeyDown = false;

const takeFocus = () => {
  if (!wasOnEdit || isKeyDown || document.activeElement !== document.body) return;
  if ($("#status .ws-steps")?.dataset.state !== "running") return;
  document.getElementById("stop")?.focus({ preventScroll: true });
};

export const start = () => {
  document.addEventListener(
    "pointerdown",
    () => {
      wasOnEdit = false;
    },
    true,
  );
  document.addEventListener("focusin", ({ target }) => {
    wasOnEdit = target.matches("#edit:focus-visible");
  });
  document.addEventListener(
    "keydown",
    () => {
      isKeyDown = true;
    },
    true,
  );
  document.addEventListener(
    "keyup",
    () => {
      isKeyDown = false;
    },
    true,
  );
  onLook(takeFocus);
};
