() => {
  const $$ = (query, root = document) => [...root.querySelectorAll(query)];
  const $ = (query, root = document) => root.querySelector(query);
  const seen = new WeakMap();
  const root = () => $("main") ?? document.body;  // Gradio's scope for style sheets begins above it.

  // --- Seconds tick here and not over the wire: the server sends what was true when it drew, and
  // from the moment a number is seen first, the browser counts on.
  const text = (s) => s < 99.95 ? `${s.toFixed(1)} s` : `${Math.floor(Math.round(s) / 60)} min ${String(Math.round(s) % 60).padStart(2, "0")} s`;
  const since = (element, value) => {
    // Gradio reuses elements, and two numbers can be the same: whose it is counts too.
    const drawn = value + $("#status .ws-steps")?.dataset.stamp;
    const known = seen.get(element);
    if (!known || known.drawn !== drawn) seen.set(element, { drawn, at: performance.now() });
    return (performance.now() - seen.get(element).at) / 1000;
  };
  const counts = { seconds: (drawn, passed) => drawn + passed, ago: (drawn, passed) => drawn + passed, left: (drawn, passed) => Math.max(0, drawn - passed) };
  let state = "empty", typed = false, edited = false, pressing = false;
  document.addEventListener("pointerdown", () => { edited = false; }, true);
  for (const [kind, down] of [["keydown", true], ["keyup", false]]) document.addEventListener(kind, () => { pressing = down; }, true);
  document.addEventListener("focusin", ({ target }) => { edited = target.matches("#edit:focus-visible"); });
  const tick = () => {
    for (const [name, count] of Object.entries(counts))
      for (const b of $$(`#status [data-${name}]`))
        b.textContent = text(count(parseFloat(b.dataset[name]), since(b, b.dataset[name])));
    // How old each of several runs is stands in the status, which is drawn more often than they are.
    const drawn = $("#status .ws-steps"), ages = JSON.parse(drawn?.dataset.ages ?? "{}");
    for (const b of $$("#results [data-clock]"))
      b.textContent = b.dataset.clock in ages ? `${b.dataset.said ? ", " : " "}${text(ages[b.dataset.clock] + since(drawn, drawn.dataset.ages))} ${b.dataset.said ?? ""}` : "";
    for (const time of $$("#history time:not([data-local])")) {
      time.dataset.local = "";
      time.textContent = new Date(time.dateTime).toLocaleString([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
    }
    for (const link of $$("#results a[data-now]")) {
      delete link.dataset.now;
      link.click();  // It was asked for a moment ago, by the button that made it.
    }
    // A password field is offered to the browser's store of logins, and filled from it; "off" and
    // "new-password" don't keep Chromium from it, but this says that it is none. Gradio sets no such thing.
    for (const box of $$("#api-key input:not([autocomplete=one-time-code])")) box.autocomplete = "one-time-code";
    // A phone offers its photos and its camera for this; the endings are of pictures that some
    // systems don't know as such. It only sorts what is offered: another choice is not refused.
    for (const picker of $$("#inputs input[type=file]:not([accept^='image/*,'])")) picker.accept = "image/*,.heic,.heif,.avif,.jfif,.pjp,.pjpeg,.tif,.tiff,.dng";
    if (/Mac|iP(hone|ad)/.test(navigator.platform)) for (const key of $$("#keys kbd:first-child")) key.textContent = "⌘";
    const steps = $("#status .ws-steps");
    // Stop takes the place of Edit, for the keyboard too, once it can be pressed.
    if (edited && !pressing && steps?.dataset.state === "running" && document.activeElement === document.body) document.getElementById("stop")?.focus({ preventScroll: true });
    if (!steps || steps.dataset.state === state) return;
    const before = state;
    state = steps.dataset.state;
    document.title = steps.dataset.title;
    if (state === "running") {
      // What the address asked for has been shown; a reload shows what came after it.
      const url = new URL(location.href);
      if (url.searchParams.has("run")) { url.searchParams.delete("run"); history.replaceState(history.state, "", url); }
      // On a phone what happens is below the button that made it happen.
      const answer = document.getElementById("answer");
      if (answer.getBoundingClientRect().top > innerHeight / 2) answer.scrollIntoView();
    }
    // The result gets the focus, unless its person is writing the next words already.
    if (before === "running" && !typed) $("#results .ws-stage")?.focus({ preventScroll: true });
  };
  // There is a timer only while something counts or runs; an idle page is looked at when it changes.
  let timer = null;
  const look = () => {
    timer = null;
    tick();
    changes.takeRecords();  // Its own ones.
    if (state === "running" || $("#status :is([data-seconds], [data-ago], [data-left]), #results [data-clock]")) later();
  };
  const later = () => { timer ??= setTimeout(look, 100); };
  const changes = new MutationObserver(later);
  const attributeFilter = ["data-state", "data-title", "data-stamp", "data-ages", "data-seconds", "data-ago", "data-left", "data-now"];
  changes.observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter });
  later();
  // Since a button was pressed: not since the edit was seen to run, which may take a moment.
  document.addEventListener("input", (event) => { typed ||= event.isTrusted; }, true);
  document.addEventListener("click", (event) => { typed &&= !event.target.closest?.("button"); }, true);

  // --- Keys
  // The last letter may not have reached the button yet: it has this many milliseconds to wake up.
  const press = (id, patience = 0) => {
    const button = document.getElementById(id);
    if (button && !button.disabled && button.checkVisibility()) button.click();
    else if (patience > 0) setTimeout(() => press(id, patience - 50), 50);
  };
  const writes = (target) => target.closest?.("input:not([type=radio], [type=checkbox]), textarea, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      // The text box tells the server its words when they are entered, this key included.
      if (!event.repeat) setTimeout(() => press("edit", 1000), 0);
    }
    const menu = $(".ws-menu[open]");
    if (event.key === "Escape" && menu) { menu.open = false; $("summary", menu).focus(); }
    else if (event.key === "Escape" && !event.defaultPrevented && !$(".ws-screen")?.open) press("stop");
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && $(".ws-screen")?.open && ($$("#results [data-full]").length > 1 || !root().classList.contains("ws-show"))) turn(step);
    else if (step && root().classList.contains("ws-show") && !writes(event.target) && !event.target.closest?.(".ws-compare, input")) another(step);
    if (event.key.toLowerCase() === "b" && !writes(event.target) && !event.ctrlKey && !event.metaKey) root().classList.add("ws-peek");
  }, true);
  document.addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "b") root().classList.remove("ws-peek"); }, true);
  addEventListener("blur", () => root().classList.remove("ws-peek"));

  // Gradio takes Shift+Enter for a submission; here it is what it is everywhere: a new line.
  document.addEventListener("keypress", (event) => {
    if (event.key === "Enter" && event.shiftKey && event.target.closest("#prompt")) event.stopPropagation();
  }, true);

  // --- Before and after
  const compare = (pair, share) => {
    const percent = Math.round(Math.min(1, Math.max(0, share)) * 100);
    pair.style.setProperty("--ws-at", `${percent}%`);
    pair.classList.toggle("ws-compared", percent > 0);
    $(".ws-compare", pair)?.setAttribute("aria-valuenow", percent);
    compared.set(pair.closest("[data-tile]")?.dataset.tile, share);
  };
  let held = null;
  const drag = (event) => {
    const box = held.getBoundingClientRect();
    compare(held, (event.clientX - box.left) / box.width);
  };
  document.addEventListener("pointerdown", (event) => {
    held = event.target.closest("[data-compare] .ws-compare")?.closest("[data-compare]") ?? null;
    if (held) { event.preventDefault(); drag(event); $(".ws-compare", held).focus(); }
  });
  document.addEventListener("pointermove", (event) => { if (held) drag(event); });
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => { held = null; });
  document.addEventListener("keydown", (event) => {
    const handle = event.target.closest?.(".ws-compare");
    const now = Number(handle?.getAttribute("aria-valuenow")) / 100;
    const to = { ArrowLeft: now - 0.05, ArrowRight: now + 0.05, Home: 0, End: 1 }[event.key];
    if (handle && to !== undefined) { event.preventDefault(); event.stopPropagation(); compare(handle.closest("[data-compare]"), to); }
  });

  // --- Full screen, and the next result by key
  let at = 0;
  const open = (index) => {
    const pictures = $$("#results [data-full]"), screen = $(".ws-screen");
    if (!pictures.length || !screen) return;
    at = (index + pictures.length) % pictures.length;
    const picture = $("img", screen);
    picture.src = pictures[at].dataset.full;
    picture.alt = pictures[at].alt;
    for (const button of $$(".ws-previous, .ws-next", screen)) button.hidden = pictures.length < 2;
    if (!screen.open) screen.showModal();
  };
  const turn = (step) => open(at + step);
  const another = (step) => {
    const cards = $$("#history [data-action=open]");
    const shown = cards.findIndex((card) => card.dataset.run === $("#results [data-run]")?.dataset.run);
    const next = cards[shown + step];
    if (next) return next.click();
    // The next page of the history, and its first card or its last.
    const page = $(`#history [data-action=${step > 0 ? "older" : "newer"}]`);
    if (!page || shown < 0) return;
    new MutationObserver((_, observer) => {
      observer.disconnect();
      $$("#history [data-action=open]").at(step > 0 ? 0 : -1)?.click();
    }).observe(document.getElementById("history"), { childList: true, subtree: true });
    page.click();
  };

  // --- A change draws all of it anew: what was opened, compared or in focus stays so.
  const opened = new Set(), compared = new Map();
  const parts = "#results .ws-many [data-tile], #results, #strip, #history";
  const stops = (part) => $$("a, button, summary, [tabindex]", part);
  let focused = null;
  const again = ({ part, tile, at }) => {
    const drawn = tile ? $(`#results .ws-many [data-tile="${tile}"]`) : document.getElementById(part);
    const targets = drawn ? stops(drawn) : [];
    (targets[at] ?? targets.at(-1))?.focus({ preventScroll: true });
  };
  document.addEventListener("toggle", ({ target }) => {
    const tile = target.isConnected && target.closest?.("#results .ws-many [data-tile]");
    if (tile) opened[target.open ? "add" : "delete"](tile.dataset.tile);
  }, true);
  document.addEventListener("focusin", ({ target }) => {
    const part = target.closest?.(parts);
    focused = part ? { part: part.id, tile: part.dataset.tile, at: stops(part).indexOf(target) } : null;
  });
  document.addEventListener("pointerdown", () => { focused = null; }, true);
  const redrawn = new MutationObserver(() => {
    for (const section of $$("#results .ws-many [data-tile]")) {
      const tile = section.dataset.tile, pair = $("[data-compare]", section);
      if (opened.has(tile)) for (const details of $$("details", section)) details.open = true;
      if (compared.get(tile) && pair && !$(".ws-compared", section)) compare(pair, compared.get(tile));
    }
    if (focused && document.activeElement === document.body) again(focused);
    // Before an audience the full screen goes on with the next result, unless that is covered.
    const screen = $(".ws-screen");
    if (screen?.open && root().classList.contains("ws-show")) { if ($("#results [data-full]")) open(at); else screen.close(); }
  });
  for (const part of ["results", "strip", "history"]) redrawn.observe(document.getElementById(part), { childList: true, subtree: true });

  // --- Small things that need no server
  const toClipboard = async (words) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(words);
    // Without https, on another machine of the house, a browser has no other way than this one.
    const field = document.body.appendChild(Object.assign(document.createElement("textarea"), { value: words }));
    field.select();
    document.execCommand("copy");
    field.remove();
  };
  const say = (words, add) => {
    const field = $("#prompt textarea");
    const value = add ? `${field.value.trimEnd()}${field.value.trim() ? " " : ""}${words}` : words;
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(field, value);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  };
  document.addEventListener("click", async (event) => {
    const found = (query) => event.target.closest(query);
    for (const menu of $$(".ws-menu[open]")) if (!menu.contains(event.target)) menu.open = false;
    let button;
    if (found("[data-mention]")) say(`image ${found("[data-mention]").dataset.mention}`, true);
    else if (found("[data-say]")) say(found("[data-say]").dataset.say, false);
    else if (found("[data-add]")) $("#inputs input[type=file]")?.click();
    else if (found("[data-open]")) {
      const pictures = $$("#results [data-full]");
      open(pictures.indexOf($("[data-full]", found(".ws-picture"))));
    } else if ((button = found("[data-screen]"))) {
      if (button.dataset.screen === "0") $(".ws-screen").close(); else turn(Number(button.dataset.screen));
    } else if (event.target.matches(".ws-screen")) event.target.close();
    else if ((button = found("[data-copy], [data-link]"))) {
      const { copy, link } = button.dataset;
      // A Space runs in a frame of the Hub's, which passes its own query on to it: only under the
      // Hub's address is the browser's storage, and with it the run, the same again.
      const home = $("#header [data-home]")?.dataset.home ?? location.href;
      await toClipboard(copy ?? new URL(link, home).href);
      button.classList.add("ws-copied");
      button.dataset.copied = "";
      setTimeout(() => { button.classList.remove("ws-copied"); delete button.dataset.copied; }, 1500);
    }
  });

  // --- Pictures from anywhere on the page: dropped beside the field, or pasted outside of it
  // All of them, whatever their names say: what is no picture is told so beside the others.
  const addFiles = (files, event) => {
    const field = $("#inputs input[type=file]");
    if (!files.length || !field) return;
    event.preventDefault();
    event.stopPropagation();
    const transfer = new DataTransfer();
    for (const file of files) transfer.items.add(file);
    field.files = transfer.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  };
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => { if (!event.target.closest("#inputs")) addFiles(event.dataTransfer.files, event); });
  document.addEventListener("paste", (event) => addFiles(event.clipboardData.files, event), true);

  if (new URLSearchParams(location.search).get("show") === "1") root().classList.add("ws-show");
  document.body.dataset.ready = "";  // The tests do nothing that needs this script before.
}
