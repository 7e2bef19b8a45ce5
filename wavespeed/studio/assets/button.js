(files, text, variants) => {
  // Works in the browser alone: what the button says changes with each letter.
  const words = WORDS;
  const price = parseFloat(document.querySelector("[data-price]")?.dataset.price ?? "0");
  const count = files?.length ?? 0;
  const missing = !count ? words.add : count > words.most ? words.many : !text?.trim() ? words.say : "";
  // Before an audience nothing speaks of money.
  const silent = new URLSearchParams(location.search).get("show") === "1";
  const sum = silent ? "" : `  $${(price * Number(variants || 1)).toFixed(4).replace(/0{1,2}$/, "")}`;
  return { __type__: "update", value: missing || words.edit + sum, interactive: !missing };
}
