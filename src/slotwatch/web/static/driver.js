// The driver's pages: countdowns tick by the server's clock, the part that changes renews itself, positions are asked for.
// Without this script everything works but the ticking, the renewing and the stations that ask where you are.
"use strict";
(() => {
  const EVERY = 4000;
  const SLOW = 20000;
  const DEADLINE = 15000; // of an answer: a connection that was forgotten on the way never says so
  let ahead = 0; // how far the server's clock is ahead of ours, in ms

  const words = (ms) => {
    const seconds = Math.max(0, Math.ceil(ms / 1000));
    const minutes = Math.floor(seconds / 60);
    const hours = Math.floor(seconds / 3600);
    if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
    if (hours >= 1) return `${hours}:${String(minutes % 60).padStart(2, "0")} h`;
    return `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
  };

  const tick = () => {
    const now = Date.now() + ahead;
    for (const dial of document.querySelectorAll(".dial[data-until]")) {
      const since = Number(dial.dataset.since);
      const until = Number(dial.dataset.until);
      const share = Math.min(100, Math.max(0, (100 * (until - now)) / Math.max(1, until - since)));
      dial.querySelector(".left").setAttribute("stroke-dasharray", `${share.toFixed(2)} 100`);
      dial.querySelector("b").textContent = words(until - now);
      dial.classList.toggle("last", until - now < 5 * 60 * 1000);
    }
  };

  const part = () => document.getElementById("now");

  const sync = () => {
    if (part() && part().dataset.now) ahead = Number(part().dataset.now) - Date.now();
    tick();
  };

  // Somebody who is typing is not interrupted, nor a form that waits for the phone's position.
  const isInUse = () => part().querySelector("form[data-waits]") !== null
    || [...part().querySelectorAll("textarea")].some((box) => box.value || box === document.activeElement);

  const renew = async () => {
    const trouble = document.getElementById("trouble");
    const abort = new AbortController();
    const deadline = setTimeout(() => abort.abort(), DEADLINE);
    try {
      const answer = await fetch(part().dataset.renew, { cache: "no-store", signal: abort.signal, headers: { "HX-Request": "true" } });
      if (answer.status === 401) return location.assign(`/sign-in?next=${encodeURIComponent(part().dataset.renew.replace(/\/now$/, ""))}`);
      if (answer.status === 404) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("now");
      if (fresh.dataset.version !== part().dataset.version && !isInUse()) {
        part().replaceWith(fresh);
        askWhere(fresh);
      } else if (fresh.dataset.now) {
        part().dataset.now = fresh.dataset.now;
      }
      sync();
      if (trouble) trouble.hidden = true;
    } catch {
      if (trouble) trouble.hidden = false;
    }
    clearTimeout(deadline);
    wait();
  };

  const wait = () => {
    const own = part();
    const every = own.dataset.every ? 1000 * Number(own.dataset.every) : "slow" in own.dataset ? SLOW : EVERY;
    setTimeout(renew, document.hidden && !own.dataset.every ? 3 * every : every);
  };

  const position = () => new Promise((resolve) => {
    if (!navigator.geolocation) return resolve(null);
    navigator.geolocation.getCurrentPosition((found) => resolve(found.coords), () => resolve(null), {
      enableHighAccuracy: true, timeout: 10000, maximumAge: 30000,
    });
  });

  // A form that asks where you are waits for the answer and is sent in any case: the server says what is missing.
  const askWhere = (root) => {
    for (const form of root.querySelectorAll("form[data-position]")) {
      form.addEventListener("submit", async (event) => {
        if (form.dataset.asked) return;
        event.preventDefault();
        if ("waits" in form.dataset) return;
        form.dataset.waits = "";
        const button = form.querySelector("button");
        button.setAttribute("aria-busy", "true");
        const coords = await position();
        if (coords) for (const name of ["latitude", "longitude", "accuracy"]) form.elements[name].value = coords[name];
        form.dataset.asked = "yes";
        form.requestSubmit();
      });
    }
  };

  for (const button of document.querySelectorAll("[data-locate-me]")) {
    button.hidden = !navigator.geolocation;
    button.addEventListener("click", async () => {
      button.setAttribute("aria-busy", "true");
      const coords = await position();
      button.removeAttribute("aria-busy");
      if (!coords) {
        button.textContent = "Position not available";
        button.disabled = true;
        return;
      }
      const form = button.form;
      for (const [name, value] of [["lat", coords.latitude], ["lon", coords.longitude]]) {
        const field = form.elements[name] ?? form.appendChild(Object.assign(document.createElement("input"), { type: "hidden", name }));
        field.value = value.toFixed(4); // some ten metres: enough to sort by, not more than needed
      }
      form.submit();
    });
  }

  for (const box of document.querySelectorAll("[data-zone]")) {
    if (!box.value) box.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
  }

  askWhere(document);
  if (part()) {
    sync();
    setInterval(tick, 500);
    if (part().dataset.renew) wait();
  }
})();
