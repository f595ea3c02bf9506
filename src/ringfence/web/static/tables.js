// Every list is one kind of table: sorted by its headings, with columns to choose and to resize, dense or not,
// rows to select, copied or exported as CSV, and views that the server keeps for whoever is signed in.
"use strict";

const RISKY = /^[=+\-@\t\r]/;

const textOf = (cell) => cell.innerText.replace(/\s+/g, " ").trim();

function valueOf(cell) {
  const text = cell ? textOf(cell) : "";
  const number = /^[+-]?[\d,]+(\.\d+)?/.exec(text.replace("−", "-"));
  return number && cell.classList.contains("r") ? Number(number[0].replaceAll(",", "")) : text.toLowerCase();
}

class Table {
  constructor(table) {
    this.table = table;
    this.heads = [...table.tHead.rows[0].cells];
    const area = location.pathname.split("/")[1] || "live";
    this.name = table.dataset.table || table.caption?.innerText.replace(/[^a-z ]/gi, "").slice(0, 40) || "table";
    this.key = `ringfence_table:${area}:${this.name}`;
    this.kept = { hidden: [], dense: false, sort: null, widths: {}, ...remembered(this.key, {}) };
    table.dataset.real = "yes";
    this.headings();
    this.bar();
    this.apply();
  }

  rows() {
    return [...this.table.tBodies[0].rows].filter((row) => row.cells.length === this.heads.length);
  }

  titleOf(head) {
    return head.dataset.title;
  }

  save() {
    remember(this.key, this.kept);
  }

  headings() {
    this.heads.forEach((head, at) => {
      head.dataset.title = textOf(head) || head.innerText.trim();
      if (head.querySelector(".sr, input, a.sort") || !head.dataset.title) return;
      const button = element("button", "sort");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => this.sort(at));
      const edge = element("span", "edge");
      edge.setAttribute("aria-hidden", "true");
      edge.addEventListener("pointerdown", (event) => this.resize(event, head));
      head.append(button, edge);
    });
  }

  sort(at) {
    const [column, up] = this.kept.sort ?? [null, true];
    const title = this.titleOf(this.heads[at]);
    this.kept.sort = column !== title ? [title, true] : up ? [title, false] : null;
    this.save();
    if (this.kept.sort) this.apply();
    else location.reload();
  }

  resize(event, head) {
    event.preventDefault();
    const [from, width] = [event.clientX, head.offsetWidth];
    const move = (at) => { head.style.minWidth = head.style.width = `${Math.max(40, width + at.clientX - from)}px`; };
    const end = () => {
      removeEventListener("pointermove", move);
      this.kept.widths[this.titleOf(head)] = head.offsetWidth;
      this.save();
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end, { once: true });
  }

  apply() {
    this.table.classList.toggle("dense", this.kept.dense);
    const all = [this.table.tHead.rows[0], ...this.rows()];
    this.heads.forEach((head, at) => {
      const title = this.titleOf(head);
      const isHidden = this.kept.hidden.includes(title);
      for (const row of all) row.cells[at].hidden = isHidden;
      if (this.kept.widths[title]) head.style.minWidth = head.style.width = `${this.kept.widths[title]}px`;
      if (!head.querySelector("a.sort")) head.removeAttribute("aria-sort");
    });
    if (!this.kept.sort) return;
    const [title, up] = this.kept.sort;
    const at = this.heads.findIndex((head) => this.titleOf(head) === title);
    if (at < 0 || this.heads[at].querySelector("a.sort")) return; // the server sorts by that
    this.heads.forEach((head) => head.removeAttribute("aria-sort"));
    this.heads[at].setAttribute("aria-sort", up ? "ascending" : "descending");
    const keyed = this.rows().map((row) => [valueOf(row.cells[at]), row]);
    keyed.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0) * (up ? 1 : -1));
    this.table.tBodies[0].append(...keyed.map(([, row]) => row));
  }

  // The rows that are ticked, all where none is.
  chosen() {
    const ticked = this.rows().filter((row) => row.querySelector("input[type=checkbox]:checked"));
    return ticked.length ? ticked : this.rows();
  }

  cells() {
    const shown = this.heads.map((head, at) => at).filter((at) => !this.heads[at].hidden && this.titleOf(this.heads[at]) && !this.heads[at].querySelector(".sr"));
    return [shown.map((at) => this.titleOf(this.heads[at])), ...this.chosen().map((row) => shown.map((at) => textOf(row.cells[at])))];
  }

  csv() {
    const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const safe = (text) => (RISKY.test(text) && Number.isNaN(Number(text.replaceAll(",", ""))) ? `'${text}` : text);
    const text = this.cells().map((row) => row.map((cell) => quoted(safe(cell))).join(",")).join("\n");
    const link = element("a");
    link.download = `${this.name.trim().toLowerCase().replaceAll(" ", "-") || "table"}.csv`;
    link.href = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/csv" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  bar() {
    const bar = element("div", "table-bar");
    if ("paged" in this.table.dataset) {
      const served = this.heads.filter((head) => head.querySelector("a.sort")).map((head) => head.querySelector("a.sort").textContent);
      bar.append(element("span", "note", served.length ? `${served.join(", ")} sort all rows, other columns this page` : "Columns sort the rows of this page"));
    }
    const menu = (title, fill) => {
      const details = element("details");
      details.append(element("summary", "button small", title));
      const box = element("div", "menu-box");
      details.append(box);
      details.addEventListener("toggle", () => { if (details.open) fill(box); });
      bar.append(details);
    };
    menu("Columns", (box) => box.replaceChildren(...this.heads.filter((head) => this.titleOf(head)).map((head) => {
      const title = this.titleOf(head);
      const label = element("label", "check");
      const tick = element("input");
      tick.type = "checkbox";
      tick.checked = !this.kept.hidden.includes(title);
      tick.addEventListener("change", () => {
        this.kept.hidden = tick.checked ? this.kept.hidden.filter((one) => one !== title) : [...this.kept.hidden, title];
        this.save();
        this.apply();
      });
      label.append(tick, ` ${title}`);
      return label;
    })));
    menu("Views", (box) => this.views().show(box));
    const dense = smallButton("Compact", () => {
      this.kept.dense = !this.kept.dense;
      dense.setAttribute("aria-pressed", String(this.kept.dense));
      this.save();
      this.apply();
    });
    dense.setAttribute("aria-pressed", String(this.kept.dense));
    bar.append(dense, smallButton("CSV", () => this.csv()), smallButton("Copy", () => copyText(this.cells().map((row) => row.join("\t")).join("\n"))));
    const box = this.table.closest(".scroll") ?? this.table;
    box.before(bar);
  }

  views() {
    return new SavedViews({
      word: "view",
      key: `ringfence_views:${location.pathname}`,
      now: () => ({ query: location.search, layout: this.layout() }),
      opened: (_, one) => remember(this.key, one.layout),
      old: ({ name, href, kept }) => {
        const { pathname, search } = new URL(href, location.origin);
        return { name: name.trim(), path: pathname, query: search, layout: this.layout(kept), shared: false };
      },
    });
  }

  layout(kept = this.kept) {
    const { hidden = [], dense = false, sort = null, widths = {} } = kept ?? {};
    return { hidden, dense, sort, widths };
  }
}

function realTables() {
  for (const table of document.querySelectorAll("main table.rows:not(.plain, .live, [data-real])")) {
    if (table.tHead?.rows.length && table.tBodies[0]?.rows.length) new Table(table);
  }
}

document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-ticks-all]")) return;
  for (const tick of event.target.closest("table").querySelectorAll("tbody input[type=checkbox]")) tick.checked = event.target.checked;
});

// From a list to its records and on to the next one.
document.addEventListener("click", (event) => {
  const table = event.target.closest("table[data-rows] a")?.closest("table");
  if (!table) return;
  try {
    sessionStorage.setItem("ringfence_rows", JSON.stringify({ from: location.href, hrefs: rowLinks().map((link) => link.pathname) }));
  } catch { /* likewise */ }
});

function neighbour(by) {
  let kept;
  try {
    kept = JSON.parse(sessionStorage.getItem("ringfence_rows"));
  } catch {
    return null;
  }
  const at = kept?.hrefs?.indexOf(location.pathname) ?? -1;
  return at < 0 ? null : { href: kept.hrefs[at + by], at: at + 1, of: kept.hrefs.length, from: kept.from };
}

document.addEventListener("DOMContentLoaded", () => {
  realTables();
  const here = neighbour(0);
  const crumb = document.querySelector("main .crumb");
  if (!here || !crumb) return;
  const nav = element("span", "neighbours");
  for (const [by, text] of [[-1, "Previous"], [1, "Next"]]) {
    const there = neighbour(by);
    if (!there.href) continue;
    const link = element("a", "", text);
    link.href = there.href;
    link.rel = by < 0 ? "prev" : "next";
    nav.append(link, " ");
  }
  nav.append(` ${here.at} of ${here.of}`);
  crumb.append(" · ", nav);
});
document.addEventListener("htmx:afterSettle", realTables);
