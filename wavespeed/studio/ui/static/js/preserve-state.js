// A change draws all of a part anew: what was opened, compared or in focus stays so.
import * as compare from "./compare.js";
import { $, $$ } from "./dom.js";

const TILES = "#results .ws-many [data-tile]";
const PARTS = ["results", "strip", "history"];
const opened = new Set(); // Tiles whose details are.
let focused = null;

const focusable = (part) => $$("a, button, summary, [tabindex]", part);

const rememberOpened = ({ target }) => {
  const tile = target.isConnected && target.closest?.(TILES)?.dataset.tile;
  if (!tile) return;
  if (target.open) opened.add(tile);
  else opened.delete(tile);
};

const rememberFocus = ({ target }) => {
  const part = target.closest?.(`${TILES}, #results, #strip, #history`);
  focused = part ? { part: part.id, tile: part.dataset.tile, at: focusable(part).indexOf(target) } : null;
};

const restoreFocus = () => {
  const { part, tile, at } = focused;
  const drawn = tile ? $(`#results .ws-many [data-tile="${tile}"]`) : document.getElementById(part);
  const targets = drawn ? focusable(drawn) : [];
  (targets[at] ?? targets.at(-1))?.focus({ preventScroll: true });
};

const restore = () => {
  for (const tile of $$(TILES)) {
    if (opened.has(tile.dataset.tile)) for (const details of $$("details", tile)) details.open = true;
    compare.restore(tile);
  }
  if (focused && document.activeElement === document.body) restoreFocus();
};

export const start = () => {
  document.addEventListener("toggle", rememberOpened, true);
  document.addEventListener("focusin", rememberFocus);
  document.addEventListener(
    "pointerdown",
    () => {
      focused = null;
    },
    true,
  );
  const redrawn = new MutationObserver(restore);
  for (const part of PARTS) redrawn.observe(document.getElementById(part), { childList: true, subtree: true });
};
