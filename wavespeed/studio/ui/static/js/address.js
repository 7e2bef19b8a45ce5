// What the page's address asks for, `?prompt=` and `?run=`, and how long it does.
export const forget = (name) => {
  const url = new URL(location.href);
  if (!url.searchParams.has(name)) return;
  url.searchParams.delete(name);
  history.replaceState(history.state, "", url);
};

// Beside what this browser kept. A prompt is filled in once: after a reload the fields are as their
// person left them.
export const addToDraft = (visitor, draft) => {
  const { prompt, run } = Object.fromEntries(new URL(location.href).searchParams);
  forget("prompt");
  return [visitor, { ...draft, asked: { prompt, run } }];
};
