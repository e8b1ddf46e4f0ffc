"""How the listening page looks and what its players do: plain CSS and JavaScript, inlined."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1c1b1a; --soft: #5f5b56; --line: #dedad4;
  --accent: #0b6470; --train: #a4531a; --note: #fdf3dc; --note-line: #e2c077;
  font: 16px/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  font-variant-numeric: tabular-nums;
  -webkit-text-size-adjust: 100%;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #151617; --card: #1e2022; --ink: #ecebe8; --soft: #a9a6a0; --line: #36393c;
    --accent: #6cc5d0; --train: #eaa06b; --note: #2e2818; --note-line: #6f5c2c;
  }
  .chart img { filter: invert(0.88) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: break-word; }
header, main, footer { max-width: 72rem; margin: 0 auto; padding: 0 clamp(1rem, 4vw, 2.5rem); }
header { padding-top: clamp(1.5rem, 5vw, 3.5rem); }
footer { padding-top: 1rem; padding-bottom: 3rem; color: var(--soft); font-size: 0.875rem; }
h1, h2, h3, h4 { line-height: 1.2; text-wrap: balance; }
h1 { font-size: clamp(1.7rem, 5vw, 2.6rem); letter-spacing: -0.02em; margin: 0 0 0.4rem; }
h2 { font-size: 1.45rem; letter-spacing: -0.01em; margin: 3.2rem 0 1rem; padding-top: 1rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.15rem; margin: 0; }
h4 { font-size: 1rem; margin: 0; }
p { max-width: 68ch; margin: 0.5rem 0 1rem; }
.kicker { color: var(--soft); font-size: 0.8rem; letter-spacing: 0.08em; text-transform: uppercase;
  margin: 0 0 0.5rem; }
.meta { color: var(--soft); font-size: 0.9rem; margin: 0.15rem 0 0; }
a { color: var(--accent); text-underline-offset: 0.15em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
.skip { position: absolute; left: -99em; }
.skip:focus { left: 1rem; top: 1rem; background: var(--card); padding: 0.5rem 1rem; z-index: 2; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; list-style: none; margin: 1rem 0 0;
  padding: 0; }
nav a { display: inline-block; padding: 0.25rem 0; }
.note { background: var(--note); border: 1px solid var(--note-line); border-radius: 0.5rem;
  padding: 0.75rem 1rem; margin: 1.5rem 0 0; }
.note h2 { all: unset; display: block; font-weight: 650; }
.note ul, .left-out { margin: 0.3rem 0 0; padding-left: 1.2rem; }
.left-out { color: var(--soft); font-size: 0.9rem; }
.caption { color: var(--soft); font-size: 0.9rem; margin: 1.6rem 0 0.2rem; }
.scroll { overflow-x: auto; margin: 0 0 0.3rem; }
table { border-collapse: separate; border-spacing: 0; font-size: 0.95rem;
  min-width: min(100%, 32rem); }
th, td { padding: 0.4rem 0.9rem; text-align: right; white-space: nowrap; font-weight: 400; }
th:first-child { text-align: left; padding-left: 0; position: sticky; left: 0;
  background: var(--paper); }
thead th { color: var(--soft); font-size: 0.82rem; border-bottom: 1px solid var(--line);
  vertical-align: bottom; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
tbody th { font-weight: 600; white-space: normal; min-width: 5rem; }
td:nth-child(2) { font-weight: 650; }
details tbody th { font-weight: 400; min-width: 9rem; }
details td:nth-child(2) { font-weight: 400; }
tfoot > tr > * { border-top: 2px solid var(--ink); font-weight: 650; }
.chart img { display: block; max-width: 100%; height: auto; background: #fff; }
figure { margin: 0; }
.chart { margin: 2rem 0 1.5rem; }
details { margin: 1rem 0; }
summary { cursor: pointer; padding: 0.35rem 0; color: var(--accent); }
pre { overflow: auto; max-height: 28rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 0.5rem; padding: 0.8rem 1rem; font: 0.82rem/1.5 ui-monospace, SFMono-Regular,
  Menlo, Consolas, monospace; }
code { font: 0.9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1.2rem; margin: 0.6rem 0;
  font-size: 0.95rem; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.switch { display: flex; gap: 0.6rem; align-items: baseline; max-width: 68ch; cursor: pointer; }
.switch[hidden] { display: none; }
.track { background: var(--card); border: 1px solid var(--line); border-radius: 0.75rem;
  padding: clamp(0.9rem, 2.5vw, 1.5rem); margin: 1.5rem 0; }
.pair { margin-top: 1.6rem; }
.pair > div { display: grid; gap: 0.5rem 1.25rem; grid-template-columns: 1fr 1fr; }
/* The score stands over the estimate. */
.pair > .pair-head { align-items: baseline; margin-bottom: 0.2rem; }
.pair-head p, .mixture p { margin: 0; font-size: 0.9rem; color: var(--soft); }
.score { white-space: nowrap; }
.pair-head strong { color: var(--ink); font-weight: 600; }
.mixture { margin-top: 1rem; }
figcaption { color: var(--soft); font-size: 0.85rem; margin-bottom: 0.2rem; }
.view { position: relative; height: 7rem; background: #000004; border-radius: 0.4rem 0.4rem 0 0;
  overflow: hidden; cursor: pointer; }
.view img { display: block; width: 100%; height: 100%; }
.view span { position: absolute; left: 0.35rem; transform: translateY(50%); color: #fff;
  font-size: 0.68rem; line-height: 1; text-shadow: 0 0 3px #000, 0 0 3px #000; }
.view span::before { content: ""; position: absolute; left: -0.35rem; width: 0.2rem; height: 1px;
  bottom: 0.3rem; background: #fff; }
.view b { position: absolute; top: 0; bottom: 0; left: 0; width: 2px; margin-left: -1px;
  background: #fff; box-shadow: 0 0 4px #000; visibility: hidden; }
audio { display: block; width: 100%; height: 2.6rem; }
.absent { border: 1px dashed var(--line); border-radius: 0.4rem; padding: 0.8rem 1rem; margin: 0;
  color: var(--soft); font-size: 0.9rem; }
.curves { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(100%,
  20rem), 1fr)); }
.curves svg { display: block; width: 100%; height: auto; font-size: 11px; fill: var(--soft); }
.curves polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
.curves .grid { stroke: var(--line); stroke-width: 1; }
.curves .validation { stroke: var(--accent); } .curves circle.validation { fill: var(--accent); }
.curves .training { stroke: var(--train); stroke-width: 1.5; stroke-dasharray: 5 3; }
.curves circle.training { fill: var(--train); }
@media (max-width: 44rem) {
  .pair > div { grid-template-columns: 1fr; gap: 0.5rem; }
  .pair > .pair-head { gap: 0; }
  .view { height: 6rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 0.5rem; }
  th, td { padding: 0.4rem 0.6rem; }
  table { font-size: 0.9rem; }
}
@media print { audio, .switch, nav { display: none; } .track { break-inside: avoid; } }
"""

# Everything works without it: it pauses the other players, moves the playheads and, if wished,
# takes the position along when one switches between the players of a track.
SCRIPT = """
(() => {
  "use strict";
  const keep = document.getElementById("keep");
  if (!keep) return;
  keep.closest("label").hidden = false;
  let last = null;
  const trackOf = (player) => player.closest("article");
  const draw = (player) => {
    const head = player.closest("figure").querySelector(".view b");
    if (!head || !player.duration) return;
    head.style.visibility = "visible";
    head.style.left = `${(100 * player.currentTime) / player.duration}%`;
  };
  const follow = () => {
    if (!last) return;
    draw(last);
    if (!last.paused) requestAnimationFrame(follow);
  };
  const listen = (type, act) =>
    document.addEventListener(type, (event) => {
      if (event.target instanceof HTMLAudioElement) act(event.target);
    }, true);
  listen("play", (player) => {
    for (const other of document.querySelectorAll("audio")) {
      if (other !== player && !other.paused) other.pause();
    }
    const from = last;
    last = player;
    const moves = keep.checked && from && from !== player && !from.ended;
    if (moves && trackOf(from) === trackOf(player)) player.currentTime = from.currentTime;
    follow();
  });
  // Where a listener has put a player, it stays.
  listen("seeking", (player) => { if (player.paused) last = player; draw(player); });
  document.addEventListener("click", (event) => {
    const view = event.target.closest(".view");
    const player = view && view.closest("figure").querySelector("audio");
    if (!player) return;
    const box = view.getBoundingClientRect();
    last = player;
    const length = player.duration || Number(player.dataset.seconds);
    player.currentTime = ((event.clientX - box.left) / box.width) * length;
    player.play();
  });
})();
"""
