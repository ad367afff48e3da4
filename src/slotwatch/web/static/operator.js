// Says when the server gives no answer, so that nobody trusts old numbers. Without it the page still renews itself.
"use strict";

const banner = document.getElementById("no-answer");

function lastAnswer() {
  const stamp = document.querySelector("#signs [data-at]");
  return stamp ? new Date(stamp.dataset.at).toLocaleTimeString() : "before";
}

function silent() {
  document.getElementById("last-answer").textContent = lastAnswer();
  banner.hidden = false;
}

document.body.addEventListener("htmx:error", silent);
document.body.addEventListener("htmx:response:error", silent);
document.body.addEventListener("htmx:after:swap", (event) => { // comes after a refusal, too, though nothing is swapped then
  if (event.detail.ctx.response.status < 400) banner.hidden = true;
});
