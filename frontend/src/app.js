// The portal's own script: everything here is a comfort; every page works without it.
import { followTheme } from "./theme.js";
import { followStrips } from "./strips.js";
import { followPasskeys } from "./passkeys.js";

document.documentElement.classList.add("scripted");
followTheme();
followStrips();
followPasskeys();

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// --- menus: one open at a time; Escape and a click elsewhere close it -------------------------------
document.addEventListener("click", (event) => {
  for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of all("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// --- period: the two ends are asked for only when the period is custom --------------------------------
function followPeriod(root) {
  for (const form of all("form[data-period]", root)) {
    const window_ = form.querySelector("select[name$='window']");
    const ends = form.querySelector(".custom-period");
    if (!window_ || !ends) continue;
    const show = () => {
      ends.hidden = window_.value !== "custom";
    };
    window_.addEventListener("change", show);
    if (form.hasAttribute("data-go")) goAtOnce(form, window_);
    show();
  }
}
// A choice by mouse or finger shows at once. By keyboard it waits for the button: every arrow key is a change there.
function goAtOnce(form, window_) {
  let pointed = false;
  form.addEventListener("pointerdown", () => (pointed = true));
  form.addEventListener("keydown", () => (pointed = false));
  form.addEventListener("change", (event) => {
    if (!pointed || !event.target.matches("select")) return;
    // Another summary comes with its own period.
    if (event.target.name === "summary") location.search = `?summary=${event.target.value}`;
    else if (window_.value !== "custom") form.requestSubmit();
  });
}
followPeriod(document);

// --- copy: the text of the element that the button names ---------------------------------------------
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const said = button.querySelector("[data-said]") ?? button;
  const before = said.textContent;
  try {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    said.textContent = button.dataset.done;
  } catch {
    said.textContent = button.dataset.failed;
  }
  setTimeout(() => (said.textContent = before), 2500);
});

// --- fragments ------------------------------------------------------------------------------------------
// A forbidden or failed fragment says so in its place instead of staying a grey box.
for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => event.detail.target?.classList.add("did-not-load"));
}
document.addEventListener("htmx:beforeRequest", (event) => event.detail.target?.classList.remove("did-not-load"));
// A refusal (402, 409, 422) carries its own calm message: show it where the answer would be.
document.addEventListener("htmx:beforeSwap", (event) => {
  if ([400, 402, 409, 422].includes(event.detail.xhr.status) && event.detail.serverResponse) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});

// A card that polls keeps what the reader opened or closed, and says once when it is finished.
let kept = null;
document.addEventListener("htmx:beforeSwap", (event) => {
  const card = event.detail.target?.closest?.("details.result");
  kept = card ? { id: card.id, open: card.open, busy: card.dataset.status } : null;
});
document.addEventListener("htmx:afterSettle", (event) => {
  const card = document.querySelector(kept ? `#${CSS.escape(kept.id)}` : "details.result[data-resting]");
  if (card && kept?.id === card.id) {
    card.open = kept.open;
    if (kept.busy !== card.dataset.status) announce(card.dataset.said);
  } else if (event.detail.requestConfig?.verb === "post") {
    document.querySelector("details.result")?.scrollIntoView({ block: "nearest" });
  }
  kept = null;
});
// On a phone an older result rests closed under the button, so that the figures stay in sight.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.requestConfig?.verb !== "get" || !matchMedia("(max-width: 74.99rem)").matches) return;
  for (const card of all("#assistant details.result[data-resting]")) if (!kept) card.open = false;
});

function announce(text) {
  const line = document.getElementById("said");
  if (line && text) line.textContent = text;
}
