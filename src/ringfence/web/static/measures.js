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
      grid: { left: 8, right: 16, top: 28, bottom: 8, containLabel: true },
    },
  };
}

function trend(columns, matureUntil) {
  const { axis, base } = looks();
  const days = columns.day.map(String);
  const young = days.find((day) => day >= matureUntil);
  const shade = young ? { silent: true, itemStyle: { color: tint("sunken") }, data: [[{ xAxis: young }, { xAxis: days[days.length - 1] }]] } : undefined;
  const bar = (name, column, colour, more) => ({ name, type: "bar", barMaxWidth: 28, stack: "money", data: columns[column], itemStyle: { color: tint(colour) }, ...more });
  return {
    ...base,
    xAxis: { type: "category", data: days, ...axis },
    yAxis: { type: "value", ...axis },
    series: [bar("Fraud stopped", "fraud_stopped", "approve", { markArea: shade }), bar("Fraud missed", "fraud_missed", "decline")],
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

function drawMeasure(figure) {
  const { columns, mature_until: matureUntil } = JSON.parse(figure.dataset.points);
  const chart = drawnMeasures.get(figure) ?? echarts.init(figure);
  drawnMeasures.set(figure, chart);
  chart.setOption(figure.dataset.measure === "trend" ? trend(columns, matureUntil) : bars(columns), true);
  if (figure.dataset.bound) return;
  figure.dataset.bound = "yes";
  new ResizeObserver(() => chart.resize()).observe(figure);
  chart.on("click", (at) => {
    if (figure.dataset.measure === "trend") location.href = `/decisions?since=${at.name}T00:00&until=${at.name}T23:59`;
    else if (figure.dataset.name === "merchant" && at.name !== "(none)") location.href = `/entities/merchant/${encodeURIComponent(at.name)}`;
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
