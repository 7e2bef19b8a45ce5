// A menu closes at Escape, and at a click beside it.
import { $, $$ } from "./dom.js";

// Returns whether there was one.
export const closeOpenMenu = () => {
  const menu = $(".ws-menu[open]");
  if (!menu) return false;
  menu.open = false;
  $("summary", menu).focus();
  return true;
};

export const start = () => {
  document.addEventListener("click", (event) => {
    for (const menu of $$(".ws-menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
};
