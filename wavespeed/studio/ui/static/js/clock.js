// Seconds tick here and not over the wire: the server sends what was true when it drew, and from
// the moment a number is seen first, the browser counts on.
import { $, $$ } from "./dom.js";
import { seconds } from "./format.js";
import { onLook } from "./ticker.js";

const COUNTS = {
  seconds: (drawn, passed) => drawn + passed,
  ago: (drawn, passed) => drawn + passed,
  left: (drawn, passed) => Math.max(0, drawn - passed),
};
const firstSeen = new WeakMap();

const since = (element, value) => {
  // Gradio reuses elements, and two numbers can be the same: whose it is counts too.
  const drawn = value + $("#status .ws-steps")?.dataset.stamp;
  const known = firstSeen.get(element);
  if (known?.drawn !== drawn) firstSeen.set(element, { drawn, at: performance.now() });
  return (performance.now() - firstSeen.get(element).at) / 1000;
};

const countStatus = () => {
  for (const [name, count] of Object.entries(COUNTS)) {
    for (const element of $$(`#status [data-${name}]`)) {
      const value = element.dataset[name];
      element.textContent = seconds(count(Number.parseFloat(value), since(element, value)));
    }
  }
};

// How old each of several runs is stands in the status, which is drawn more often than they are.
const countResults = () => {
  const steps = $("#status .ws-steps");
  const ages = JSON.parse(steps?.dataset.ages ?? "{}");
  for (const element of $$("#results [data-clock]")) {
    const { clock, said } = element.dataset;
    const before = said ? ", " : " ";
    element.textContent =
      clock in ages ? `${before}${seconds(ages[clock] + since(steps, steps.dataset.ages))} ${said ?? ""}` : "";
  }
};

export const start = () => {
  onLook(() => {
    countStatus();
    countResults();
    return Boolean($("#status :is([data-seconds], [data-ago], [data-left]), #results [data-clock]"));
  });
};
