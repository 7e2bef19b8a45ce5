// What is in the fields, for the page that comes back: files the server has already, and words.
(files, text) => ({ text: text ?? "", paths: (files ?? []).map((file) => file.image?.path) })
