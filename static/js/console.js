// The console of an operation page. The form works without this; here it becomes quick and remembers.
// The form may be replaced as a whole (a refused one comes back with its errors), so nothing is kept
// of its elements and all events are listened for on the document.

import { curlProgram, pythonProgram, urlParts } from "./console-samples.js";
import * as memory from "./console-memory.js";

const SLOW_AFTER_MS = 3000;
const MASK = "••••••";
const byId = (id) => document.getElementById(id);
const form = () => byId("console-form");
const all = (selector) => [...form().querySelectorAll(selector)];
const data = () => JSON.parse(byId("console-data").textContent);
const texts = () => data().texts;
const fill = (text, name, value) => text.replace(`%(${name})s`, () => value);

// -- The request as it stands ---------------------------------------------------------------------

function rows() {
  return all("[data-row]").map((element) => {
    const field = element.querySelector("[data-value]");
    const isAdded = "added" in element.dataset;
    const name = isAdded ? element.querySelector("[data-added-name]").value.trim() : element.dataset.name;
    const toggle = element.querySelector("[data-on]");
    const isFixed = !isAdded && !toggle;
    const isSent = isAdded ? name !== "" : isFixed || (toggle.checked && field.value !== "");
    const isHidden = field.classList.contains("is-secret") && !element.querySelector("[data-reveal]").checked;
    return { element, field, toggle, isAdded, name, isSent, isHidden, location: element.dataset.row, value: field.value };
  });
}

function request() {
  const everything = rows();
  const values = Object.fromEntries(everything.filter((row) => row.location === "template").map((row) => [row.name, row]));
  const headers = everything.filter((row) => row.location === "header" && row.isSent);
  const keyHeader = data().keyHeader;
  const isKeyTyped = headers.some((row) => row.name.toLowerCase() === keyHeader.toLowerCase());
  const isFile = form().elements["body-kind"].value === "file";
  const file = isFile ? form().querySelector("[data-file]").files[0] : undefined;
  const text = isFile ? "" : form().querySelector("[data-body]").value;
  return {
    method: data().method,
    parts: urlParts(data(), values, everything.filter((row) => row.location === "query" && row.isSent)),
    keyHeader: byId("console-subscription")?.value && !isKeyTyped ? keyHeader : null,
    headers: headers.map((row) => ({ name: row.name, value: row.value.trim(), isHidden: row.isHidden })),
    fileName: isFile ? file?.name ?? "file" : null,
    body: text,
  };
}

// -- What is shown of it --------------------------------------------------------------------------

function show() {
  const current = request();
  showURL(current.parts);
  showKeyRow(current);
  showProgram(current);
  showBodyHint(current);
}

function showURL(parts) {
  const line = byId("console-url");
  line.replaceChildren(
    ...parts.flatMap((part) => {
      if (!part.isParameter) return breakable(part.text);
      const mark = document.createElement("span");
      mark.className = "url-parameter";
      mark.textContent = part.isHidden ? MASK : part.text;
      return mark;
    }),
  );
}

/** Text with places where a line may end: before each delimiter. */
function breakable(text) {
  return text.split(/(?<=\w)(?=[/?&])/).flatMap((piece, index) => (index ? [document.createElement("wbr"), piece] : [piece]));
}

function showKeyRow(current) {
  const row = form().querySelector("[data-key-row]");
  if (row) row.hidden = current.keyHeader === null;
}

const url = (parts) => parts.map((part) => part.text).join("");
const language = () => document.querySelector("[name=console-language]:checked")?.value ?? "curl";
const program = (current) =>
  (language() === "python" ? pythonProgram : curlProgram)({ ...current, url: url(current.parts) });

function showProgram(current) {
  const masked = {
    ...current,
    parts: current.parts.map((part) => (part.isHidden ? { ...part, text: MASK } : part)),
    headers: current.headers.map((header) => (header.isHidden ? { ...header, value: MASK } : header)),
  };
  byId("console-code").textContent = program(masked);
}

function showBodyHint({ headers, body }) {
  const hint = form().querySelector("[data-body-hint]");
  const type = headers.find((header) => header.name.toLowerCase() === "content-type")?.value ?? "";
  hint.textContent = "";
  if (body.trim() === "" || !/[/+]json\b/i.test(type)) return;
  try {
    JSON.parse(body);
  } catch (error) {
    hint.textContent = fill(texts().notJSON, "error", error.message);
  }
}

// -- Rows and examples ----------------------------------------------------------------------------

function addRow(location) {
  const fresh = document.querySelector(`template[data-row-of=${location}]`).content.cloneNode(true);
  const list = form().querySelector(`[data-rows=${location}]`);
  list.append(fresh);
  return list.lastElementChild;
}

function maskAddedSecret(element) {
  const name = element.querySelector("[data-added-name]").value;
  element.querySelector("[data-value]").classList.toggle("is-secret", memory.looksSecret(name));
}

function fillExample() {
  const examples = data().examples;
  const example = examples[form().querySelector("[data-example]")?.value ?? 0];
  if (!example) return;
  form().querySelector("[data-body]").value = example.text;
  const contentType = rows().find((row) => !row.isAdded && row.location === "header" && row.name.toLowerCase() === "content-type");
  if (contentType) contentType.field.value = example.contentType;
}

// -- Sending --------------------------------------------------------------------------------------

let slowTimer;
let cancelled = false;
let callId = "";

function say(text, tone = "") {
  const status = byId("console-status");
  status.textContent = text;
  status.dataset.tone = tone;
}

function setRunning(isRunning) {
  const button = form().querySelector("[data-send]");
  button.toggleAttribute("data-running", isRunning);
  button.querySelector("[data-send-label]").textContent = isRunning ? texts().cancel : texts().send;
  const hint = button.querySelector("[data-send-hint]");
  hint.textContent = isRunning ? "Esc" : hint.dataset.sendHint;
  byId("console-response").setAttribute("aria-busy", String(isRunning));
  clearTimeout(slowTimer);
  if (isRunning) slowTimer = setTimeout(() => say(texts().slow), SLOW_AFTER_MS);
}

const isRunning = () => form().querySelector("[data-send]").hasAttribute("data-running");

function send() {
  if (!isRunning()) form().requestSubmit(form().querySelector("[data-send]"));
}

/** Under this id the portal ends the call. Nobody can guess it. */
function newCallId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Reaches the portal even while the page is being left. */
function endCall() {
  navigator.sendBeacon(form().dataset.cancelUrl, new URLSearchParams({ call: callId }));
}

function cancel() {
  cancelled = true;
  endCall();
  window.htmx.trigger(form(), "htmx:abort");
}

function announceResult() {
  const result = byId("console-response").querySelector("[data-result]");
  if (!result) return;
  const { summary, tone } = result.dataset;
  say(summary, tone);
  memory.addToHistory(form(), { summary, url: url(request().parts.map((part) => (part.isHidden ? { text: MASK } : part))) });
  showHistory();
  countDown(result.querySelector("[data-wait]"));
  bringIntoView(byId("console-response"));
}

/** Below the bar, which covers the top of whatever scrolls. */
function bringIntoView(element) {
  const bar = form().querySelector("[data-bar]");
  const isInSight = element.getBoundingClientRect().top > bar.getBoundingClientRect().bottom && element.getBoundingClientRect().top < innerHeight / 2;
  if (isInSight) return;
  element.style.scrollMarginTop = `${bar.offsetHeight + 8}px`;
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ block: "start", behavior: isCalm ? "auto" : "smooth" });
}

function countDown(element) {
  if (!element) return;
  const until = Date.now() + Number(element.dataset.wait) * 1000;
  const tick = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    if (!element.isConnected) return;
    if (seconds <= 0) element.parentElement.textContent = texts().mayBeSentAgain;
    else {
      element.textContent = duration(seconds);
      setTimeout(tick, 500);
    }
  };
  tick();
}

function duration(seconds) {
  const parts = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
  const from = parts.findIndex(([size]) => seconds >= size);
  return parts
    .slice(from, from + 2)
    .map(([size, unit], index) => [Math.floor((index ? seconds % parts[from][0] : seconds) / size), unit])
    .filter(([count], index) => count > 0 || index === 0)
    .map(([count, unit]) => count.toLocaleString(document.documentElement.lang, { style: "unit", unit, unitDisplay: "short" }))
    .join(" ");
}

/** An answer of the portal that is no console page: it did not send the call, or it is not to be reached. */
function explainFailure(status) {
  const reasons = {
    0: texts().unreachable,
    403: texts().tooOld,
    404: texts().gone,
  };
  say(reasons[status] ?? fill(texts().failed, "status", status), "bad");
}

// -- History --------------------------------------------------------------------------------------

function showHistory() {
  const entries = memory.history();
  const panel = document.querySelector("[data-history]");
  panel.hidden = entries.length === 0;
  panel.querySelector("[data-history-count]").textContent = entries.length;
  panel.querySelector("[data-history-list]").replaceChildren(
    ...entries.map((entry, index) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button button--plain button--small";
      button.dataset.restore = index;
      button.title = entry.url;
      const when = document.createElement("time");
      when.textContent = new Date(entry.at).toLocaleTimeString(document.documentElement.lang);
      button.append(entry.summary, when);
      item.append(button);
      return item;
    }),
  );
}

// -- Events ---------------------------------------------------------------------------------------

async function copy(button, text) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = texts().copied;
  } catch {
    button.textContent = texts().copyYourself;
  }
  setTimeout(() => (button.textContent = label), 1600);
}

const clicks = {
  "[data-send]": (button, event) => {
    if (!isRunning()) return;
    event.preventDefault();
    cancel();
  },
  "[data-add]": (button, event) => {
    event.preventDefault();
    addRow(button.dataset.add).querySelector("[data-added-name]").focus();
  },
  "[data-remove]": (button) => {
    const add = button.closest("fieldset").querySelector("[data-add]");
    button.closest("[data-row]").remove();
    add.focus();
    changed();
  },
  "[data-reset-body]": (button, event) => {
    event.preventDefault();
    fillExample();
    changed();
  },
  "[data-reset]": () => memory.forget(),
  "[data-copy-url]": (button) => copy(button, url(request().parts)),
  "[data-copy-code]": (button) => copy(button, program(request())),
  "[data-restore]": (button) => {
    restore(memory.history()[button.dataset.restore].inputs);
    changed();
    say(texts().restored);
  },
};

document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element)) return;
  for (const [selector, act] of Object.entries(clicks)) {
    const button = event.target.closest(selector);
    if (button) return act(button, event);
  }
});

function restore(inputs) {
  memory.fill(form(), inputs, addRow);
  all("[data-added]").forEach(maskAddedSecret);
}

function changed() {
  show();
  memory.remember(form());
}

document.addEventListener("input", (event) => {
  if (event.target.name === "console-language") {
    memory.rememberLanguage(event.target.value);
    return show();
  }
  if (!event.target.closest?.("#console-form")) return;
  const row = event.target.closest("[data-row]");
  if (row && "added" in row.dataset) maskAddedSecret(row);
  // Whoever types a value wants it sent.
  const toggle = row?.querySelector("[data-on]");
  if (toggle && event.target.matches("[data-value]") && event.target.value !== "") toggle.checked = true;
  if (event.target.matches("[data-example]")) fillExample();
  changed();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && isRunning()) return cancel();
  const isInAnotherForm = event.target.form && event.target.form !== form();
  if (event.key !== "Enter" || isInAnotherForm) return;
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    send();
  } else if (event.target.matches("#console-form input:not([type=checkbox], [type=radio], [type=file])")) {
    // A call may change something: a slip of the finger is not to send one.
    event.preventDefault();
  }
});

const isOurs = (event) => (event.detail.requestConfig?.elt ?? event.detail.elt).id === "console-form";
let chosenFiles;

document.addEventListener("htmx:configRequest", (event) => {
  if (!isOurs(event)) return;
  callId = newCallId();
  event.detail.parameters.call = callId;
});

window.addEventListener("pagehide", () => {
  if (isRunning()) endCall();
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (!isOurs(event)) return;
  cancelled = false;
  chosenFiles = form().querySelector("[data-file]").files;
  say(texts().sending);
  setRunning(true);
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (isOurs(event)) setRunning(false);
});

// The page's token is old: somebody signed in or out in another tab. htmx loads the page anew.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  if (isOurs(event) && event.detail.xhr.getResponseHeader("HX-Refresh") === "true") memory.carry(form());
});

// A refused form (422) and a call that was not sent (413, 429) are pages to show, too.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!isOurs(event)) return;
  setRunning(false);
  const { xhr } = event.detail;
  if ([413, 422, 429].includes(xhr.status)) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id === "console-response") return announceResult();
  if (event.target.id !== "console") return;
  if (chosenFiles) form().querySelector("[data-file]").files = chosenFiles;
  start();
  say(texts().refused, "bad");
  const wrong = form().querySelector("[autofocus]");
  wrong?.focus({ preventScroll: true });
  wrong?.scrollIntoView({ block: "center" });
});

document.addEventListener("htmx:sendAbort", (event) => {
  if (isOurs(event) && cancelled) say(texts().cancelled, "warn");
});
document.addEventListener("htmx:sendError", (event) => isOurs(event) && explainFailure(0));
document.addEventListener("htmx:responseError", (event) => isOurs(event) && explainFailure(event.detail.xhr.status));

// -- Beginning ------------------------------------------------------------------------------------

function start() {
  all("[data-added]").forEach(maskAddedSecret);
  show();
  showHistory();
}

if (form()) {
  const chosen = document.querySelector(`[name=console-language][value=${memory.language()}]`);
  if (chosen) chosen.checked = true;
  const hint = form().querySelector("[data-send-hint]");
  if (/Mac|iPhone|iPad/.test(navigator.platform)) hint.textContent = hint.dataset.sendHint = "⌘ ⏎";
  memory.takeInitial(form());
  const carried = memory.takeCarried();
  const kept = carried ?? ("fresh" in byId("console").dataset ? memory.remembered() : null);
  if (kept) {
    restore(kept);
    if (carried) say(texts().carried, "warn");
    else say(texts().remembered);
  }
  start();
  if (byId("console-response").querySelector("[data-result]")) announceResult();
}
