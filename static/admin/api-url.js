// Shows what the URL of an API will be while its suffix and scheme are chosen.

const output = document.querySelector("[data-public-url]");
const suffix = document.getElementById("id_path");
const scheme = document.getElementById("id_scheme");

function showAddress(bases) {
  const path = suffix.value.trim();
  const lines = (bases[scheme.value] ?? []).map((base) => {
    const line = document.createElement("span");
    line.textContent = path ? `${base}/${path}` : base;
    return line;
  });
  output.replaceChildren(...lines);
  const isReachable = scheme.value === "both" || scheme.value === output.dataset.gatewayScheme;
  document.querySelector("[data-scheme-warning]").hidden = isReachable;
}

if (output && suffix && scheme) {
  const bases = JSON.parse(document.getElementById("base-urls").textContent);
  suffix.addEventListener("input", () => showAddress(bases));
  scheme.addEventListener("change", () => showAddress(bases));
  showAddress(bases);
}
