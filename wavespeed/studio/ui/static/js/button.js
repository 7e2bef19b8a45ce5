(files, text, variants, each) => {
  // Works in the browser alone: what the button says changes with each letter.
  const words = WORDS;
  const price = parseFloat(document.querySelector("[data-price]")?.dataset.price);
  const count = files?.length ?? 0;
  const many = each ? count > words.mostEach && words.manyEach : count > words.most && words.many;
  // Zero-width characters alone say nothing either; the server refuses the same (`is_blank`).
  const says = /[^\s\p{Cc}\p{Default_Ignorable_Code_Point}\u2800\ufff9-\ufffb]/u.test(text ?? "");
  const missing = !count ? words.add : many || (says ? "" : words.say);
  // Before an audience nothing speaks of money.
  const silent = new URLSearchParams(location.search).get("show") === "1";
  const edits = each && count > 1 ? count : Number(variants || 1);
  const sum = silent || isNaN(price) ? "" : `  $${(price * edits).toFixed(4).replace(/0{1,2}$/, "")}`;
  const what = each && count > 1 ? ` ${count} ${words.counted}` : "";
  return { __type__: "update", value: missing || words.edit + what + sum, interactive: !missing };
}
