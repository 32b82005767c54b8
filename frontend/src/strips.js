// Time lines: pointing at a stretch, or walking through it with the arrow keys, says what it was.
// One tab stop per machine: hundreds of stretches would bury the rest of the page.
const NS = "http://www.w3.org/2000/svg";

function tell(track, index) {
  const stretches = [...track.querySelectorAll("rect[data-said]")];
  if (!stretches.length) return;
  const at = Math.max(0, Math.min(index, stretches.length - 1));
  track.dataset.at = at;
  const stretch = stretches[at];
  const line = track.closest("[data-strips]").querySelector("[data-strip-said]");
  const name = document.createElement("strong");
  name.textContent = `${track.dataset.machine}: `;
  line.replaceChildren(name, stretch.dataset.said);
  mark(track, stretch);
}

function mark(track, stretch) {
  for (const old of document.querySelectorAll("rect.at")) old.remove();
  const frame = document.createElementNS(NS, "rect");
  for (const name of ["x", "width"]) frame.setAttribute(name, stretch.getAttribute(name));
  frame.setAttribute("y", "1");
  frame.setAttribute("height", "30");
  frame.classList.add("at");
  track.querySelector("svg").append(frame);
}

function follow(stretch) {
  if (stretch) document.getElementById(stretch.dataset.part)?.click();
}

const STEPS = { ArrowRight: (at) => at + 1, ArrowLeft: (at) => at - 1, Home: () => 0, End: () => Infinity };

export function followStrips() {
  document.addEventListener("pointerover", (event) => {
    const stretch = event.target.closest?.("rect[data-said]");
    if (!stretch) return;
    const track = stretch.closest(".strip-track");
    tell(track, [...track.querySelectorAll("rect[data-said]")].indexOf(stretch));
  });
  document.addEventListener("keydown", (event) => {
    const track = event.target.closest?.(".strip-track");
    if (!track || !(event.key in STEPS)) return;
    event.preventDefault();
    tell(track, STEPS[event.key](Number(track.dataset.at ?? -1)));
  });
  // A stretch that can be corrected leads to its own link in the list below, by click or by Enter.
  document.addEventListener("click", (event) => follow(event.target.closest?.("rect[data-part]")));
  document.addEventListener("keydown", (event) => {
    const track = event.key === "Enter" ? event.target.closest?.(".strip-track") : null;
    if (track) follow(track.querySelectorAll("rect[data-part]")[Number(track.dataset.at ?? 0)]);
  });
  document.addEventListener("focusin", (event) => {
    const track = event.target.closest?.(".strip-track");
    if (track?.matches(":focus-visible")) tell(track, Number(track.dataset.at ?? 0));
  });
}
