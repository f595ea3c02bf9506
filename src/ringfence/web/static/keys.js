// Keyboard, help and the palette. A page binds a key with data-hotkey, and says with data-does what it does.
"use strict";

const BASE = {
  "/": ["find an id", () => document.getElementById("q").focus()],
  j: ["next row or record", () => step(1)],
  k: ["previous row or record", () => step(-1)],
  t: ["light or dark", () => switchTheme()],
  "?": ["this help", () => showKeys()],
};

function hotkeys() {
  return Object.fromEntries([...document.querySelectorAll("main [data-hotkey]")].map((one) => [one.dataset.hotkey, one]));
}

function goes() {
  return [...document.querySelectorAll("nav a[data-key]")];
}

function showKeys() {
  const list = document.getElementById("keys");
  const line = (keys, does) => {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    for (const key of keys) {
      const shown = document.createElement("kbd");
      shown.textContent = key;
      term.append(shown, " ");
    }
    const told = document.createElement("dd");
    told.textContent = does;
    row.append(term, told);
    list.append(row);
  };
  list.replaceChildren();
  const own = hotkeys();
  for (const [key, button] of Object.entries(own)) line([key], button.dataset.does);
  for (const [key, [does]] of Object.entries(BASE)) line([key], does);
  line(["Enter"], "open the row");
  line(["Ctrl", "K"], "go to a page, action or id");
  if (own.m || own.f) line(["Ctrl", "Enter"], "send the note or the form");
  if (!own.g) for (const link of goes()) line(["g", link.dataset.key], `go to ${link.textContent.trim()}`);
  document.getElementById("shortcuts").showModal();
}

// Rows ---------------------------------------------------------------------------------------------------------------

function rowLinks() {
  return [...document.querySelectorAll("table[data-rows] tbody tr")].map((row) => row.querySelector("td:last-child a, td:first-child a") ?? row.querySelector("td a")).filter(Boolean);
}

function step(by) {
  const links = rowLinks();
  if (!links.length) {
    document.querySelector(`.neighbours a[rel=${by > 0 ? "next" : "prev"}]`)?.click();
    return;
  }
  const row = document.activeElement.closest("table[data-rows] tbody tr");
  const at = links.findIndex((link) => row && row.contains(link));
  links[Math.min(Math.max(at + by, 0), links.length - 1)].focus();
}

// The row that has the focus is shown beside its table.
function showRow(row) {
  if (!row || row.getAttribute("aria-selected") === "true") return;
  for (const other of row.parentElement.children) other.removeAttribute("aria-selected");
  row.setAttribute("aria-selected", "true");
  const beside = document.getElementById("preview");
  if (beside.querySelector(".empty")) beside.replaceChildren(Object.assign(document.createElement("p"), { className: "note pad", textContent: "Loading…" }));
  beside.setAttribute("aria-busy", "true");
  htmx.ajax("GET", row.dataset.panel, { target: "#preview", swap: "innerHTML" }).finally(() => beside.removeAttribute("aria-busy"));
}

document.addEventListener("focusin", (event) => {
  const row = event.target.closest("table[data-preview] tr[data-panel]");
  if (row && matchMedia("(min-width: 70rem)").matches) showRow(row);
});
document.addEventListener("click", (event) => {
  if (event.target.closest("a, input, button")) return;
  showRow(event.target.closest("table[data-preview] tr[data-panel]"));
});
document.addEventListener("DOMContentLoaded", () => {
  if (matchMedia("(min-width: 70rem)").matches) showRow(document.querySelector("table[data-preview] tr[data-panel]"));
});

// Palette ------------------------------------------------------------------------------------------------------------

const palette = document.getElementById("palette");
const asked = palette?.querySelector("input");
const found = document.getElementById("palette-found");
let waiting = 0;

// The letters stand in the name in their order, some perhaps left out between.
function resembles(word, name) {
  let at = -1;
  return [...word].every((letter) => (at = name.indexOf(letter, at + 1)) >= 0);
}

function entries(text) {
  const wanted = text.toLowerCase();
  const pages = goes().map((link) => ({ label: link.textContent.trim(), kind: "page", act: () => link.click() }));
  const actions = Object.values(hotkeys()).map((button) => ({ label: button.dataset.does, kind: "action", act: () => button.click() }));
  const theme = { label: "light or dark", kind: "action", act: switchTheme };
  return [...actions, ...pages, theme].filter((one) => resembles(wanted, one.label.toLowerCase()));
}

function show(all) {
  found.replaceChildren(...all.slice(0, 20).map((one, at) => {
    const item = document.createElement("li");
    item.id = `palette-${at}`;
    item.setAttribute("role", "option");
    const label = document.createElement("span");
    label.textContent = one.label;
    const kind = document.createElement("span");
    kind.className = "note";
    kind.textContent = one.kind;
    item.append(label, kind);
    item.addEventListener("click", () => { palette.close(); one.act(); });
    return item;
  }));
  select(0);
}

function select(at) {
  const items = [...found.children];
  items.forEach((item, number) => item.setAttribute("aria-selected", String(number === at)));
  asked.setAttribute("aria-activedescendant", items[at] ? items[at].id : "");
  items[at]?.scrollIntoView({ block: "nearest" });
}

async function ask() {
  const text = asked.value.trim();
  const local = entries(text);
  show(local);
  if (text.length < 2) return;
  const body = new URLSearchParams({ q: text, csrf: document.body.dataset.csrf });
  const answer = await fetch("/find", { method: "POST", body, headers: { "X-CSRF-Token": document.body.dataset.csrf } });
  if (asked.value.trim() !== text) return;
  if (!answer.ok) {
    show([...local, { label: "Ids could not be searched. Load this page again", kind: "problem", act: () => location.reload() }]);
    return;
  }
  const more = (await answer.json()).map((one) => ({ ...one, act: () => { location.href = inZone(one.href); } }));
  show([...more, ...local]);
}

function openPalette() {
  asked.value = "";
  show(entries(""));
  palette.showModal();
  asked.focus();
}

asked?.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(ask, 120);
});
asked?.addEventListener("keydown", (event) => {
  const items = [...found.children];
  const at = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown") select(Math.min(at + 1, items.length - 1));
  else if (event.key === "ArrowUp") select(Math.max(at - 1, 0));
  else if (event.key === "Enter") items[at]?.click();
  else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-palette]")) openPalette();
  else if (event.target.closest("[data-shortcuts]")) showKeys();
});

// Keys ---------------------------------------------------------------------------------------------------------------

let going = false;

// A note, or the form of a dialog, goes without the mouse.
function sendsForm(field) {
  const form = field.closest("dialog form[method=post], form:has(textarea[data-draft])");
  if (!form) return false;
  form.requestSubmit(form.querySelector("button:not([type=button])"));
  return true;
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k" && palette) {
    event.preventDefault();
    if (!palette.open) openPalette();
    return;
  }
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && sendsForm(event.target)) {
    event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.getModifierState("AltGraph") || event.repeat) return;
  if (event.shiftKey && /^\p{L}$/u.test(event.key)) return; // with caps lock it is a small letter; signs may need it
  if (event.target.closest("textarea, select, dialog, [contenteditable], input:not([type=checkbox])")) return;
  const { key } = event;
  const own = hotkeys()[key];
  if (going) {
    going = false;
    document.querySelector(`nav a[data-key="${CSS.escape(key)}"]`)?.click();
  } else if (own) {
    event.preventDefault();
    own.click();
  } else if (key === "g") {
    going = true;
    setTimeout(() => { going = false; }, 1500);
  } else if (BASE[key]) {
    event.preventDefault();
    BASE[key][1]();
  }
});
