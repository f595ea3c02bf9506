// The SQL page: Ctrl-Enter runs, columns are inserted by a click, the last statements stay in this browser.
"use strict";

const statement = document.getElementById("statement");
const earlier = document.getElementById("earlier");
const KEPT = 20;

function kept() {
  try {
    return JSON.parse(localStorage.getItem("ringfence_sql") ?? "[]");
  } catch {
    return [];
  }
}

function list() {
  earlier.replaceChildren(earlier.options[0], ...kept().map((text) => new Option(text.replace(/\s+/g, " ").slice(0, 80), text)));
}

statement.form.addEventListener("submit", () => {
  const text = statement.value.trim();
  localStorage.setItem("ringfence_sql", JSON.stringify([text, ...kept().filter((one) => one !== text)].slice(0, KEPT)));
  list();
});
statement.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) statement.form.requestSubmit();
});
earlier.addEventListener("change", () => {
  if (earlier.value) statement.value = earlier.value;
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-example], [data-insert]");
  if (!button) return;
  if (button.dataset.example) statement.value = button.dataset.example;
  else statement.setRangeText(button.dataset.insert, statement.selectionStart, statement.selectionEnd, "end");
  statement.focus();
});
list();
