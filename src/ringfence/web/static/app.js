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
