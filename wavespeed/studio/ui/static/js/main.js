// What the page does in the browser, a module for each concern. The order of the first ones is that
// in which they look at a page that has changed.
import * as audience from "./audience.js";
import * as clipboard from "./clipboard.js";
import * as clock from "./clock.js";
import * as compare from "./compare.js";
import * as downloads from "./downloads.js";
import * as fields from "./fields.js";
import * as fileDrop from "./file-drop.js";
import * as lightbox from "./lightbox.js";
import * as localTimes from "./local-times.js";
import * as menus from "./menus.js";
import * as preserveState from "./preserve-state.js";
import * as prompt from "./prompt.js";
import * as runState from "./run-state.js";
import * as shortcuts from "./shortcuts.js";
import * as stopButton from "./stop-button.js";
import * as ticker from "./ticker.js";

const LOOKING = [clock, localTimes, downloads, fields, shortcuts, stopButton, runState];
const LISTENING = [compare, lightbox, preserveState, menus, clipboard, prompt, fileDrop, audience];

export const start = () => {
  for (const module of [...LOOKING, ...LISTENING, ticker]) module.start();
  document.body.dataset.ready = ""; // The tests do nothing that needs these scripts before.
};
