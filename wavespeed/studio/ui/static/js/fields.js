// What Gradio's fields can't be told from Python.
import { $$ } from "./dom.js";
import { onLook } from "./ticker.js";

const PICTURES = "image/*,.heic,.heif,.avif,.jfif,.pjp,.pjpeg,.tif,.tiff,.dng";

export const start = () => {
  onLook(() => {
    // A password field is offered to the browser's store of logins, and filled from it; "off" and
    // "new-password" don't keep Chromium from it, but this says that it is none.
    for (const field of $$("#api-key input:not([autocomplete=one-time-code])")) field.autocomplete = "one-time-code";
    // A phone offers its photos and its camera for this; the endings are of pictures that some
    // systems don't know as such. It only sorts what is offered: another choice is not refused.
    for (const picker of $$("#inputs input[type=file]:not([accept^='image/*,'])")) picker.accept = PICTURES;
  });
};
