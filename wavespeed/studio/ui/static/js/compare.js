// Before and after: a handle that is dragged or moved by key, and the key B to see what was.
import { $, isWriting, main } from "./dom.js";

const STEP = 0.05;
const shares = new Map(); // How much of the old picture is seen in each tile.
let held = null;

const compare = (pair, share) => {
  const percent = Math.round(Math.min(1, Math.max(0, share)) * 100);
  pair.style.setProperty("--ws-at", `${percent}%`);
  pair.classList.toggle("ws-compared", percent > 0);
  $(".ws-compare", pair)?.setAttribute("aria-valuenow", percent);
  shares.set(pair.closest("[data-tile]")?.dataset.tile, share);
};

// A tile that was drawn anew shows what it showed.
export const restore = (tile) => {
  const share = shares.get(tile.dataset.tile);
  const pair = $("[data-compare]", tile);
  if (share && pair && !$(".ws-compared", tile)) compare(pair, share);
};

const drag = (event) => {
  const box = held.getBoundingClientRect();
  compare(held, (event.clientX - box.left) / box.width);
};

const release = () => {
  held = null;
};

const startDragging = () => {
  document.addEventListener("pointerdown", (event) => {
    held = event.target.closest("[data-compare] .ws-compare")?.closest("[data-compare]") ?? null;
    if (!held) return;
    event.preventDefault();
    drag(event);
    $(".ws-compare", held).focus();
  });
  document.addEventListener("pointermove", (event) => {
    if (held) drag(event);
  });
  document.addEventListener("pointerup", release);
  document.addEventListener("pointercancel", release);
};

const startKeys = () => {
  document.addEventListener("keydown", (event) => {
    const handle = event.target.closest?.(".ws-compare");
    if (!handle) return;
    const now = Number(handle.getAttribute("aria-valuenow")) / 100;
    const share = { ArrowLeft: now - STEP, ArrowRight: now + STEP, Home: 0, End: 1 }[event.key];
    if (share === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    compare(handle.closest("[data-compare]"), share);
  });
};

const startPeeking = () => {
  const isKey = (event) => event.key.toLowerCase() === "b";
  document.addEventListener(
    "keydown",
    (event) => {
      if (isKey(event) && !isWriting(event.target) && !event.ctrlKey && !event.metaKey) main().classList.add("ws-peek");
    },
    true,
  );
  document.addEventListener(
    "keyup",
    (event) => {
      if (isKey(event)) main().classList.remove("ws-peek");
    },
    true,
  );
  addEventListener("blur", () => main().classList.remove("ws-peek"));
};

export const start = () => {
  startDragging();
  startKeys();
  startPeeking();
};
