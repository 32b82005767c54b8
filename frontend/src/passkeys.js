// Passkeys: what the library only writes to the console is said where the person looks.
export function followPasskeys() {
  document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    for (const place of document.querySelectorAll("[data-passkey-problem]")) place.hidden = false;
  });
}
