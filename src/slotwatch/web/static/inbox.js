// Keeps a list fresh and shows times in the reader's zone. Without it the pages work, by reload and in UTC.
"use strict";

const EVERY_MS = 4000;

function showLocalTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.title = time.textContent;
    const today = at.toDateString() === new Date().toDateString();
    time.textContent = today ? at.toLocaleTimeString() : at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
}

function addresses(root) {
  return new Set([...root.querySelectorAll(".letter")].map((letter) => letter.getAttribute("href")));
}

async function refresh(list, live) {
  try {
    const answer = await fetch(list.dataset.refresh, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const html = await answer.text();
    if (html !== list.lastHtml) {
      const before = addresses(list);
      const focused = document.activeElement && list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      const isFirst = list.lastHtml === undefined;
      list.innerHTML = html;
      list.lastHtml = html;
      showLocalTimes(list);
      for (const letter of list.querySelectorAll(".letter")) {
        if (!isFirst && !before.has(letter.getAttribute("href"))) letter.classList.add("fresh");
        if (letter.getAttribute("href") === focused) letter.focus();
      }
    }
    live.textContent = "";
    live.className = "";
  } catch {
    live.textContent = "slotwatch does not answer at the moment; this list may be old.";
    live.className = "is-late";
  }
}

showLocalTimes(document);
const list = document.querySelector("[data-refresh]");
if (list) {
  const live = document.getElementById("live");
  setInterval(() => { if (!document.hidden) refresh(list, live); }, EVERY_MS);
}
