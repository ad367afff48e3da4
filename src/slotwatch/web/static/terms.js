// Says when the preview of the terms could not be made, and asks again where that may help. Without it the preview stays
// as it was.
"use strict";
(() => {
  const AGAIN = 4000;
  const form = document.querySelector("form[hx-post='/vendor/terms/preview']");
  const said = document.getElementById("no-preview");
  let later = 0;

  const failed = (event) => {
    said.hidden = false;
    clearTimeout(later);
    const status = event.detail.ctx?.response?.status ?? 0; // 0: no answer at all
    if (status === 0 || status >= 500) later = setTimeout(() => form.dispatchEvent(new Event("input")), AGAIN);
  };

  form.addEventListener("htmx:error", failed);
  form.addEventListener("htmx:response:error", failed);
  form.addEventListener("htmx:after:swap", (event) => { // comes after a refusal, too, though nothing is swapped then
    if (event.detail.ctx.response.status >= 400) return;
    clearTimeout(later);
    said.hidden = true;
  });
})();
