// Keeps the rows of template parameters in step with the URL template, and shows the request URL.

const PARAMETER = /\{(\*?[A-Za-z_][A-Za-z0-9_.-]{0,99})\}/g;
const group = document.getElementById("template_parameters-group");
const template = document.getElementById("id_url_template");
const method = document.getElementById("id_method");
const api = document.getElementById("id_api");
const output = document.querySelector("[data-request-url]");

// Rows that this script added. Rows that a person added or filled in are never taken away.
const added = new Set();

function namesInTemplate() {
  const names = new Map();
  for (const [, name] of template.value.matchAll(PARAMETER)) {
    const plain = name.replace("*", "");
    names.set(plain.toLowerCase(), plain);
  }
  return names;
}

function rows() {
  const fields = group.querySelectorAll('input[name^="template_parameters-"][name$="-name"]');
  return [...fields]
    .filter((field) => !field.name.includes("__prefix__"))
    .map((field) => ({ field, element: rowOf(field) }))
    .filter(({ element }) => !element.querySelector('input[name$="-DELETE"]')?.checked);
}

function rowOf(field) {
  return field.closest(".form-group");
}

function addRow(name) {
  const known = new Set(rows().map(({ field }) => field));
  group.querySelector("a.add-row")?.click();
  const row = rows().find(({ field }) => !known.has(field));
  if (row) {
    row.field.value = name;
    added.add(row.field);
  }
}

function isUntouched({ field, element }) {
  const others = element.querySelectorAll('input[type="text"], textarea');
  return added.has(field) && [...others].every((other) => other === field || other.value === other.defaultValue);
}

function removeRow({ field, element }) {
  added.delete(field);
  element.querySelector(".delete-template")?.click();
}

function follow() {
  const wanted = namesInTemplate();
  const present = rows();
  const stale = present.filter(({ field }) => field.value && !wanted.has(field.value.toLowerCase()));
  const declared = new Set(present.map(({ field }) => field.value.toLowerCase()));
  const missing = [...wanted].filter(([key]) => !declared.has(key)).map(([, name]) => name);

  // A name that is being corrected keeps what was written beside it.
  while (missing.length && stale.some(({ field }) => added.has(field))) {
    const row = stale.splice(stale.findIndex(({ field }) => added.has(field)), 1)[0];
    row.field.value = missing.shift();
  }
  missing.forEach(addRow);
  stale.filter(isUntouched).forEach(removeRow);
  mark();
}

function mark() {
  const wanted = namesInTemplate();
  for (const { field, element } of rows()) {
    const isStale = Boolean(field.value) && !wanted.has(field.value.toLowerCase()) && field.value !== "*";
    element.classList.toggle("is-not-in-template", isStale);
    field.title = isStale ? "The URL template has no such parameter." : "";
  }
}

function savedMethod() {
  const usual = [...method.list.options].map((option) => option.value);
  return usual.find((one) => one === method.value.toUpperCase()) ?? method.value;
}

function showRequestURL() {
  const bases = output.dataset.baseUrls.split(" ").filter(Boolean);
  const lines = bases.map((base) => {
    const verb = document.createElement("b");
    verb.className = `verb verb--${method.value.toLowerCase()}`;
    verb.textContent = savedMethod();
    const line = document.createElement("span");
    line.append(verb, ` ${base}${template.value}`);
    return line;
  });
  if (lines.length === 0 || !template.value) {
    output.textContent = "Choose an API and write a URL template.";
  } else {
    output.replaceChildren(...lines);
  }
}

async function showChosenAPI() {
  output.dataset.baseUrls = "";
  const id = api.value;
  if (/^\d+$/.test(id)) {
    const administration = location.pathname.split("/apis/")[0];
    const answer = await fetch(`${administration}/apis/api/${id}/address/`);
    if (answer.ok && api.value === id) {
      output.dataset.baseUrls = (await answer.json()).urls.join(" ");
    }
  }
  showRequestURL();
}

if (group && template && method && api && output) {
  group.querySelector("[data-without-script]")?.setAttribute("hidden", "");
  group.querySelector("[data-with-script]")?.removeAttribute("hidden");
  template.addEventListener("input", () => {
    follow();
    showRequestURL();
  });
  group.addEventListener("input", mark);
  method.addEventListener("input", showRequestURL);
  // select2 tells of a choice through jQuery only.
  (window.django?.jQuery ?? window.jQuery)?.(api).on("change", showChosenAPI);
  window.addEventListener("load", () => {
    follow();
    if (api.value && !output.dataset.baseUrls) showChosenAPI();
  });
}
