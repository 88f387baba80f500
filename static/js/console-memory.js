// What the console remembers in this browser, for each person and operation: inputs that differ from
// the example, over visits; typed secrets and the history, until the tab is closed. Never a secret
// in localStorage, and never the value of a hidden field in the history. portal.js forgets it all
// when the person has signed out.

const HISTORY_LENGTH = 10;
const HISTORY_BODY_CHARACTERS = 100_000;
const SECRET = /auth|key|token|secret|passw|credential|cookie|signature|\bsig\b/i;
let initial;

export const looksSecret = (name) => SECRET.test(name);

const page = () => location.pathname.replace(/send\/$/, "");
const place = (what) => `console ${what} ${document.body.dataset.person} ${page()}`;
const carried = () => `console-carried ${page()}`;

function read(storage, key) {
  try {
    return JSON.parse(storage.getItem(key));
  } catch {
    return null;
  }
}

function write(storage, key, value) {
  try {
    if (value === null) storage.removeItem(key);
    else storage.setItem(key, JSON.stringify(value));
  } catch {
    // Full or forbidden: the console works without it.
  }
}

/** All inputs, secrets apart. */
function inputsOf(form) {
  const open = { fields: {}, switches: {}, added: [] };
  const secret = { fields: {}, added: [] };
  for (const row of form.querySelectorAll("[data-row]")) {
    const field = row.querySelector("[data-value]");
    if ("added" in row.dataset) {
      const name = row.querySelector("[data-added-name]").value;
      (looksSecret(name) ? secret : open).added.push({ location: row.dataset.row, name, value: field.value });
      continue;
    }
    ("secret" in row.dataset ? secret : open).fields[field.name] = field.value;
    const toggle = row.querySelector("[data-on]");
    if (toggle) open.switches[toggle.value] = toggle.checked;
  }
  open.body = form.querySelector("[data-body]").value;
  open.example = form.querySelector("[data-example]")?.value ?? "";
  open.subscription = form.querySelector("[data-subscription]")?.value ?? null;
  return { open, secret };
}

/** What of `inputs` the example does not have; null where that is nothing. */
function difference(inputs, example) {
  const changed = { ...inputs, fields: {}, switches: {} };
  for (const group of ["fields", "switches"]) {
    for (const [name, value] of Object.entries(inputs[group] ?? {})) {
      if (value !== example[group]?.[name]) changed[group][name] = value;
    }
  }
  for (const name of ["body", "example", "subscription"]) {
    if (inputs[name] === example[name]) delete changed[name];
  }
  const isSame =
    Object.keys(changed.fields).length === 0 &&
    Object.keys(changed.switches).length === 0 &&
    changed.added.length === 0 &&
    !("body" in changed || "example" in changed || "subscription" in changed);
  return isSame ? null : changed;
}

export function takeInitial(form) {
  initial = inputsOf(form);
}

export function remember(form) {
  const { open, secret } = inputsOf(form);
  write(localStorage, place("inputs"), difference(open, initial.open));
  write(sessionStorage, place("secrets"), difference(secret, initial.secret));
}

export function remembered() {
  const open = read(localStorage, place("inputs"));
  const secret = read(sessionStorage, place("secrets"));
  return open || secret ? joined(open, secret) : null;
}

const joined = (open, secret) => ({
  ...open,
  fields: { ...open?.fields, ...secret?.fields },
  added: [...(open?.added ?? []), ...(secret?.added ?? [])],
});

export function forget() {
  write(localStorage, place("inputs"), null);
  write(sessionStorage, place("secrets"), null);
}

/** Keep all inputs over the reload that follows, even if somebody else is signed in then. */
export function carry(form) {
  write(sessionStorage, carried(), joined(...Object.values(inputsOf(form))));
}

/** What was carried over; only once. */
export function takeCarried() {
  const inputs = read(sessionStorage, carried());
  write(sessionStorage, carried(), null);
  return inputs;
}

/** Put inputs into the form. What it does not have any more is passed over. */
export function fill(form, inputs, addRow) {
  for (const row of form.querySelectorAll("[data-added]")) row.remove();
  for (const row of form.querySelectorAll("[data-row]")) {
    const field = row.querySelector("[data-value]");
    const toggle = row.querySelector("[data-on]");
    choose(field, inputs.fields?.[field.name]);
    if (toggle && toggle.value in (inputs.switches ?? {})) toggle.checked = inputs.switches[toggle.value];
  }
  for (const { location, name, value } of inputs.added ?? []) {
    const row = addRow(location);
    row.querySelector("[data-added-name]").value = name;
    row.querySelector("[data-value]").value = value;
  }
  choose(form.querySelector("[data-body]"), inputs.body);
  choose(form.querySelector("[data-example]"), inputs.example);
  choose(form.querySelector("[data-subscription]"), inputs.subscription);
}

function choose(field, value) {
  if (!field || typeof value !== "string") return;
  const isOffered = field.tagName !== "SELECT" || [...field.options].some((option) => option.value === value && !option.disabled);
  if (isOffered) field.value = value;
}

export const history = () => read(sessionStorage, place("history")) ?? [];

export function addToHistory(form, entry) {
  const { open } = inputsOf(form);
  if (open.body.length > HISTORY_BODY_CHARACTERS) delete open.body;
  const entries = [{ ...entry, at: Date.now(), inputs: open }, ...history()];
  write(sessionStorage, place("history"), entries.slice(0, HISTORY_LENGTH));
}

export const language = () => (read(localStorage, "console language") === "python" ? "python" : "curl");
export const rememberLanguage = (name) => write(localStorage, "console language", name);
