// Theme: system, light or dark; a cookie remembers it, so the server draws the next page in it at once.
const YEAR_S = 31536000;

function chosen() {
  return document.documentElement.dataset.theme ?? "system";
}

function show() {
  for (const button of document.querySelectorAll("button[data-set-theme]")) {
    button.setAttribute("aria-pressed", String(button.dataset.setTheme === chosen()));
  }
}

export function followTheme() {
  show();
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-set-theme]");
    if (!button) return;
    const theme = button.dataset.setTheme;
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    document.cookie = `theme=${theme}; path=/; max-age=${YEAR_S}; samesite=lax`;
    show();
    document.dispatchEvent(new Event("theme-changed"));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    document.dispatchEvent(new Event("theme-changed"));
  });
}
