// Questions to the page that several modules ask.
const TEXT_FIELDS = "input:not([type=radio], [type=checkbox]), textarea, [contenteditable]";

export const $ = (query, root = document) => root.querySelector(query);

export const $$ = (query, root = document) => [...root.querySelectorAll(query)];

// What the style sheets read of the page's state is on it: Gradio's scope for them begins above it.
export const main = () => $("main") ?? document.body;

// Whether a key is a letter here.
export const isWriting = (target) => Boolean(target.closest?.(TEXT_FIELDS));
