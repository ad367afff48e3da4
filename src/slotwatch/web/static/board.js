// The live board: follows /vendor/stream, fetches the parts that changed, lets countdowns tick, opens bookings beside it.
"use strict";
(() => {
  const RENEW_EVERY = 1000; // at most so often, in ms
  const LIST_EVERY = 5000; // the list of a large board
  const LARGE = 300; // slots
  const MOST_PARTS = 40; // stations; if more have changed, the whole timeline is fetched
  const POLL_EVERY = 10000;
  const PATIENCE = 4000; // how long the stream may be away before we look by ourselves
  const SILENCE = 35000; // a stream that says nothing for so long is dead: the server says something every 15 s
  const DEADLINE = 15000; // of an answer
  const REST_AFTER = 10000; // how long a hidden tab keeps its stream: a browser has six connections for all of its tabs
  const CLOSE = '<button type="button" class="close small outline secondary" data-close>Close</button>';

  const $ = (id) => document.getElementById(id);
  const panel = $("panel");
  let ahead = 0; // how far the server's clock is ahead of ours, in ms
  let wanted = new Set();
  let renewedAt = 0, listedAt = 0, timer = 0, busy = false, poller = 0, lostSince = 0;
  let stream = null, heardAt = 0, resting = 0;
  let opened = null, openedFrom = null, reading = null;
  let turn = 0; // of the panel: an answer that is not the last one asked for is not shown
  let asking = 0, renewLater = false; // how much of what somebody asked for is on the way; the story changed meanwhile
  const posted = new Set(); // where forms were sent that have no answer yet
  let leaving = false; // the history goes back, and is not there yet

  const follows = !new URLSearchParams(location.search).get("at");
  const hourOf = (ms) => Math.floor(ms / 1800000); // half hours: a close-up moves on by these
  const serverNow = () => Date.now() + ahead;
  const time = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });
  const asOf = () => `What you see is as of ${time(Number($("seen").dataset.now))}.`;
  const link = (href, textContent) => Object.assign(document.createElement("a"), { href, textContent });

  const deadline = (abort = new AbortController()) => {
    setTimeout(() => abort.abort(new DOMException("no answer", "TimeoutError")), DEADLINE);
    return abort.signal;
  };

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
    if (!stream) return; // nobody looks, or is signed in
    const begins = $("timeline")?.dataset.since ?? seen.since; // the window goes with the time, and all of it at once
    if (follows && (hourOf(now) !== hourOf(Number(seen.now)) || begins !== seen.since)) want("everything");
    if (Date.now() - heardAt > SILENCE) { follow(); poll(); }
    const story = panel.querySelector("[data-renew-at]");
    if (story && now >= story.dataset.renewAt * 1000) {
      story.dataset.renewAt = now / 1000 + 5; // the next try, if this one gets no answer
      renewPanel();
    }
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
      const answer = await fetch(`/vendor/board?${asked}`, { headers: { "HX-Request": "true" }, cache: "no-store", redirect: "manual", signal: deadline() });
      if (answer.status === 401 || answer.type === "opaqueredirect") return ended();
      if (!answer.ok) throw new Error(String(answer.status));
      await htmx.swap({ text: await answer.text(), target: document.body, sourceElement: document.body, swap: "none" });
      sync();
      watchLater();
      markOpened();
      if ($("live").dataset.state === "trouble" && stream?.readyState === EventSource.OPEN) alive();
      if (poller) say("polling", `No live stream: looking every 10 seconds, last at ${time(serverNow())}.`);
    } catch {
      for (const one of before) wanted.add(one);
      wanted.add("everything");
      if (!stream) return;
      say("trouble", `No answer from slotwatch. ${asOf()}`);
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
    stopPolling();
    say("live", "Live: changes show by themselves.");
  };

  const poll = () => {
    if (poller) return;
    say("polling", "No live stream: looking every 10 seconds.");
    poller = setInterval(() => { want("everything"); if (stream.readyState === EventSource.CLOSED) follow(); }, POLL_EVERY);
    want("everything");
  };

  const stopPolling = () => {
    lostSince = 0;
    clearInterval(poller);
    poller = 0;
  };

  const follow = () => {
    stream?.close();
    stream = new EventSource(`/vendor/stream?since=${encodeURIComponent($("seen").value)}`);
    heardAt = Date.now();
    const on = (name, then) => stream.addEventListener(name, (event) => { heardAt = Date.now(); then(event); });
    on("ready", alive);
    on("here", () => {});
    on("changed", changed);
    on("reload", changed);
    on("ended", ended);
    on("trouble", () => say("trouble", `No answer from the database. ${asOf()}`));
    stream.addEventListener("error", () => {
      lostSince ||= Date.now();
      setTimeout(() => { if (lostSince && Date.now() - lostSince >= PATIENCE) poll(); }, PATIENCE);
    });
  };

  const unfollow = () => {
    stream?.close();
    stream = null;
    stopPolling();
  };

  const ended = () => {
    unfollow();
    turn++; // an answer from before would cover it
    const signIn = () => link(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`, "Sign in again.");
    say("ended", "");
    $("live").querySelector(".words").replaceChildren("You are signed out. ", signIn());
    if (opened) complain("You are signed out.", signIn()); // on a phone it covers the words above
  };

  document.addEventListener("visibilitychange", () => {
    clearTimeout(resting);
    if (document.hidden) resting = setTimeout(() => { unfollow(); say("resting", `Not followed while nobody looks. ${asOf()}`); }, REST_AFTER);
    else if (!stream) {
      follow();
      want("everything");
      if (opened) renewPanel();
    }
  });

  // -- a booking beside the board

  const markOpened = () => {
    for (const element of document.querySelectorAll(".open")) element.classList.remove("open");
    if (opened) { $(opened)?.classList.add("open"); $(`row-${opened}`)?.classList.add("open"); }
  };

  // The story at that address, or in words why there is none.
  const read = async (address, options) => {
    reading?.abort();
    const abort = new AbortController();
    reading = options.method ? null : abort; // what staff do is never taken back
    const headers = { Accept: "text/html", "HX-Request": "true" };
    try {
      const answer = await fetch(address, { ...options, signal: deadline(abort), headers, cache: "no-store" });
      if (answer.status === 401) return ended();
      const body = new DOMParser().parseFromString(await answer.text(), "text/html");
      const story = body.querySelector(".story");
      return story ? { story } : { trouble: body.querySelector(".notfound p")?.textContent ?? `slotwatch answered with error ${answer.status}.` };
    } catch (error) {
      return error.name === "AbortError" ? undefined : { trouble: "No answer from slotwatch. Try again soon." };
    }
  };

  const shown = () => panel.querySelector(`.story[data-booking="${opened}"]`);

  const show = async (address, { renews = false, ...options } = {}) => {
    const mine = ++turn;
    const found = await read(address, options);
    if (!found || mine !== turn) return;
    const before = shown();
    if (found.trouble) complain(found.trouble, before ? "" : link(address, "Try again"));
    else {
      const morphs = renews && before;
      if (morphs) keep(before, found.story);
      await htmx.swap({ text: CLOSE + found.story.outerHTML, target: panel, sourceElement: panel, swap: morphs ? "innerMorph" : "innerHTML" });
      if (!opened) panel.replaceChildren();
      if (mine !== turn) return;
    }
    panel.hidden = false;
    if (!renews) (panel.querySelector("textarea") ?? panel).focus();
    markOpened();
    tick();
  };

  // Above the story, which stays with all that was typed, or in its place.
  const complain = (words, way) => {
    const banner = Object.assign(document.createElement("p"), { className: "banner bad trouble" });
    banner.setAttribute("role", "alert");
    banner.append(`${words} `, way);
    panel.querySelector(".trouble")?.remove();
    if (!shown()) panel.innerHTML = CLOSE;
    panel.querySelector(".close").after(banner);
    panel.hidden = false;
  };

  // What stands in one answer only stays when the story renews itself: a contact that was asked for, and why something
  // was refused, until the booking moves or something else is done.
  const keep = (before, story) => {
    const contact = story.querySelectorAll("[data-contact]");
    before.querySelectorAll("[data-contact]").forEach((one, n) => { if (one.dataset.contact) contact[n]?.replaceWith(one.cloneNode(true)); });
    const said = before.querySelector(".banner[role=alert]");
    const state = (one) => one.querySelector("h1 .state").textContent;
    if (said && state(before) === state(story)) story.querySelector("h1").after(said.cloneNode(true));
  };

  const renewPanel = () => {
    if (asking) renewLater = true;
    else if (!panel.querySelector("textarea, input[type=text]")) show(`/vendor/bookings/${opened}`, { renews: true });
  };

  // What somebody wants to see or to do: nothing that renews itself may come between.
  const ask = async (address, options) => {
    opened = address.split("/")[3];
    remember();
    asking++;
    try {
      await show(address, options);
    } finally {
      asking--;
    }
    if (asking) return;
    if (renewLater && opened) renewPanel();
    renewLater = false;
  };

  const post = async (form) => {
    const address = form.getAttribute("action");
    if (posted.has(address)) return; // a double tap
    posted.add(address);
    try {
      await ask(address, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    } finally {
      posted.delete(address);
    }
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

  // -- the history: Back closes the booking, and one that was closed leaves nothing to go back to

  const remember = () => {
    if (leaving) return; // it is remembered when we are there
    history.scrollRestoration = "manual"; // to close a booking moves nothing
    if (history.state?.booking) history.replaceState({ booking: opened }, "");
    else history.pushState({ booking: opened }, "");
  };

  const goBack = () => {
    close();
    if (leaving || !history.state?.booking) return;
    leaving = true;
    history.back();
  };

  window.addEventListener("popstate", () => {
    const booking = history.state?.booking;
    if (leaving) {
      leaving = false;
      if (opened) remember();
    } else if (booking) ask(`/vendor/bookings/${booking}`);
    else if (opened) close();
    if (!history.state?.booking) history.scrollRestoration = "auto";
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) { event.preventDefault(); return goBack(); }
    const chosen = event.target.closest('a[href^="/vendor/bookings/"]');
    if (!chosen || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    if (!panel.contains(chosen)) openedFrom = chosen;
    ask(chosen.getAttribute("href"));
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!panel.contains(form) || form.method !== "post") return;
    event.preventDefault();
    post(form);
  });

  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && opened) goBack(); });

  for (const choice of document.querySelectorAll(".filters select")) choice.addEventListener("change", () => choice.form.requestSubmit());

  sync();
  watchLater();
  setInterval(tick, 1000);
  if (!document.hidden) follow(); // else when it is seen
  if (history.state?.booking) ask(`/vendor/bookings/${history.state.booking}`);
})();
