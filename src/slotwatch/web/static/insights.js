// Draws the no-show rate by day from its own table, opens the tables for paper, and hides dates that are not asked for.
"use strict";
(() => {
  const period = document.querySelector("select[name=period]");
  const own = () => { for (const field of document.querySelectorAll(".own")) { field.hidden = period.value !== "custom"; field.querySelector("input").disabled = field.hidden; } };
  period.addEventListener("change", () => { own(); if (period.value !== "custom") period.form.requestSubmit(); });
  own();

  const place = document.getElementById("days");
  if (!place) return; // own dates that make no period: there is the form alone

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const table = place.parentElement.querySelector(".twin table");
  const number = (text) => (text === "-" ? null : Number(text));
  const rows = [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  const shown = rows.filter((row) => row[4] !== "-");

  const day = (ts) => new Date(ts * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

  const draw = () => {
    place.replaceChildren();
    if (!shown.length) { place.textContent = "Nothing to draw: no slot that was decided began in this period."; return; }
    const days = shown.map((row) => Date.parse(`${row[0]}T00:00:00Z`) / 1000);
    const column = (index) => shown.map((row) => (number(row[index]) === null ? null : 100 * number(row[index])));
    const ink = color("--quiet"), line = color("--line"), tone = color("--expired");
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    new uPlot({
      width: place.clientWidth, height: 240, tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "UTC"),
      cursor: { y: false }, legend: { show: false },
      scales: { x: { range: (u, min, max) => [min - 43200, max + 43200] }, y: { range: (u, min, max) => [0, Math.max(10, Math.min(100, max * 1.1))] } },
      axes: [{ ...axis, space: 70, incrs: [86400, 172800, 604800, 1209600], values: (u, ticks) => ticks.map(day) }, { ...axis, values: (u, ticks) => ticks.map((tick) => `${tick} %`), size: 60 }],
      series: [{}, { stroke: tone, width: 2.5, points: { show: true, size: 7, fill: tone } }, { stroke: "transparent", points: { show: false } }, { stroke: "transparent", points: { show: false } }],
      bands: [{ series: [3, 2], fill: `color-mix(in srgb, ${tone} 18%, transparent)` }],
    }, [days, column(4), column(5), column(6)], place);
  };

  draw();
  let width = place.clientWidth, waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => { if (place.clientWidth !== width) { width = place.clientWidth; draw(); } }, 150); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  addEventListener("beforeprint", () => { for (const twin of document.querySelectorAll(".twin")) twin.open = true; });
  const print = document.getElementById("print");
  print.hidden = false;
  print.addEventListener("click", () => window.print());
})();
