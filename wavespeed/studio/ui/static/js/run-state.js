// What the page does when a run begins or ends, besides showing it: its title, its address, what
// is in sight and what has the focus.
import { forget } from "./address.js";
import { $ } from "./dom.js";
import { onLook } from "./ticker.js";

let state = "empty";
let isTyping = false; // Since a button was pressed: not since the edit was seen to run, which may take a moment.

const begin = () => {
  // What the address asked for has been shown; a reload shows what came after it.
  forget("run");
  // On a phone what happens is below the button that made it happen.
  const answer = document.getElementById("answer");
  if (answer.getBoundingClientRect().top > innerHeight / 2) answer.scrollIntoView();
};

const follow = () => {
  const steps = $("#status .ws-steps");
  if (!steps || steps.dataset.state === state) return;
  const before = state;
  state = steps.dataset.state;
  document.title = steps.dataset.title;
  if (state === "running") begin();
  // The result gets the focus, unless its person is writing the next words already.
  if (before === "running" && !isTyping) $("#results .ws-stage")?.focus({ preventScroll: true });
};

export const start = () => {
  document.addEventListener(
    "input",
    (event) => {
      isTyping ||= event.isTrusted;
    },
    true,
  );
  document.addEventListener(
    "click",
    (event) => {
      isTyping &&= !event.target.closest?.("button");
    },
    true,
  );
  onLook(() => {
    follow();
    return state === "running";
  });
};
