// The live board: follows /vendor/stream, fetches the parts that changed, lets countdowns tick, opens bookings beside it.
"use strict";
(() => {
  const RENEW_EVERY = 1000; // at most so often, in ms
  const LIST_EVERY = 5000; // the list of a large board
  const LARGE = 300; // slots
  const MOST_PARTS = 40; // stations; if more have changed, the whole timeline is fetched
  const POLL_EVERY = 10000;
  const PATIENCE = 4000; // how long the stream may be away before we look by ourselves

  const $ = (id) => document.getElementById(id);
  const panel = $("panel");
  let ahead = 0; // how far the server's clock is ahead of ours, in ms
  let wanted = new Set();
  let renewedAt = 0, listedAt = 0, timer = 0, busy = false, poller = 0, lostSince = 0;
  let opened = null, openedFrom = null, reading = null;
  let turn = 0; // of the panel: an answer that is not the last one asked for is not shown
  let posting = false, renewLater = false; // of the booking that is opened

  const follows = !new URLSearchParams(location.search).get("at");
  const hourOf = (ms) => Math.floor(ms / 1800000); // half hours: a close-up moves on by these
  const serverNow = () => Date.now() + ahead;
  const stamp = () => new Date(serverNow()).toLocaleTimeString([], { hour12: false });

  const say = (state, words) => {
    const live = $("live");
    if (live.dataset.state === state && state !== "polling" && state !== "trouble") return;
    live.dataset.state = state;
    live.querySelector(".words").textContent = words;
  };

  // -- what ticks

  const clock = (ms) => {
    const seconds = Math.max(0, Math.ceil(ms / 1000));
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} left`;
  };

  const tick = () => {
    const now = serverNow();
    for (const words of document.querySelectorAll(".clock[data-until]")) words.textContent = clock(words.dataset.until * 1000 - now);
    for (const ring of document.querySelectorAll(".ring[data-until]")) {
      const since = ring.dataset.since * 1000, until = ring.dataset.until * 1000;
      const share = Math.min(1, Math.max(0, (until - now) / Math.max(1, until - since)));
      ring.querySelector(".left").setAttribute("stroke-dashoffset", (100 * (1 - share)).toFixed(1));
    }
    const seen = $("seen").dataset;
    const x = `${(100 * (now - seen.since) / (seen.until - seen.since)).toFixed(3)}%`;
    for (const line of document.querySelectorAll(".time .now")) { line.setAttribute("x1", x); line.setAttribute("x2", x); }
    if (follows && hourOf(now) !== hourOf(Number(seen.now))) want("everything"); // the window goes with the time
  };

  // -- stations further down are drawn when they come near

  const near = new IntersectionObserver((seen) => {
    const ids = seen.filter((one) => one.isIntersecting).map((one) => one.target.id);
    if (ids.length) { for (const id of ids) near.unobserve($(id)); want(...ids); }
  }, { rootMargin: "800px" });

  const watchLater = () => { for (const station of document.querySelectorAll(".station.later")) near.observe(station); };

  const sync = () => { ahead = Number($("seen").dataset.now) - Date.now(); tick(); };

  // -- fetching what changed

  const isShown = (element) => element && element.getClientRects().length > 0;

  // Of the whole timeline: the slots of which stations to draw, so that nothing that is seen goes blank.
  const drawn = () => {
    const ids = new Set([...document.querySelectorAll(".station:not(.later)")].map((one) => one.id).concat(...wanted));
    ids.delete("everything");
    return [...ids].slice(0, 600).join(",");
  };

  const parts = () => {
    const large = document.querySelectorAll(".s").length > LARGE;
    const names = ["numbers"];
    const now = Date.now();
    const shown = isShown($("timeline"));
    if (shown && wanted.size > MOST_PARTS) wanted.add("everything");
    if (wanted.has("everything")) names.push("timeline");
    else if (shown) names.push(...wanted);
    if (!large || wanted.has("everything") || now - listedAt >= LIST_EVERY) { names.push("list"); listedAt = now; }
    else setTimeout(() => want(), LIST_EVERY - (now - listedAt));
    return names.join(",");
  };

  const renew = async () => {
    timer = 0;
    if (busy) return want();
    busy = true;
    renewedAt = Date.now();
    const asked = new URLSearchParams(location.search);
    asked.set("parts", parts());
    if (wanted.has("everything")) asked.set("drawn", drawn());
    const before = wanted;
    wanted = new Set();
    try {
      const answer = await fetch(`/vendor/board?${asked}`, { headers: { "HX-Request": "true" }, cache: "no-store", redirect: "manual" });
      if (answer.status === 401 || answer.type === "opaqueredirect") return ended();
      if (!answer.ok) throw new Error(String(answer.status));
      await htmx.swap({ text: await answer.text(), target: document.body, sourceElement: document.body, swap: "none" });
      sync();
      watchLater();
      markOpened();
      if ($("live").dataset.state === "trouble" && stream.readyState === EventSource.OPEN) alive();
      if (poller) say("polling", `No live stream: looking every 10 seconds, last at ${stamp()}.`);
    } catch {
      for (const one of before) wanted.add(one);
      wanted.add("everything");
      say("trouble", `No answer from slotwatch. What you see is as of ${new Date(Number($("seen").dataset.now)).toLocaleTimeString([], { hour12: false })}.`);
      if (!poller) setTimeout(want, 3000);
    } finally {
      busy = false;
    }
  };

  const want = (...names) => {
    for (const name of names) wanted.add(name);
    if (!timer) timer = setTimeout(renew, Math.max(50, RENEW_EVERY - (Date.now() - renewedAt)));
  };

  // -- the stream

  const changed = (event) => {
    const told = JSON.parse(event.data);
    alive();
    if (event.type === "reload" || !told.bookingIds.length || told.stationIds.some((id) => !$(id))) want("everything");
    else want(...told.stationIds.filter((id) => !$(id).classList.contains("later")));
    if (opened && (event.type === "reload" || told.bookingIds.includes(opened) || !told.bookingIds.length)) renewPanel();
  };

  const alive = () => {
    lostSince = 0;
    if (poller) { clearInterval(poller); poller = 0; }
    say("live", "Live: changes show by themselves.");
  };

  const ended = () => {
    stream?.close();
    clearInterval(poller);
    say("ended", "You are signed out. ");
    const link = document.createElement("a");
    link.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = "Sign in again.";
    $("live").querySelector(".words").append(link);
  };

  const poll = () => {
    if (poller) return;
    say("polling", "No live stream: looking every 10 seconds.");
    poller = setInterval(() => { want("everything"); if (stream.readyState === EventSource.CLOSED) follow(); }, POLL_EVERY);
    want("everything");
  };

  let stream = null;
  const follow = () => {
    stream?.close();
    stream = new EventSource(`/vendor/stream?since=${encodeURIComponent($("seen").value)}`);
    stream.addEventListener("ready", alive);
    stream.addEventListener("changed", changed);
    stream.addEventListener("reload", changed);
    stream.addEventListener("ended", ended);
    stream.addEventListener("trouble", () => say("trouble", `No answer from the database. What you see is as of ${new Date(Number($("seen").dataset.now)).toLocaleTimeString([], { hour12: false })}.`));
    stream.addEventListener("error", () => {
      lostSince ||= Date.now();
      setTimeout(() => { if (lostSince && Date.now() - lostSince >= PATIENCE) poll(); }, PATIENCE);
    });
  };

  // -- a booking beside the board

  const markOpened = () => {
    for (const element of document.querySelectorAll(".open")) element.classList.remove("open");
    if (opened) { $(opened)?.classList.add("open"); $(`row-${opened}`)?.classList.add("open"); }
  };

  // The story at that address, or in words why there is none.
  const read = async (address, options = {}) => {
    reading?.abort();
    reading = options.method ? null : new AbortController(); // what staff do is never taken back
    const headers = { Accept: "text/html", "HX-Request": "true" };
    try {
      const answer = await fetch(address, { ...options, signal: reading?.signal, headers, cache: "no-store" });
      if (answer.status === 401) return ended();
      const body = new DOMParser().parseFromString(await answer.text(), "text/html");
      const story = body.querySelector(".story");
      return story ? { story } : { trouble: body.querySelector(".notfound p")?.textContent ?? `slotwatch answered with error ${answer.status}.` };
    } catch (error) {
      return error.name === "AbortError" ? undefined : { trouble: "No answer from slotwatch. Try again soon." };
    }
  };

  const show = async (address, options) => {
    const mine = ++turn;
    const found = await read(address, options);
    if (!found || mine !== turn) return;
    const before = panel.querySelector(`.story[data-booking="${opened}"]`);
    const renews = options === undefined && before !== null;
    const banner = document.createElement("p");
    if (found.trouble) {
      banner.className = "banner bad trouble";
      banner.setAttribute("role", "alert");
      banner.textContent = `${found.trouble} `;
      if (!before) banner.append(Object.assign(document.createElement("a"), { href: address, textContent: "Try again" }));
    }
    if (found.trouble && before) { // what was shown stays, and all that was typed
      panel.querySelector(".trouble")?.remove();
      before.before(banner);
    } else {
      if (renews) keepRefusal(before, found.story);
      const fresh = `<button type="button" class="close small outline secondary" data-close>Close</button>${(found.story ?? banner).outerHTML}`;
      await htmx.swap({ text: fresh, target: panel, sourceElement: panel, swap: renews ? "innerMorph" : "innerHTML" });
      if (!opened) panel.replaceChildren();
      if (mine !== turn) return;
    }
    panel.hidden = false;
    if (!renews) panel.focus();
    markOpened();
    tick();
  };

  // Why something was refused stands in its answer only: it stays until the booking moves or something else is done.
  const keepRefusal = (before, story) => {
    const said = before.querySelector(".banner[role=alert]");
    const state = (one) => one.querySelector("h1 .state").textContent;
    if (said && story && state(before) === state(story)) story.querySelector("h1").after(said.cloneNode(true));
  };

  const renewPanel = () => {
    if (posting) renewLater = true;
    else if (!panel.querySelector("textarea, input[type=text]")) show(`/vendor/bookings/${opened}`);
  };

  const post = async (form) => {
    posting = true;
    try {
      await show(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form)) });
    } finally {
      posting = false;
    }
    if (renewLater && opened) renewPanel();
    renewLater = false;
  };

  const close = () => {
    turn++;
    panel.hidden = true;
    panel.replaceChildren();
    const from = openedFrom?.isConnected ? openedFrom : $(opened); // it may have been drawn anew meanwhile
    opened = null;
    markOpened();
    from?.focus();
  };

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) return close();
    const link = event.target.closest('a[href^="/vendor/bookings/"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const address = link.getAttribute("href");
    event.preventDefault();
    if (!panel.contains(link)) openedFrom = link;
    opened = address.split("/")[3];
    show(address);
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!panel.contains(form) || form.method !== "post") return;
    event.preventDefault();
    post(form);
  });

  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && opened) close(); });

  for (const choice of document.querySelectorAll(".filters select")) choice.addEventListener("change", () => choice.form.requestSubmit());

  sync();
  watchLater();
  setInterval(tick, 1000);
  follow();
})();
