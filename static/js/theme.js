// The colour theme: "system", "light" or "dark", remembered in this browser.
// Runs in <head>, before anything is painted, so that no page flashes in the other theme.
(() => {
  "use strict";
  const names = ["system", "light", "dark"];
  const root = document.documentElement;

  function remembered() {
    try {
      const name = localStorage.getItem("theme");
      return names.includes(name) ? name : "system";
    } catch {
      return "system"; // Storage may be forbidden.
    }
  }

  function show(name) {
    root.dataset.theme = name;
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      const label = button.dataset[name];
      button.setAttribute("aria-label", label);
      button.title = `${label} ${button.dataset.next}`;
    }
  }

  show(remembered());
  document.addEventListener("DOMContentLoaded", () => show(root.dataset.theme));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const next = names[(names.indexOf(root.dataset.theme) + 1) % names.length];
    try {
      localStorage.setItem("theme", next);
    } catch {
      // The choice then lasts as long as the page.
    }
    show(next);
  });
})();
