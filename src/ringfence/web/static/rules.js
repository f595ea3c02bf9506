// The editor of the rule book: faults lead to their lines; a conflict is resolved on top of the newest version.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const editor = document.getElementById("editor");
  const text = document.getElementById("text");
  const place = document.getElementById("place");
  let kept = text.value;

  function go(line) {
    const lines = text.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    text.focus();
    text.setSelectionRange(start, start + (lines[line - 1] || "").length);
    text.scrollTop = Math.max(0, (text.scrollHeight / lines.length) * (line - 6));
    tell();
  }

  function tell() {
    const before = text.value.slice(0, text.selectionStart).split("\n");
    place.textContent = `line ${before.length}, column ${before.at(-1).length + 1}`;
  }

  for (const kind of ["keyup", "click"]) text.addEventListener(kind, tell);
  editor.addEventListener("click", (event) => {
    const fault = event.target.closest("[data-line]");
    if (fault) go(Number(fault.dataset.line));
    const rebase = event.target.closest("[data-based-on]");
    if (rebase) {
      editor.elements.based_on.value = rebase.dataset.basedOn;
      editor.requestSubmit();
    }
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.requestConfig.path === "/rules/save") kept = text.value;
  });
  addEventListener("beforeunload", (event) => {
    if (text.value !== kept) event.preventDefault();
  });
  if (editor.dataset.rule) {
    const line = text.value.split("\n").findIndex((one) => one.trim() === `- id: ${editor.dataset.rule}`);
    if (line >= 0) go(line + 1);
  }
});
