// What the page's address asks for, besides what this browser kept. A prompt is filled in once:
// after a reload the fields are as their person left them.
(visitor, draft) => {
  const url = new URL(location.href), { prompt, run } = Object.fromEntries(url.searchParams);
  url.searchParams.delete("prompt");
  if (prompt !== undefined) history.replaceState(history.state, "", url);
  return [visitor, { ...draft, asked: { prompt, run } }];
}
