// Charts of the performance page. Tooltips are drawn on the canvas: the page's policy allows no inline style.
"use strict";

const drawnMeasures = new Map();

function tint(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function looks() {
  const text = { color: tint("muted"), fontFamily: "sans-serif", fontSize: 11 };
  const axis = { axisLabel: text, axisLine: { lineStyle: { color: tint("line-strong") } }, splitLine: { lineStyle: { color: tint("line") } } };
  return {
    text,
    axis,
    base: {
      animation: false,
      textStyle: text,
      legend: { textStyle: text, top: 0, right: 8 },
      tooltip: { trigger: "axis", renderMode: "richText", backgroundColor: tint("surface"), borderColor: tint("line-strong"), textStyle: { color: tint("text"), fontSize: 12 } },
      grid: { left: 8, right: 32, top: 28, bottom: 8, containLabel: true },
    },
  };
}

function trend(columns, matureUntil, changes) {
  const { axis, base } = looks();
  const days = columns.day.map(String);
  const young = days.find((day) => day >= matureUntil);
  const shade = young ? { silent: true, itemStyle: { color: tint("sunken") }, data: [[{ xAxis: young }, { xAxis: days[days.length - 1] }]] } : undefined;
  const marked = changes.filter((one) => days.includes(one.day));
  const label = { show: false, formatter: (one) => one.name };
  const marks = marked.length ? { symbol: "none", label, emphasis: { label: { show: true, color: tint("text") } }, lineStyle: { color: tint("accent"), type: "dashed" }, data: marked.map((one) => ({ xAxis: one.day, name: one.text })) } : undefined;
  const bar = (name, column, colour, more) => ({ name, type: "bar", barMaxWidth: 28, stack: "money", data: columns[column], itemStyle: { color: tint(colour) }, ...more });
  return {
    ...base,
    xAxis: { type: "category", data: days, ...axis },
    yAxis: { type: "value", ...axis },
    series: [bar("Fraud stopped", "fraud_stopped", "approve", { markArea: shade, markLine: marks }), bar("Fraud missed", "fraud_missed", "decline")],
  };
}

function bars(columns) {
  const { axis, base } = looks();
  const flip = (values) => [...values].reverse();
  return {
    ...base,
    xAxis: { type: "value", ...axis },
    yAxis: { type: "category", data: flip(columns.value), ...axis, axisLabel: { ...axis.axisLabel, width: 140, overflow: "truncate" } },
    series: [
      { name: "Fraud stopped", type: "bar", barMaxWidth: 28, stack: "money", data: flip(columns.fraud_stopped), itemStyle: { color: tint("approve") } },
      { name: "Fraud missed", type: "bar", barMaxWidth: 28, stack: "money", data: flip(columns.fraud_missed), itemStyle: { color: tint("decline") } },
    ],
  };
}

// Matches of a rule by day, stacked by what labels say.
function matches(columns) {
  const { axis, base } = looks();
  const bar = (name, column, colour) => ({ name, type: "bar", stack: "all", barMaxWidth: 28, data: columns[column], itemStyle: { color: tint(colour) } });
  return {
    ...base,
    xAxis: { type: "category", data: columns.day, ...axis },
    yAxis: { type: "value", ...axis },
    series: [bar("Fraud", "fraud", "decline"), bar("Genuine", "genuine", "approve"), bar("Not labelled", "unlabelled", "line-strong")],
  };
}

// Precision by recall over the values of one threshold, with the chosen one marked.
function tradeoff({ name, points, at }) {
  const { axis, base } = looks();
  const data = points.map((one) => ({ value: [one.recall.value ?? 0, one.precision.value ?? 0], name: `${name} ${one.value}` }));
  return {
    ...base,
    tooltip: { ...base.tooltip, trigger: "item", formatter: (one) => `${one.name}: precision ${(100 * one.value[1]).toFixed(1)} %, recall ${(100 * one.value[0]).toFixed(1)} %` },
    xAxis: { type: "value", name: "recall", nameLocation: "middle", nameGap: 22, min: 0, ...axis },
    yAxis: { type: "value", name: "precision", min: 0, max: 1, ...axis },
    grid: { ...base.grid, bottom: 24 },
    series: [
      { type: "line", name, data, itemStyle: { color: tint("accent") }, symbolSize: 6 },
      { type: "scatter", name: "chosen", data: [data[at]], symbolSize: 14, itemStyle: { color: tint("review") } },
    ],
  };
}

// A rule by week: payments as bars, precision as a line on an axis of its own.
function weeks(columns) {
  const { axis, base } = looks();
  const bar = (name, column, colour) => ({ name, type: "bar", stack: "all", barMaxWidth: 28, data: columns[column], itemStyle: { color: tint(colour) } });
  return {
    ...base,
    xAxis: { type: "category", data: columns.week.map(String), ...axis },
    yAxis: [{ type: "value", ...axis }, { type: "value", min: 0, max: 1, ...axis, splitLine: { show: false } }],
    series: [bar("Active", "acted", "accent"), bar("In shadow", "in_shadow", "line-strong"), { name: "Precision", type: "line", yAxisIndex: 1, connectNulls: true, data: columns.precision, itemStyle: { color: tint("decline") } }],
  };
}

// The result of a statement: numbers by its first column, along a line where that is a time.
function ofStatement({ labels, series, is_time: isTime }) {
  const { axis, base } = looks();
  const colours = ["accent", "review", "approve", "decline", "challenge", "muted"];
  const form = isTime ? { type: "line", showSymbol: labels.length < 60 } : { type: "bar", barMaxWidth: 28 };
  return {
    ...base,
    xAxis: { type: "category", data: labels, ...axis },
    yAxis: { type: "value", ...axis },
    series: series.map((one, at) => ({ ...form, name: one.name, data: one.data, itemStyle: { color: tint(colours[at]) } })),
  };
}

const measureKinds = {
  asked: ofStatement,
  weeks: ({ columns }) => weeks(columns),
  trend: ({ columns, mature_until: matureUntil, changes }) => trend(columns, matureUntil, changes ?? []),
  bars: ({ columns }) => bars(columns),
  matches: ({ columns }) => matches(columns),
  tradeoff,
};

// Where a click on a place of a chart leads; nowhere where there is nothing behind it, such as a mark.
function behind({ measure, name, through }, place) {
  const isDay = /^\d{4}-\d\d-\d\d$/.test(place);
  if (name === "merchant" && place !== "(none)") return `/entities/merchant/${encodeURIComponent(place)}`;
  if (through && (isDay || measure !== "trend")) return through + encodeURIComponent(place);
  if (!isDay || !["trend", "matches"].includes(measure)) return null;
  const next = new Date(Date.parse(place) + 86_400_000).toISOString().slice(0, 10);
  return `/decisions?since=${place}T00:00&until=${next}T00:00`;
}

function drawMeasure(figure) {
  if (!figure.dataset.points) return;
  const chart = drawnMeasures.get(figure) ?? echarts.init(figure);
  drawnMeasures.set(figure, chart);
  chart.setOption(measureKinds[figure.dataset.measure](JSON.parse(figure.dataset.points)), true);
  if (figure.dataset.bound) return;
  figure.dataset.bound = "yes";
  new ResizeObserver(() => chart.resize()).observe(figure);
  chart.on("click", (at) => {
    const address = behind(figure.dataset, at.name);
    if (address) location.href = inZone(address);
  });
}

function drawMeasures() {
  for (const figure of document.querySelectorAll("[data-measure]")) if (!figure.dataset.bound) drawMeasure(figure);
}

document.addEventListener("htmx:afterSettle", drawMeasures);
document.addEventListener("ringfence:theme", () => { for (const figure of drawnMeasures.keys()) drawMeasure(figure); });
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-png]");
  if (!button) return;
  const figure = document.querySelector(`[data-measure][data-name="${CSS.escape(button.dataset.png)}"]`);
  const link = document.createElement("a");
  link.download = `${button.dataset.png}.png`;
  link.href = drawnMeasures.get(figure).getDataURL({ pixelRatio: 2, backgroundColor: tint("surface") });
  link.click();
});
