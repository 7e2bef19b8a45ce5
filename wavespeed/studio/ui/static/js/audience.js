// Before an audience (`?show=1`): the style sheets hide what it should not see, and the arrow keys
// show one run of the history after the other.
import { $, $$, main } from "./dom.js";

export const isAudience = () => new URLSearchParams(location.search).get("show") === "1";

// Whether the page is dressed for it.
export const hasAudience = () => main().classList.contains("ws-show");

const cards = () => $$("#history [data-action=open]");

// The next page of the history, and its first card or its last.
const turnPage = (step) => {
  const page = $(`#history [data-action=${step > 0 ? "older" : "newer"}]`);
  if (!page) return;
  new MutationObserver((_, observer) => {
    observer.disconnect();
    cards()
      .at(step > 0 ? 0 : -1)
      ?.click();
  }).observe(document.getElementById("history"), { childList: true, subtree: true });
  page.click();
};

export const showNeighbour = (step) => {
  const run = $("#results [data-run]")?.dataset.run;
  const shown = cards().findIndex((card) => card.dataset.run === run);
  const next = cards()[shown + step];
  if (next) next.click();
  else if (shown >= 0) turnPage(step);
};

export const start = () => {
  if (isAudience()) main().classList.add("ws-show");
};
