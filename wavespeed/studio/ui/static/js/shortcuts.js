// Keys for the whole page: Ctrl or ⌘ with Enter edits, Escape stops, the arrows turn pages.
import { hasAudience, showNeighbour } from "./audience.js";
import { $$, isWriting } from "./dom.js";
import * as lightbox from "./lightbox.js";
import { closeOpenMenu } from "./menus.js";
import { onLook } from "./ticker.js";

const PATIENCE = 1000; // Milliseconds; the last letter may not have reached the button yet.
const PAUSE = 50;
const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

// Waits so long for the button to wake up.
const press = (id, patience = 0) => {
  const button = document.getElementById(id);
  if (button && !button.disabled && button.checkVisibility()) button.click();
  else if (patience > 0) setTimeout(() => press(id, patience - PAUSE), PAUSE);
};

const edit = (event) => {
  event.preventDefault();
  // The text box tells the server its words when they are entered, this key included.
  if (!event.repeat) setTimeout(() => press("edit", PATIENCE), 0);
};

const leave = (event) => {
  if (closeOpenMenu()) return;
  if (!event.defaultPrevented && !lightbox.isOpen()) press("stop");
};

const turn = (event, step) => {
  if (lightbox.isOpen() && (lightbox.hasSeveral() || !hasAudience())) lightbox.turn(step);
  else if (hasAudience() && !isWriting(event.target) && !event.target.closest?.(".ws-compare, input")) {
    showNeighbour(step);
  }
};

export const start = () => {
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) edit(event);
      if (event.key === "Escape") leave(event);
      if (event.key in STEPS) turn(event, STEPS[event.key]);
    },
    true,
  );
  // Gradio takes Shift+Enter for a submission; here it is what it is everywhere: a new line.
  document.addEventListener(
    "keypress",
    (event) => {
      if (event.key === "Enter" && event.shiftKey && event.target.closest("#prompt")) event.stopPropagation();
    },
    true,
  );
  if (!/Mac|iP(hone|ad)/.test(navigator.platform)) return;
  onLook(() => {
    for (const key of $$("#keys kbd:first-child")) key.textContent = "⌘";
  });
};
