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

// A conflict is an answer that belongs on the page: what somebody else has changed.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status === 409 && event.detail.xhr.responseText.includes("data-based-on")) {
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
  const page = new DOMParser().parseFromString(responseText, "text/html");
  notice(page.body.textContent.replace(/\s+/g, " ").trim().slice(0, 500) || `Problem ${status}`, true);
});
document.addEventListener("htmx:sendError", () => notice("The server cannot be reached. Nothing was lost: try again.", true));

async function sessionAgain() {
  const session = await (await fetch("/session")).json();
  if (!session.signed_in) {
    notice("Nobody is signed in yet.", true);
    return;
  }
  document.body.dataset.csrf = session.csrf;
  for (const field of document.querySelectorAll("input[name=csrf]")) field.value = session.csrf;
  document.getElementById("session-over").close();
  notice("Signed in again: go on.");
}

// Theme ------------------------------------------------------------------------------------------------------------

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `ringfence_theme=${root.dataset.theme}; Path=/; Max-Age=31536000; SameSite=Strict`;
  document.dispatchEvent(new Event("ringfence:theme"));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-switch], [data-shortcuts], [data-session-again]");
  if (!button) return;
  if ("themeSwitch" in button.dataset) switchTheme();
  else if ("shortcuts" in button.dataset) document.getElementById("shortcuts").showModal();
  else sessionAgain();
});

// Keyboard -----------------------------------------------------------------------------------------------------------

let going = false;

function rowLinks() {
  return [...document.querySelectorAll("table[data-rows] tbody tr")].map((row) => row.querySelector("td:last-child a, td:first-child a")).filter(Boolean);
}

function step(by) {
  const links = rowLinks();
  if (!links.length) return;
  const row = document.activeElement.closest("table[data-rows] tbody tr");
  const at = links.findIndex((link) => row && row.contains(link));
  links[Math.min(Math.max(at + by, 0), links.length - 1)].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  const key = event.key;
  if (going) {
    going = false;
    document.querySelector(`nav a[data-key="${CSS.escape(key)}"]`)?.click();
  } else if (key === "g") {
    going = true;
    setTimeout(() => { going = false; }, 1500);
  } else if (key === "/") {
    event.preventDefault();
    document.getElementById("q").focus();
  } else if (key === "j" || key === "k") step(key === "j" ? 1 : -1);
  else if (key === "t") switchTheme();
  else if (key === "p") document.getElementById("pause")?.click();
  else if (key === "?") document.getElementById("shortcuts").showModal();
});
