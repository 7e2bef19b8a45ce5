// What is in the fields, for the page that comes back: files the server has already, and words.
export const draftOf = (files, text, each) => ({
  text: text ?? "",
  each: Boolean(each),
  paths: (files ?? []).map((file) => (file.image ?? file.video)?.path),
});
