// The rule lab: form and YAML are one rule, checked and tried while it is written; names complete with their values.
"use strict";

const lab = document.getElementById("lab");
const said = document.getElementById("lab-said");
const editors = {};
let names = [];
let pane = "form";
let mark = null;
let checking = 0;
let checks = 0;
let running = Promise.resolve();
let filling = false;
let kept = "";
const DOING = { "/rules/lab/impact": "Re-evaluating recent payments…", "/rules/lab/save": "Saving…" };
const tab = Math.random().toString(36).slice(2);

function complete(editor) {
  const at = editor.getCursor();
  const line = editor.getLine(at.line).slice(0, at.ch);
  const word = /[\w.]*$/.exec(line)[0];
  const found = names.filter((one) => one.name.includes(word) && one.name !== word).slice(0, 40);
  found.sort((one, other) => other.name.startsWith(word) - one.name.startsWith(word));
  const list = found.map((one) => ({
    text: one.name,
    render(item) {
      const value = document.createElement("span");
      value.className = "note";
      value.textContent = ` ${one.values || one.kind}`;
      item.append(one.name, value);
    },
  }));
  return { list, from: CodeMirror.Pos(at.line, at.ch - word.length), to: at };
}

function edit(area) {
  const options = {
    mode: area.dataset.code,
    lineWrapping: true,
    lineNumbers: area.dataset.code === "yaml",
    tabSize: 2,
    inputStyle: "textarea",
    screenReaderLabel: area.dataset.label,
    extraKeys: { "Ctrl-Space": (editor) => editor.showHint({ hint: complete, completeSingle: false }), Tab: false, "Shift-Tab": false },
  };
  const editor = CodeMirror.fromTextArea(area, options);
  editor.on("change", (_, change) => {
    if (filling) return;
    editor.save();
    later();
    const typed = change.origin === "+input" && /[\w.]/.test(change.text.join(""));
    if (typed && (area.name === "when" || /^\s*when:/.test(editor.getLine(editor.getCursor().line)))) {
      editor.showHint({ hint: complete, completeSingle: false });
    }
  });
  return editor;
}

function later() {
  clearTimeout(checking);
  checking = setTimeout(check, 500);
}

// What was typed last is in both forms before the other one is shown, and before anything is made of it.
async function settled() {
  while (checking) {
    clearTimeout(checking);
    await check();
  }
  await running;
}

function place(looked) {
  mark?.clear();
  mark = null;
  if (!looked.problem) return;
  if (pane === "form" && looked.column) {
    const from = CodeMirror.Pos(0, looked.column - 1);
    mark = editors.when.markText(from, CodeMirror.Pos(0, looked.column + 200), { className: "wrong" });
  } else if (pane === "yaml" && looked.line) {
    const start = looked.column ? (/^when:\s*['"]?/.exec(editors.text.getLine(looked.line - 1) ?? "")?.[0].length ?? 0) + looked.column - 1 : 0;
    mark = editors.text.markText(CodeMirror.Pos(looked.line - 1, start), CodeMirror.Pos(looked.line, 0), { className: "wrong" });
  }
}

// What went wrong, and a button for another attempt.
function again(where, why) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "button small", textContent: "Try again" });
  button.addEventListener("click", () => {
    kept = "";
    check();
  });
  const line = Object.assign(document.createElement("p"), { className: "problem", role: "alert", textContent: `${why} ` });
  line.append(button);
  if (where === said) said.className = "";
  where.replaceChildren(line);
}

function check() {
  checking = 0;
  running = look((checks += 1));
  return running;
}

async function look(mine) {
  const body = new URLSearchParams(new FormData(lab));
  body.set("source", pane);
  const headers = { "X-CSRF-Token": document.body.dataset.csrf, "HX-Request": "true" };
  let answer;
  try {
    answer = await fetch("/rules/lab/check", { method: "POST", body, headers });
  } catch {
    again(said, "The rule could not be checked: the server cannot be reached.");
    return;
  }
  if (!answer.ok) {
    if (answer.status === 401) document.getElementById("session-over").showModal();
    const why = answer.status === 401 ? "your session has ended." : wordsOf(await answer.text());
    again(said, `The rule could not be checked: ${why}`);
    return;
  }
  const looked = await answer.json();
  if (mine !== checks) return; // more was typed meanwhile
  said.className = looked.problem ? "problem" : "note";
  said.textContent = looked.problem || `Valid: ${looked.fires}.`;
  filling = true;
  if (pane === "form" && looked.text) editors.text.setValue(looked.text);
  if (pane === "yaml") {
    for (const [name, value] of Object.entries(looked.fields)) {
      if (name === "when") editors.when.setValue(value);
      else if (lab.elements[name] && (value || !looked.problem)) lab.elements[name].value = value;
    }
  }
  editors.text.save();
  editors.when.save();
  filling = false;
  place(looked);
  const asked = deciding(looked.text);
  if (looked.problem || asked === kept) return;
  kept = asked;
  htmx.ajax("POST", "/rules/lab/try", { target: "#tried", swap: "innerHTML", values: { text: looked.text, editor: tab } });
}

lab.addEventListener("htmx:confirm", async (event) => {
  event.preventDefault();
  await settled();
  event.detail.issueRequest(true);
});
document.addEventListener("htmx:beforeRequest", (event) => {
  const doing = DOING[event.detail.requestConfig.path];
  if (!doing) return;
  const line = Object.assign(document.createElement("p"), { className: "note pad", role: "status", textContent: doing });
  document.getElementById("answer").replaceChildren(line);
});
document.addEventListener("htmx:responseError", (event) => {
  if (DOING[event.detail.requestConfig.path]) document.getElementById("answer").replaceChildren();
  if (event.detail.target.id !== "tried" || event.detail.xhr.status === 401) return;
  again(event.detail.target, `The rule could not be tried: ${wordsOf(event.detail.xhr.responseText)}`);
});

// The rule without its texts and its stage: whatever else is written moves the figures.
function deciding(text) {
  return text.replace(/^(title|reason|analyst|customer|owner|tags|mode|rollout):.*\n(?:[ -].*\n|\n)*/gm, "");
}

function settings() {
  return JSON.parse(document.getElementById("settings").dataset.settings);
}

const inPercent = (share) => (share === null ? "–" : `${(100 * share).toFixed(1)} %`);

function told(at) {
  const one = settings()[at];
  const slider = document.getElementById(`setting-${at}`);
  const point = one.points[slider.value];
  const mine = point.value === one.current ? " (now)" : "";
  slider.parentElement.querySelector("output").textContent =
    `${point.value}${mine}: ${point.fired.toLocaleString("en")} matches, precision ${inPercent(point.precision.value)}, recall ${inPercent(point.recall.value)}`;
  slider.parentElement.querySelector("[data-use]").disabled = point.value === one.current;
  slider.setAttribute("aria-valuetext", slider.parentElement.querySelector("output").textContent);
  const figure = document.querySelector("[data-measure=tradeoff]");
  figure.dataset.points = JSON.stringify({ name: one.name, points: one.points, at: Number(slider.value) });
  drawMeasure(figure);
}

function use(at) {
  const one = settings()[at];
  const value = one.points[document.getElementById(`setting-${at}`).value].value;
  if (one.start < 0) {
    notice(`${one.name} is a parameter: set it to ${value} in the YAML.`);
    return;
  }
  const text = editors.when.getValue();
  if (text !== document.getElementById("settings").dataset.when) {
    notice("The condition has changed since it was tried: wait for its new figures.");
    return;
  }
  editors.when.setValue(text.slice(0, one.start) + value + text.slice(one.end));
}

document.addEventListener("DOMContentLoaded", async () => {
  editors.when = edit(document.getElementById("lab-when"));
  editors.text = edit(document.getElementById("lab-text"));
  check();
  const answer = await fetch("/rules/lab/names");
  if (answer.ok) names = await answer.json();
});
lab.addEventListener("input", (event) => {
  if (event.target.closest("[data-pane=form]") && !event.target.closest(".CodeMirror")) later();
});
document.addEventListener("input", (event) => {
  if (event.target.dataset.setting) told(event.target.dataset.setting);
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "tried" || !document.getElementById("settings")) return;
  settings().forEach((one, at) => {
    document.getElementById(`setting-${at}`).value = one.points.findIndex((point) => point.value === one.current);
    told(at);
  });
  told(0);
});
document.addEventListener("click", async (event) => {
  if (event.target.closest("#answer [data-cancel]")) {
    event.preventDefault(); // what is written stays
    document.getElementById("answer").replaceChildren();
    return;
  }
  const button = event.target.closest("[data-tab], [data-use]");
  if (!button) return;
  if (button.dataset.use) {
    use(button.dataset.use);
    return;
  }
  await settled();
  pane = button.dataset.tab;
  for (const one of document.querySelectorAll("[data-tab]")) one.setAttribute("aria-pressed", String(one === button));
  for (const one of document.querySelectorAll("[data-pane]")) one.hidden = one.dataset.pane !== pane;
  for (const editor of Object.values(editors)) editor.refresh();
});
