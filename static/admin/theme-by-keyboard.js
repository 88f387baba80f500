// What the theme opens by a click on a piece of text, opens by keyboard too; and its icons, whose names are
// letters of a font, are kept from screen readers.

const texts = document.currentScript.dataset;

function isShown(element) {
  return element.getClientRects().length > 0;
}

// The name of an icon, such as "search", is better than none.
function isNamedWithout(icon) {
  const control = icon.closest("a, button");
  return !control || control.title || control.ariaLabel || control.textContent.trim() !== icon.textContent.trim();
}

function actAsButton(element, { label, opened } = {}) {
  element.setAttribute("role", "button");
  element.tabIndex = 0;
  if (label) element.setAttribute("aria-label", label);
  const tell = () => { if (opened) element.setAttribute("aria-expanded", isShown(opened)); };
  const press = (then) => {
    element.click();
    // By the next frame but one the theme has shown or hidden what it opens.
    requestAnimationFrame(() => requestAnimationFrame(() => { tell(); then(); }));
  };
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    press(() => { if (opened && isShown(opened)) opened.querySelector("a, button, input, [tabindex]")?.focus(); });
  });
  opened?.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isShown(element)) press(() => element.focus());
  });
  element.addEventListener("focus", tell);
  tell();
}

document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("main")?.setAttribute("role", "main");
  for (const icon of document.querySelectorAll(".material-symbols-outlined")) {
    if (isNamedWithout(icon)) icon.setAttribute("aria-hidden", "true");
  }
  const menu = document.getElementById("nav-sidebar");
  if (!menu) return;
  for (const icon of document.querySelectorAll("#header-inner span[x-on\\:click]")) {
    icon.removeAttribute("aria-hidden");
    actAsButton(icon, { label: texts.menu, opened: menu });
  }
  for (const icon of menu.querySelectorAll("span[x-on\\:click]")) {
    icon.removeAttribute("aria-hidden");
    actAsButton(icon, { label: texts.close });
  }
  for (const choice of menu.querySelectorAll("a[x-on\\:click]:not([href])")) actAsButton(choice);
  const account = menu.querySelector("div[x-on\\:click*=openUserLinks]");
  if (account) actAsButton(account, { opened: account.parentElement.querySelector("nav") });
});
