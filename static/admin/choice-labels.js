// Names the boxes that select2 puts in the place of a choice, which a screen reader would find without a name.

function nameOf(choice) {
  return choice.getAttribute("aria-label") || choice.labels[0]?.textContent.trim() || "";
}

function label(container) {
  const choice = container.previousElementSibling;
  if (!(choice instanceof HTMLSelectElement)) return;
  const name = nameOf(choice);
  const box = container.querySelector(".select2-selection--single");
  const shown = container.querySelector(".select2-selection--single .select2-selection__rendered");
  container.querySelector(".select2-search__field")?.setAttribute("aria-label", name);
  if (!box || !shown) return;
  // The name first, then what is chosen.
  shown.removeAttribute("role");
  shown.removeAttribute("aria-readonly");
  box.setAttribute("aria-label", name);
  box.setAttribute("aria-labelledby", `${(box.id ||= `${shown.id}-box`)} ${shown.id}`);
}

function labelAll() {
  document.querySelectorAll(".select2-container").forEach(label);
  // The list that is open stands at the end of the page, away from its choice.
  const open = document.querySelector("select + .select2-container--open")?.previousElementSibling;
  if (!open) return;
  const box = open.nextElementSibling.querySelector("[aria-owns]");
  box?.setAttribute("aria-controls", box.getAttribute("aria-owns"));
  document.querySelector(".select2-dropdown .select2-search__field")?.setAttribute("aria-label", nameOf(open));
}

window.addEventListener("load", () => {
  labelAll();
  // Rows that are added have boxes of their own, and a list that opens has its field for searching.
  new MutationObserver(labelAll).observe(document.body, { childList: true, subtree: true });
});
