// Results in full screen, one after the other.
import { hasAudience } from "./audience.js";
import { $, $$ } from "./dom.js";

let at = 0;

const pictures = () => $$("#results [data-full]");

export const isOpen = () => Boolean($(".ws-screen")?.open);

export const hasSeveral = () => pictures().length > 1;

const open = (index) => {
  const all = pictures();
  const screen = $(".ws-screen");
  if (!all.length || !screen) return;
  at = (index + all.length) % all.length;
  const picture = $("img", screen);
  picture.src = all[at].dataset.full;
  picture.alt = all[at].alt;
  for (const button of $$(".ws-previous, .ws-next", screen)) button.hidden = all.length < 2;
  if (!screen.open) screen.showModal();
};

export const turn = (step) => open(at + step);

// Before an audience the full screen goes on with the next result, unless that is covered.
const follow = () => {
  if (!isOpen() || !hasAudience()) return;
  if (pictures().length) open(at);
  else $(".ws-screen").close();
};

const press = (button) => {
  const step = Number(button.dataset.screen);
  if (step) turn(step);
  else $(".ws-screen").close();
};

export const start = () => {
  document.addEventListener("click", ({ target }) => {
    const picture = target.closest("[data-open]")?.closest(".ws-picture");
    const button = target.closest("[data-screen]");
    if (picture) open(pictures().indexOf($("[data-full]", picture)));
    else if (button) press(button);
    else if (target.matches(".ws-screen")) target.close();
  });
  new MutationObserver(follow).observe(document.getElementById("results"), { childList: true, subtree: true });
};
