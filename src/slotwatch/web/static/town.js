// The demo town: fetches its board every two seconds and lets the countdowns tick in between.
"use strict";
(() => {
  const EVERY = 2000;
  let ahead = 0; // how far the server's clock is ahead of ours, in ms: countdowns go by the server's

  const clock = (ms) => {
    const seconds = Math.max(0, Math.ceil(ms / 1000));
    const minutes = Math.floor(seconds / 60);
    return `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
  };

  const tick = () => {
    const now = Date.now() + ahead;
    for (const dial of document.querySelectorAll(".dial[data-until]")) {
      const since = Number(dial.dataset.since);
      const until = Number(dial.dataset.until);
      const share = Math.min(1, Math.max(0, (until - now) / Math.max(1, until - since)));
      dial.style.setProperty("--share", share.toFixed(4));
      dial.querySelector(".left").textContent = clock(until - now);
    }
  };

  const sync = () => {
    ahead = Number(document.getElementById("board").dataset.now) - Date.now();
    tick();
  };

  const renew = async () => {
    const stale = document.getElementById("stale");
    try {
      const answer = await fetch("/town/board", { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("board");
      document.getElementById("board").replaceWith(fresh);
      sync();
      stale.textContent = "";
    } catch {
      stale.textContent = "No answer from slotwatch; trying again.";
    }
    setTimeout(renew, document.hidden ? 5 * EVERY : EVERY);
  };

  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  sync();
  setInterval(tick, 250);
  setTimeout(renew, EVERY);
})();
