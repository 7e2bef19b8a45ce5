// No event goes unseen. Gradio's client can lose the stream of an event: it opens one only if it
// thinks that none is open, and thinks so until it has read `close_stream`; an event that joins in
// between waits on the server until the next one opens a stream (docs/upstream.md). And a stream
// that a proxy ends, or that dies in a sleeping laptop, is open for ever to it.
//
// So this runs before Gradio's script and watches its requests. An event that has joined while no
// stream is open makes the page send a tiny one, `sync`, for which the client opens a stream, over
// which all arrives that waited. A stream that ends too early, or says nothing for too long, becomes
// an error, at which Gradio loads the page anew as soon as the server answers. An idle page costs
// nothing: there are timers only while an event is under way.
(() => {
  const PATIENCE = 500; // Milliseconds that the client has to open a stream of its own accord.
  const LONGEST = 10_000;
  const REPEATS = 20;
  const SILENCE = 50_000; // The server says something every 15 s while a stream is open.
  const joined = new Set(); // Events that are not completed, by their ids.
  const ask = window.fetch;
  const encoded = (text) => new TextEncoder().encode(text);
  let streams = 0;
  let patience = PATIENCE;
  let setbacks = 0; // Joins that failed, one after the other.
  let timer = null;
  let pressed = ""; // The last press, until the page shows what came of it.

  const newId = () =>
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

  // What this page asks for in its session's name is its own: see page_secrets.py.
  const OF_THE_PAGE = /\/gradio_api\/(queue\/(join|data)|cancel|reset)$/;
  const secret = newId();

  const isShown = () => document.querySelector("#status [data-presses]")?.dataset.presses.includes(pressed);

  const sync = () => {
    if (pressed && isShown()) pressed = "";
    window.wavespeed.trigger?.("click", { press: pressed });
  };

  // Looks again until each event has a stream, ever less often while the server does not answer.
  const watch = (delay = PATIENCE) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!joined.size || streams) return;
      sync();
      patience = Math.min(2 * patience, LONGEST);
      watch(patience);
    }, delay);
  };

  // What was refused has begun nothing. Of any other join that fails the answer alone may be lost:
  // what it began is in the store, and is asked for ever less often until a join is answered.
  const isRefused = (status) => status >= 400 && status < 500;

  const join = async (answered, hasPress) => {
    try {
      const answer = await answered;
      if (isRefused(answer.status)) return answered;
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      joined.add((await answer.clone().json()).event_id);
      setbacks = 0;
      watch();
    } catch {
      setTimeout(sync, Math.min(2 * PATIENCE * 2 ** setbacks++, LONGEST));
    }
    if (hasPress) tellOthers();
    return answered;
  };

  // The body of a stream as it comes, and what it says of events.
  const read = (answer) => {
    let line = "";
    let isClosed = false;
    let lastPiece = performance.now();
    const decoder = new TextDecoder();
    streams += 1;
    patience = PATIENCE;
    const hear = (text) => {
      const lines = (line + text).split("\n");
      line = lines.pop();
      for (const said of lines) {
        const [, kind] = said.match(/^data:\s*\{"msg":\s*"(\w+)"/) ?? [];
        if (kind === "process_completed") joined.delete(said.match(/"event_id":\s*"(\w+)"/)?.[1]);
        if (kind === "close_stream") isClosed = true;
      }
    };
    const source = answer.body.getReader();
    let silence = null;
    const end = () => {
      if (silence === null) return;
      clearInterval(silence);
      silence = null;
      streams -= 1;
      watch();
    };
    const body = new ReadableStream({
      start(controller) {
        silence = setInterval(() => {
          if (performance.now() - lastPiece < SILENCE) return;
          source.cancel().catch(() => {});
          controller.error(new Error("The stream fell silent."));
          end();
        }, SILENCE / 10);
      },
      async pull(controller) {
        try {
          const { done, value } = await source.read();
          lastPiece = performance.now();
          if (!done) {
            hear(decoder.decode(value, { stream: true }));
            return controller.enqueue(value);
          }
          if (isClosed) controller.close();
          else if (joined.size) controller.error(new Error("The stream was cut off."));
          else {
            controller.enqueue(encoded('data: {"msg":"close_stream","event_id":null}\n\n'));
            controller.close();
          }
        } catch (error) {
          controller.error(error);
        }
        end();
      },
      cancel(reason) {
        end();
        return source.cancel(reason);
      },
    });
    return new Response(body, { status: answer.status, headers: answer.headers });
  };

  window.fetch = async (...asked) => {
    const { origin, pathname } = new URL(asked[0].url ?? asked[0], location.href);
    if (origin !== location.origin || !OF_THE_PAGE.test(pathname)) return ask(...asked);
    const request = new Request(...asked);
    request.headers.set("X-WaveSpeed-Page", secret);
    if (pathname.endsWith("/queue/join")) return join(ask(request), String(asked[1]?.body).includes(pressed));
    const answer = await ask(request);
    if (!pathname.endsWith("/queue/data")) return answer;
    return answer.ok && answer.body ? read(answer) : answer;
  };

  // Tabs of one browser are one visitor's: what one of them began is in the other's history. They
  // are told once the press has joined. A browser may refuse that where storage is blocked, as in
  // some frames: then a reload shows it.
  let others = null;
  let isToTell = false;
  const tellOthers = () => {
    if (isToTell) others?.postMessage("pressed");
    isToTell = false;
  };
  try {
    others = new BroadcastChannel("wavespeed-press");
    others.onmessage = () => setTimeout(sync, PATIENCE);
  } catch {}

  // Gradio passes over a click on Edit until the answer to the last one is complete, which may be a
  // moment after its edit is seen to be over. Such a click is clicked again until it is heard. As
  // long as the page does not show what came of the last press, it is a double click, and is not.
  let presses = 0;
  let repeating = null;
  document.addEventListener("click", ({ target }) => {
    const edit = target.closest?.("#edit");
    if (!edit || repeating || !presses || !isShown()) return;
    const before = presses;
    let tries = REPEATS;
    repeating = setInterval(() => {
      if (presses === before && tries-- > 0 && !edit.disabled && edit.checkVisibility()) return edit.click();
      clearInterval(repeating);
      repeating = null;
    }, PATIENCE / 2);
  });

  window.wavespeed = {
    // The id of a press that costs money: the server begins the edits of one only once.
    press() {
      pressed = newId();
      presses += 1;
      isToTell = true;
      return pressed;
    },
  };
})();
