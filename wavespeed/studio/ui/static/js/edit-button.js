// What the button says changes with each letter, so it is told here: its price, or what is missing.
// The words and the limits are the server's, see `ui/render/inputs.py`.

import { isAudience } from "./audience.js";
import { $ } from "./dom.js";

// Zero-width characters alone say nothing either; the server refuses the same (`is_blank`).
const SAYS_SOMETHING = /[^\s\p{Cc}\p{Default_Ignorable_Code_Point}\u2800\ufff9-\ufffb]/u;

const missing = (words, count, text, each) => {
  if (!count) return words.add;
  if (each && count > words.mostEach) return words.manyEach;
  if (!each && count > words.most) return words.many;
  return SAYS_SOMETHING.test(text ?? "") ? "" : words.say;
};

const sum = (edits) => {
  const price = Number.parseFloat($("[data-price]")?.dataset.price);
  // Before an audience nothing speaks of money.
  if (isAudience() || Number.isNaN(price)) return "";
  return `  $${(price * edits).toFixed(4).replace(/0{1,2}$/, "")}`;
};

export const update = (words, files, text, variants, each) => {
  const count = files?.length ?? 0;
  const isBatch = each && count > 1;
  const counted = isBatch ? ` ${count} ${words.counted}` : "";
  const lacks = missing(words, count, text, each);
  const label = words.edit + counted + sum(isBatch ? count : Number(variants || 1));
  return { __type__: "update", value: lacks || label, interactive: !lacks };
};
