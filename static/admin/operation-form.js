// Keeps the rows of template parameters in step with the URL template, and shows the request URL.

const PARAMETER = /\{(\*?[A-Za-z_][A-Za-z0-9_.-]{0,99})\}/g;
const group = document.getElementById("template_parameters-group");
const template = document.getElementById("id_url_template");
const method = document.getElementById("id_method");
const api = document.getElementById("id_api");
const output = document.querySelector("[data-request-url]");

// Rows that follow the template: those that this script added, and unsaved ones of a form that was refused.
// What a person added or filled in is never taken away while he works.
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
  return [...group.querySelectorAll(".form-group:not(.empty-form)")]
    .map((element) => ({ element, field: element.querySelector('input[name$="-name"]') }))
    .filter(({ element }) => !element.querySelector('input[name$="-DELETE"]')?.checked);
}

function addRow(name) {
  const known = new Set(rows().map(({ element }) => element));
  group.querySelector("a.add-row")?.click();
  const row = rows().find(({ element }) => !known.has(element));
  if (row) {
    row.field.value = name;
    added.add(row.element);
  }
}

function isUntouched({ element, field }) {
  const fresh = new Map(fieldsOf(group.querySelector(".empty-form")).map((one) => [lastPart(one.name), one.value]));
  const others = fieldsOf(element).filter((one) => one !== field);
  return added.has(element) && others.every((one) => one.value === fresh.get(lastPart(one.name)));
}

function fieldsOf(element) {
  return [...element.querySelectorAll('input[type="text"], textarea')];
}

function lastPart(name) {
  return name.split("-").at(-1);
}

function removeRow({ element }) {
  added.delete(element);
  element.querySelector(".delete-template")?.click();
}

// When a row is deleted, the theme moves the ones below it by their HTML, which does not hold what was
// typed. This writes it there first.
function keepWhatWasTyped(event) {
  const rowsOfFormset = event.target.closest?.(".delete-template")?.closest(".formset");
  for (const field of rowsOfFormset?.querySelectorAll("input, textarea") ?? []) {
    if (field.type === "checkbox") {
      field.toggleAttribute("checked", field.checked);
    } else if (field.tagName === "TEXTAREA") {
      field.textContent = field.value;
    } else {
      field.setAttribute("value", field.value);
    }
  }
}

function follow() {
  const wanted = namesInTemplate();
  const present = rows();
  const stale = present.filter(({ field }) => field.value && !wanted.has(field.value.toLowerCase()));
  const declared = new Set(present.map(({ field }) => field.value.toLowerCase()));
  const missing = [...wanted].filter(([key]) => !declared.has(key)).map(([, name]) => name);

  // A name that is being corrected keeps what was written beside it.
  const correctable = stale.filter(({ element }) => added.has(element));
  for (const { field } of correctable.splice(0, missing.length)) {
    field.value = missing.shift();
  }
  missing.forEach(addRow);
  correctable.filter(isUntouched).forEach(removeRow);
  mark();
}

function mark() {
  const wanted = namesInTemplate();
  for (const { field, element } of rows()) {
    const isStale = Boolean(field.value) && !wanted.has(field.value.toLowerCase()) && field.value !== "*";
    element.classList.toggle("is-not-in-template", isStale);
    field.title = isStale ? output.dataset.stale : "";
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
    output.textContent = output.dataset.empty;
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
  document.addEventListener("click", keepWhatWasTyped, { capture: true });
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
    rows().filter(({ element }) => element.classList.contains("template")).forEach(({ element }) => added.add(element));
    follow();
    if (api.value && !output.dataset.baseUrls) showChosenAPI();
  });
}
