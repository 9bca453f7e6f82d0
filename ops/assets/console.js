// Refreshes the page in place every two seconds. Without this script the page is the same, only still.
"use strict";

const EVERY_MS = 2000;
const button = document.getElementById("pause");
const stale = document.getElementById("stale");
let paused = false;

function selecting() {
  const selection = window.getSelection();
  return selection !== null && !selection.isCollapsed;
}

// A part that is focused or scrolled stays so: it is found again by its place among its like.
function swap(place, fresh) {
  const regions = (root) => [...root.querySelectorAll(".scroll")];
  const before = regions(place);
  const focused = before.indexOf(document.activeElement);
  const scrolled = before.map((region) => [region.getAttribute("aria-labelledby"), region.scrollLeft]);
  place.className = fresh.className;
  place.replaceChildren(...fresh.childNodes);
  const after = regions(place);
  for (const [name, left] of scrolled) {
    const region = after.find((region) => region.getAttribute("aria-labelledby") === name);
    if (region) region.scrollLeft = left;
  }
  if (focused >= 0 && after[focused]) after[focused].focus({ preventScroll: true });
}

async function refresh() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (paused || selecting()) return;
  document.title = page.title;
  for (const place of document.querySelectorAll(".live")) {
    const fresh = page.getElementById(place.id);
    if (fresh) swap(place, fresh);
  }
}

async function tick() {
  if (!paused && !document.hidden && !selecting()) {
    try {
      await refresh();
      stale.textContent = "";
    } catch {
      stale.textContent = "The console does not answer; what you see is old.";
    }
  }
  setTimeout(tick, EVERY_MS);
}

button.hidden = false;
button.addEventListener("click", () => {
  paused = !paused;
  button.setAttribute("aria-pressed", String(paused));
  button.textContent = paused ? "Resume refreshing" : "Pause refreshing";
});
setTimeout(tick, EVERY_MS);
