// What every page does: proof of origin on each request, theme, keyboard, notices, a session that ends.
"use strict";

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRF-Token"] = document.body.dataset.csrf;
});

// Notices ---------------------------------------------------------------------------------------------------------

function notice(text, bad) {
  const line = document.createElement("p");
  line.textContent = text;
  line.className = bad ? "bad" : "";
  document.getElementById("notices").append(line);
  setTimeout(() => line.remove(), bad ? 12000 : 5000);
}

// The text of an answer that is a page or a part of one.
function wordsOf(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  return page.body.textContent.replace(/\s+/g, " ").trim().slice(0, 500);
}

// A conflict is an answer that belongs on the page: what somebody else has changed, or what has to be confirmed.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status === 409 && /data-based-on|id="sheet"/.test(event.detail.xhr.responseText)) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});

document.addEventListener("htmx:responseError", (event) => {
  const { status, responseText } = event.detail.xhr;
  if (status === 401) {
    document.getElementById("session-over").showModal();
    return;
  }
  failed(event);
  notice(wordsOf(responseText) || `Problem ${status}`, true);
});
document.addEventListener("htmx:sendError", (event) => {
  failed(event);
  notice("The server cannot be reached. Nothing was lost: try again.", true);
});

// What a part that never came would have said must not be missed: the part says that it did not come.
function failed(event) {
  const part = event.detail.target?.closest("[data-failed]");
  part?.replaceChildren(Object.assign(document.createElement("p"), { className: "notice warn", textContent: part.dataset.failed }));
}

async function sessionAgain() {
  const session = await (await fetch("/session")).json();
  if (!session.signed_in) {
    notice("Nobody is signed in yet.", true);
    return;
  }
  document.body.dataset.csrf = session.csrf;
  for (const field of document.querySelectorAll("input[name=csrf]")) field.value = session.csrf;
  document.getElementById("session-over").close();
  notice("You are signed in again.");
}

// A form is sent once the session is known to be there: the answer would take what was typed away with the page.
async function sendKnown(form, button) {
  let session;
  try {
    session = await (await fetch("/session")).json();
  } catch {
    notice("The server cannot be reached. Nothing was lost: try again.", true);
    return;
  }
  if (!session.signed_in) {
    document.getElementById("session-over").showModal();
    return;
  }
  form.elements.csrf.value = session.csrf;
  form.dataset.known = "yes";
  form.requestSubmit(button);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.hasAttribute("hx-post") || !form.closest("main, dialog")) return;
  bringNote(form, event.submitter);
  if (form.dataset.known) {
    delete form.dataset.known;
    return;
  }
  event.preventDefault();
  sendKnown(form, event.submitter);
});

// A form goes once: a second press of its key would find the case changed, by the first.
const LEAVING_MS = 10_000;
let isLeaving = false;
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || form.hasAttribute("hx-post") || "downloads" in form.dataset) return;
  if (isLeaving) {
    event.preventDefault();
    notice("The last action is still being sent.", true);
    return;
  }
  if (form.closest("main")) draftIsSent(form);
  isLeaving = true;
  setTimeout(() => { isLeaving = false; }, LEAVING_MS); // a navigation that was stopped never tells
});
addEventListener("pageshow", () => { isLeaving = false; });

// Drafts -----------------------------------------------------------------------------------------------------------

// A note that nobody has sent yet outlives whatever takes its page away. It stays in this tab, for whom it is of.
const DRAFT = "ringfence_draft:";
const draftKey = () => `${DRAFT}${document.body.dataset.me}:${location.pathname}`;
const noteField = () => document.querySelector("main #note[data-draft]");

// A case that is closed takes the note along that stands beside it.
function bringNote(form, button) {
  if (form.dataset.brought && form.elements.text.value === form.dataset.brought) form.elements.text.value = ""; // by a try that was stopped
  delete form.dataset.brought;
  const text = noteField()?.value.trim();
  if (!text || new FormData(form, button).get("action") !== "close" || form.elements.text?.value.trim()) return;
  if (!form.elements.text) form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "text" }));
  form.elements.text.value = text;
  form.dataset.brought = text;
}

// What was sent is kept until a page shows that it has arrived: the answer may be an error, or never come.
const SENT = "ringfence_sent";
function draftIsSent(form) {
  const field = noteField();
  const isSent = field && (form === field.form || form.dataset.brought);
  try {
    if (isSent) sessionStorage.setItem(SENT, JSON.stringify({ key: draftKey(), notes: Number(field.dataset.notes) }));
    else sessionStorage.removeItem(SENT);
  } catch { /* likewise */ }
}

function forgetWhatArrived() {
  const sent = JSON.parse(sessionStorage.getItem(SENT) ?? "null");
  if (!sent) return;
  const asked = new URLSearchParams(location.search);
  const closed = asked.get("done") || asked.get("proposed");
  const isClosed = closed && sent.key.toUpperCase().endsWith(`:/CASES/${closed.toUpperCase()}`);
  const isNoted = sent.key === draftKey() && Number(noteField()?.dataset.notes) > sent.notes;
  if (!isClosed && !isNoted) return;
  sessionStorage.removeItem(sent.key);
  sessionStorage.removeItem(SENT);
}

document.addEventListener("input", (event) => {
  if (event.target !== noteField()) return;
  try {
    if (event.target.value.trim()) sessionStorage.setItem(draftKey(), event.target.value);
    else sessionStorage.removeItem(draftKey());
  } catch { /* the browser keeps nothing: the page works without */ }
});
document.addEventListener("DOMContentLoaded", () => {
  const field = noteField();
  if (field?.value) sessionStorage.setItem(draftKey(), field.value); // it came back with what was wrong
  else forgetWhatArrived();
  if (field && !field.value) field.value = sessionStorage.getItem(draftKey()) ?? "";
});
document.addEventListener("submit", (event) => {
  if (event.target.getAttribute("action") !== "/sign-out") return;
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(DRAFT)) sessionStorage.removeItem(key);
});

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text.trim());
    notice("Copied.");
  } catch {
    notice("The browser does not let this page copy: select the text and copy it.", true);
  }
}

// Theme ------------------------------------------------------------------------------------------------------------

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `ringfence_theme=${root.dataset.theme}; Path=/; Max-Age=31536000; SameSite=Strict`;
  document.dispatchEvent(new Event("ringfence:theme"));
}

// A file goes as it is; the page shows it once the case has it.
document.addEventListener("change", async (event) => {
  const field = event.target;
  if (!field.dataset.attaches || !field.files[0]) return;
  const [file] = field.files;
  const most = Number(field.dataset.most);
  if (file.size > most) {
    notice(`${file.name} has ${(file.size / 1048576).toFixed(1)} MiB: attach a file of at most ${most / 1048576} MiB.`, true);
    field.value = "";
    return;
  }
  const address = `${field.dataset.attaches}&name=${encodeURIComponent(file.name)}`;
  const headers = { "X-CSRF-Token": document.body.dataset.csrf, "content-type": "application/octet-stream", "HX-Request": "true" };
  let answer;
  try {
    answer = await fetch(address, { method: "POST", body: file, headers });
  } catch {
    notice("The server cannot be reached: try again.", true);
    field.value = "";
    return;
  }
  if (answer.ok) {
    location.reload();
    return;
  }
  if (answer.status === 401) document.getElementById("session-over").showModal();
  else notice(wordsOf(await answer.text()) || `Problem ${answer.status}`, true);
  field.value = "";
});

// The zone of this page goes along to wherever it leads: times that were typed in it are of that zone.
function inZone(address) {
  const zone = new URLSearchParams(location.search).get("zone");
  const there = new URL(address, location.href);
  if (!zone || there.origin !== location.origin || there.searchParams.has("zone")) return address;
  there.searchParams.set("zone", zone);
  return there.pathname + there.search + there.hash;
}

for (const kind of ["click", "auxclick"]) {
  document.addEventListener(kind, (event) => {
    const link = event.target.closest("main a[href]:not([download])");
    if (link && inZone(link.href) !== link.href) link.href = inZone(link.href);
  }, true);
}
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method === "post" && !form.hasAttribute("hx-post")) form.setAttribute("action", inZone(form.getAttribute("action") ?? location.href)); // a field may be called action
}, true);
document.addEventListener("formdata", (event) => {
  const zone = new URLSearchParams(location.search).get("zone");
  if (zone && event.target.method === "get" && !event.formData.has("zone")) event.formData.set("zone", zone);
});

// The time range and the zone stand in the address, beside whatever else does.
function setPeriod(field) {
  const here = new URL(location.href);
  if (field.id === "range") {
    for (const name of ["since", "until", "before", "skip"]) here.searchParams.delete(name);
  }
  if (!field.value || (field.id === "zone" && field.value === "UTC")) here.searchParams.delete(field.name);
  else here.searchParams.set(field.name, field.value);
  location.href = here;
}

function isZone(name) {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: name }));
  } catch {
    return false;
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const zones = document.getElementById("zones");
  if (!zones) return;
  document.getElementById("zone").addEventListener("focus", (event) => event.target.select());
  const mine = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = Intl.supportedValuesOf?.("timeZone") ?? [];
  for (const name of new Set([mine, ...known])) {
    if (name && name !== "UTC") zones.append(new Option(name === mine ? "this browser" : "", name));
  }
});
document.addEventListener("change", (event) => {
  const field = event.target;
  if (!("period" in field.dataset)) return;
  if (field.id === "zone" && field.value && !isZone(field.value)) {
    notice(`There is no time zone “${field.value}”: choose one of the list, such as Europe/Berlin.`, true);
    field.value = field.defaultValue;
    return;
  }
  setPeriod(field);
});

document.addEventListener("submit", (event) => {
  if (event.target.matches(".period")) event.preventDefault(); // it would leave out what else is in the address
});

// On a phone a filter is folded away: what it finds comes first.
document.addEventListener("DOMContentLoaded", () => {
  const narrow = matchMedia("(max-width: 52rem)");
  const fold = () => { for (const one of document.querySelectorAll("details[data-fold]")) one.open = !narrow.matches; };
  narrow.addEventListener("change", fold);
  fold();
});

// A list whose choice is the whole form.
document.addEventListener("change", (event) => {
  if (event.target.closest("select[data-submits]")) event.target.form.requestSubmit();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-switch], [data-session-again], [data-menu], [data-opens], [data-closes], [data-focuses], [data-copies]");
  if (!button) return;
  const { dataset } = button;
  if ("themeSwitch" in dataset) switchTheme();
  else if ("menu" in dataset) button.setAttribute("aria-expanded", button.closest("header").classList.toggle("unfolded"));
  else if ("opens" in dataset) document.getElementById(dataset.opens).showModal();
  else if ("closes" in dataset) button.closest("dialog").close();
  else if ("focuses" in dataset) document.getElementById(dataset.focuses).focus();
  else if ("copies" in dataset) copyText(document.getElementById(dataset.copies).textContent);
  else sessionAgain();
});
