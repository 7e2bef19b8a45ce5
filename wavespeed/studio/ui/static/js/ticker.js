// Looks at the page when it has changed, and each tenth of a second as long as something counts or
// runs. An idle page has no timer.
const PAUSE = 100; // Milliseconds.
const ATTRIBUTES = [
  "data-state",
  "data-title",
  "data-stamp",
  "data-ages",
  "data-seconds",
  "data-ago",
  "data-left",
  "data-now",
];
const tasks = [];
let timer = null;

const later = () => {
  if (timer === null) timer = setTimeout(look, PAUSE);
};

const changes = new MutationObserver(later);

const look = () => {
  timer = null;
  const isLive = tasks.map((task) => task()).some(Boolean);
  changes.takeRecords(); // Its own ones.
  if (isLive) later();
};

// A task that returns true wants to be called again soon, whether something changes or not.
export const onLook = (task) => {
  tasks.push(task);
};

export const start = () => {
  changes.observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ATTRIBUTES });
  later();
};
