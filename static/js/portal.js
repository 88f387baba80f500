// Comforts of every page. Each works on top of a page that is complete without it.
(() => {
  "use strict";

  // Pages show dates and times by the clock of who reads them; the server learns here which that is.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.split("; ").includes(`apim_time_zone=${zone}`)) {
    document.cookie = `apim_time_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
  }

  function closeSearch() {
    const panel = document.getElementById("site-search-panel");
    if (panel) panel.replaceChildren();
  }

  function isTyping(element) {
    return element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);
  }

  // Ctrl+K, Cmd+K and "/" go to the search.
  document.addEventListener("keydown", (event) => {
    const search = document.getElementById("site-search");
    const isShortcut = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k";
    const isSlash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target);
    if (search && (isShortcut || isSlash)) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  });

  // Arrows walk through what the search found; Escape closes it.
  document.addEventListener("keydown", (event) => {
    const form = event.target.closest("[data-site-search]");
    if (!form) return;
    if (event.key === "Escape") {
      closeSearch();
      document.getElementById("site-search").focus();
      return;
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const stops = [document.getElementById("site-search"), ...form.querySelectorAll("#site-search-panel a")];
    const step = event.key === "ArrowDown" ? 1 : -1;
    const next = stops[(stops.indexOf(document.activeElement) + step + stops.length) % stops.length];
    event.preventDefault();
    next.focus();
  });

  // A click beside an open menu or the search closes it.
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-site-search]")) closeSearch();
    for (const menu of document.querySelectorAll("details[data-closes-itself][open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = event.target.closest("details[data-closes-itself][open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  // data-copy: "#id" of the element whose text is copied.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.querySelector(button.dataset.copy);
    const label = button.dataset.label ?? button.textContent;
    button.dataset.label = label;
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      button.textContent = document.body.dataset.copied;
    } catch {
      // Browsers give the clipboard to pages over TLS or from this machine only.
      getSelection().selectAllChildren(source);
      button.textContent = document.body.dataset.copyYourself;
    }
    setTimeout(() => { button.textContent = label; }, 1600);
  });

  // What somebody typed into the console is forgotten once he has signed out, or somebody else has signed in.
  function forgetOthers(storage, person) {
    for (const key of Object.keys(storage)) {
      const [owner, what, whose] = key.split(" ");
      if (owner === "console" && ["inputs", "secrets", "history"].includes(what) && whose !== person && whose !== "guest") {
        storage.removeItem(key);
      }
    }
  }
  try {
    const { person } = document.body.dataset;
    if (person) for (const storage of [localStorage, sessionStorage]) forgetOthers(storage, person);
  } catch {
    // Storage may be forbidden; then there is nothing in it.
  }

  // data-filter: "#id" of a list whose items are shown or hidden as one types.
  document.addEventListener("input", (event) => {
    const source = event.target.dataset.filter;
    if (!source) return;
    const words = event.target.value.toLowerCase().split(/\s+/);
    for (const item of document.querySelectorAll(`${source} [data-filter-text]`)) {
      const text = item.dataset.filterText.toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
    }
  });
})();
