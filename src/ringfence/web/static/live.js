// Frames from the server, twice a second: figures, and a sample of decisions when there are more than can be read.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const names = ["approve", "challenge", "review", "decline"];
  const live = document.getElementById("live");
  const feed = document.getElementById("feed");
  const sieve = document.getElementById("sieve");
  const pause = document.getElementById("pause");
  const state = document.getElementById("stream-state");
  const seconds = Number(live.dataset.seconds);
  const most = Number(live.dataset.most);
  const rowsKept = 120;
  const field = (name) => live.querySelector(`[data-f="${name}"]`);
  const number = (value, digits = 0) => value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const percent = (part, whole) => (whole ? `${number((100 * part) / whole, 2)} %` : "");
  let source = null;
  let held = 0; // decisions that passed by while paused
  let recent = []; // [moment, seen, shown] of the last seconds
  let rate = null;
  let stopped = null;

  // Figures ----------------------------------------------------------------------------------------------------------

  function show(figures) {
    const total = figures.outcomes.reduce((sum, count) => sum + count, 0);
    field("rate").textContent = number(figures.per_second, figures.per_second < 10 ? 1 : 0);
    field("total").textContent = `${number(total)} in five minutes`;
    names.forEach((name, rank) => {
      field(name).textContent = number(figures.outcomes[rank]);
      field(`${name}-share`).textContent = percent(figures.outcomes[rank], total);
    });
    const latency = figures.latency_ms;
    const ms = (value) => (value === null ? "–" : number(value, value < 10 ? 1 : 0));
    field("p50").textContent = latency.p50 === null ? "–" : `${ms(latency.p50)} ms`;
    field("tail").textContent = `p95 ${ms(latency.p95)} · p99 ${ms(latency.p99)}`;
    const [first, ...others] = figures.volume;
    field("volume").textContent = first ? `${charts.short(first[1])} ${first[0]}` : "–";
    field("volume-more").textContent = others.length ? others.map(([name, sum]) => `${charts.short(sum)} ${name}`).join(", ") : "in five minutes";
    document.getElementById("idle").textContent = idle(figures);
    draw(figures);
    rules(figures.rules);
  }

  // Few payments are no fault of the page: it says when the last one was decided, and how many come.
  function idle({ until, idle_seconds: since, outcomes }) {
    const decided = Number(live.dataset.decided) / 1000;
    const seconds_ago = since ?? (decided ? until - decided : null);
    const total = outcomes.reduce((sum, count) => sum + count, 0);
    if (seconds_ago === null) return "no payment yet";
    if (seconds_ago < 5) return "";
    const minutes = seconds_ago / 60;
    const ago = minutes < 2 ? `${number(seconds_ago)} s` : minutes < 120 ? `${number(minutes)} min` : minutes < 2880 ? `${number(minutes / 60)} h` : `${number(minutes / 1440)} days`;
    return `last payment ${ago} ago${total ? ` · ${number(total / (seconds / 60), 1)} a minute` : ""}`;
  }

  function draw(figures) {
    const ages = Array.from({ length: seconds }, (_, at) => at - seconds);
    const sums = ages.map((_, at) => figures.series.reduce((sum, series) => sum + series[at], 0));
    const groups = Array.from({ length: seconds / 5 }, (_, at) => (at + 1) * 5 - seconds);
    const grouped = (rank) => groups.map((_, at) => figures.series[rank].slice(at * 5, at * 5 + 5).reduce((sum, count) => sum + count, 0));
    const [challenge, review, decline] = [1, 2, 3].map(grouped);
    const stacked = [groups, groups.map((_, at) => challenge[at] + review[at] + decline[at]), groups.map((_, at) => review[at] + decline[at]), decline];
    if (rate === null) {
      rate = charts.recent(document.getElementById("chart-rate"), [ages, sums], ["accent"], false);
      stopped = charts.recent(document.getElementById("chart-stopped"), stacked, ["challenge", "review", "decline"], true);
    } else {
      rate.update([ages, sums]);
      stopped.update(stacked);
    }
    const width = 100 / figures.scores.length;
    charts.histogram(document.getElementById("chart-scores"), figures.scores, (at, value) => `${at * width} to ${(at + 1) * width}: ${number(value)}`);
  }

  function rules(ranked) {
    const list = document.getElementById("top-rules");
    const high = ranked.length ? ranked[0][1] : 1;
    if (!ranked.length) return;
    list.replaceChildren(...ranked.map(([name, count]) => {
      const line = document.createElement("li");
      const link = document.createElement("a");
      link.href = `/decisions?rule=${encodeURIComponent(name)}`;
      link.textContent = name;
      const times = document.createElement("span");
      times.className = "num r";
      times.textContent = number(count);
      line.append(link, bar(count / high), times);
      return line;
    }));
  }

  function bar(share) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("class", "bar");
    svg.setAttribute("viewBox", "0 0 100 6");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    for (const [kind, width] of [["track", 100], ["fill", 100 * share]]) {
      const rect = document.createElementNS(space, "rect");
      rect.setAttribute("class", kind);
      rect.setAttribute("width", width);
      rect.setAttribute("height", 6);
      rect.setAttribute("rx", 1);
      svg.append(rect);
    }
    return svg;
  }

  // The list -----------------------------------------------------------------------------------------------------------

  function cell(row, content, kind) {
    const item = row.insertCell();
    item.className = kind || "";
    if (content instanceof Node) item.append(content);
    else item.textContent = content ?? "";
  }

  function link(path, text) {
    const anchor = document.createElement("a");
    anchor.href = path;
    anchor.textContent = text;
    return anchor;
  }

  function badge(outcome) {
    const mark = document.createElement("span");
    mark.className = `badge ${outcome}`;
    mark.textContent = outcome;
    return mark;
  }

  function line(decision, kind) {
    const row = document.createElement("tr");
    row.className = kind;
    const entity = (kind, id) => (id ? link(`/entities/${kind}/${encodeURIComponent(id)}`, id) : "");
    const why = document.createDocumentFragment();
    for (const reason of decision.reasons) {
      const code = document.createElement("span");
      code.className = "code";
      code.textContent = reason;
      why.append(code, " ");
    }
    cell(row, new Date(decision.event_time_ms).toISOString().slice(11, 19), "num");
    cell(row, badge(decision.outcome));
    cell(row, number(decision.score), "r num");
    cell(row, decision.amount === null ? "–" : `${number(decision.amount, 2)} ${decision.currency ?? ""}`, "r num");
    cell(row, entity("card", decision.card_id), "id");
    cell(row, entity("merchant", decision.merchant_id), "id");
    cell(row, decision.country);
    cell(row, why, "why");
    const took = decision.latency_us / 1000;
    cell(row, `${number(took, took < 100 ? 1 : 0)} ms`, "r num");
    cell(row, link(`/decisions/${encodeURIComponent(decision.transaction_id)}`, decision.transaction_id), "id");
    return row;
  }

  function add(decisions, kind) {
    if (!decisions.length) return;
    for (const row of feed.querySelectorAll("tr.fresh")) row.classList.remove("fresh");
    feed.prepend(...decisions.reverse().map((decision) => line(decision, kind)));
    while (feed.rows.length > rowsKept) feed.deleteRow(-1);
    document.getElementById("feed-empty").hidden = true;
  }

  function take(frame) {
    if (frame.figures) show(frame.figures);
    const now = performance.now();
    const paused = pause.getAttribute("aria-pressed") === "true";
    if (paused) held += frame.seen;
    else add(frame.rows, "fresh");
    recent = recent.filter(([at]) => now - at < 5000);
    recent.push([now, frame.seen, frame.rows.length]);
    tell(paused);
  }

  function tell(paused) {
    const [seen, shown] = recent.reduce(([all, some], [, one, other]) => [all + one, some + other], [0, 0]);
    const sampled = document.getElementById("sampled");
    let text = "every decision is shown";
    if (paused) text = `paused: ${number(held)} passed by`;
    else if (seen > shown) text = `showing ${percent(shown, seen)} of ${number(seen / 5)} a second (${most} a second at most), the strictest first`;
    if (sampled.textContent !== text) sampled.textContent = text;
  }

  // The stream -----------------------------------------------------------------------------------------------------------

  function open() {
    source?.close();
    recent = [];
    source = new EventSource(`/live/stream?${new URLSearchParams(new FormData(sieve))}`);
    source.addEventListener("open", () => { state.textContent = "connected"; });
    source.addEventListener("frame", (event) => take(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) {
        state.textContent = "connecting again";
        return;
      }
      state.textContent = "not connected";
      fetch("/session").then((answer) => answer.json()).then((session) => {
        if (!session.signed_in) document.getElementById("session-over").showModal();
        else setTimeout(open, 3000);
      }, () => setTimeout(open, 3000));
    });
  }

  sieve.addEventListener("change", () => {
    feed.replaceChildren();
    open();
  });
  sieve.addEventListener("submit", (event) => event.preventDefault());
  pause.addEventListener("click", () => {
    const paused = pause.getAttribute("aria-pressed") !== "true";
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    held = 0;
    tell(paused);
  });

  show(JSON.parse(live.dataset.figures));
  for (const [name, value] of new URLSearchParams(location.search)) {  // a filter may stand in the address
    if (sieve.elements[name]) sieve.elements[name].value = value;
  }
  const filtered = [...new FormData(sieve)].some(([name, value]) => name !== "entity" && value !== "" && value !== "approve");
  if (!filtered) add(JSON.parse(live.dataset.latest), "");
  open();
});
