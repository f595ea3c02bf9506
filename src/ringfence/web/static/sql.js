// The SQL page: names complete as one types, Ctrl-Enter runs. The last statements stay in this browser; the server keeps saved queries.
"use strict";

const area = document.getElementById("statement");
const asking = area.form;
const earlier = document.getElementById("earlier");
const saved = document.getElementById("saved");
const tables = JSON.parse(asking.dataset.tables);
const KEPT = 20;
const WORDS = "SELECT FROM WHERE GROUP BY ORDER LIMIT JOIN LEFT ON USING AND OR NOT NULL IS IN BETWEEN LIKE CASE WHEN THEN ELSE END AS DISTINCT HAVING UNION ALL WITH DESC ASC FILTER OVER PARTITION count sum avg min max median quantile_cont unnest date_trunc coalesce round extract timezone".split(" ");

// What a name may be: after a dot the columns of that table or alias, else columns, tables and words of SQL.
function candidates(text) {
  const all = Object.entries(tables).flatMap(([table, columns]) => columns.map(([name, kind]) => ({ name, kind: `${kind.toLowerCase().slice(0, 24)}, ${table}`, table })));
  const [, before] = /(\w+)\.\w*$/.exec(text) ?? [];
  if (before !== undefined) return all.filter((one) => !(before in tables) || one.table === before);
  const named = Object.keys(tables).map((name) => ({ name, kind: "table" }));
  return [...named, ...all, ...WORDS.map((name) => ({ name, kind: "" }))];
}

function complete(code) {
  const at = code.getCursor();
  const line = code.getLine(at.line).slice(0, at.ch);
  const word = /\w*$/.exec(line)[0];
  const seen = new Set();
  const begins = (one) => one.name.toLowerCase().startsWith(word.toLowerCase());
  const found = candidates(line).filter((one) => one.name !== word && begins(one) && !seen.has(one.name) && seen.add(one.name)).slice(0, 40);
  const list = found.map((one) => ({
    text: one.name,
    render(item) {
      const kind = document.createElement("span");
      kind.className = "note";
      kind.textContent = ` ${one.kind}`;
      item.append(one.name, kind);
    },
  }));
  return { list, from: CodeMirror.Pos(at.line, at.ch - word.length), to: at };
}

const code = CodeMirror.fromTextArea(area, {
  mode: "text/x-pgsql",
  lineWrapping: true,
  tabSize: 2,
  inputStyle: "textarea",
  screenReaderLabel: "Statement",
  extraKeys: {
    "Ctrl-Space": (editor) => editor.showHint({ hint: complete, completeSingle: false }),
    "Ctrl-Enter": () => asking.requestSubmit(),
    "Cmd-Enter": () => asking.requestSubmit(),
    Tab: false,
    "Shift-Tab": false,
  },
});
code.on("change", (_, change) => {
  code.save();
  if (change.origin === "+input" && /[\w.]/.test(change.text.join(""))) code.showHint({ hint: complete, completeSingle: false });
});

function write(text) {
  code.setValue(text);
  code.focus();
}

function list() {
  const short = (text) => text.replace(/\s+/g, " ").slice(0, 80);
  earlier.replaceChildren(earlier.options[0], ...remembered("ringfence_sql", []).map((text) => new Option(short(text), text)));
}

const queryOf = (statement) => `?${new URLSearchParams({ statement })}`;
const queries = new SavedViews({
  word: "query",
  key: "ringfence_sql_saved",
  now: () => ({ query: queryOf(code.getValue()) }),
  opened: (event, one) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // in a tab of its own
    event.preventDefault();
    saved.open = false;
    write(new URLSearchParams(one.query).get("statement") ?? "");
  },
  old: ({ name, text }) => ({ name: name.trim(), path: location.pathname, query: queryOf(text) }),
});

asking.addEventListener("submit", () => {
  const text = code.getValue().trim();
  remember("ringfence_sql", [text, ...remembered("ringfence_sql", []).filter((one) => one !== text)].slice(0, KEPT));
  list();
});
earlier.addEventListener("change", () => {
  if (earlier.value) write(earlier.value);
});
saved.addEventListener("toggle", () => {
  if (saved.open) queries.show(saved.querySelector(".menu-box"));
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-example], [data-insert]");
  if (!button) return;
  if (button.dataset.example) return write(button.dataset.example);
  code.replaceSelection(button.dataset.insert);
  code.focus();
});
list();
