// When the runs of the history began, in the clock of who reads it.
import { $$ } from "./dom.js";
import { localTime } from "./format.js";
import { onLook } from "./ticker.js";

export const start = () => {
  onLook(() => {
    for (const time of $$("#history time:not([data-local])")) {
      time.dataset.local = "";
      time.textContent = localTime(time.dateTime);
    }
  });
};
