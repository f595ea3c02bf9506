// Plots in the colours of the style sheet; drawn again when the theme changes or a part of the page is replaced.
"use strict";

const charts = (() => {
  const drawn = new Map(); // element -> function that draws it anew

  function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  const font = () => `11px ${color("font")}`;

  function axis(more) {
    return { stroke: color("muted"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, font: font(), gap: 4, size: 40, ...more };
  }

  function short(value) {
    const size = Math.abs(value);
    if (size >= 1e6) return `${+(value / 1e6).toFixed(1)}M`;
    if (size >= 1e3) return `${+(value / 1e3).toFixed(1)}k`;
    return `${+value.toFixed(2)}`;
  }

  function plot(element, options, data) {
    const box = () => ({ width: Math.max(80, element.clientWidth - 12), height: Math.max(60, element.clientHeight - 4) });
    let chart = null;
    const draw = () => {
      chart?.destroy();
      chart = new uPlot({ ...box(), padding: [8, 16, 0, 0], legend: { show: false }, cursor: { y: false, points: { show: false } }, ...options() }, data, element);
    };
    draw();
    drawn.set(element, draw);
    new ResizeObserver(() => chart.setSize(box())).observe(element);
    return { update(next) { data = next; chart.setData(next); } };
  }

  // UTC, as everywhere: the day where days are apart, else the time of day, on one line.
  function moments(_u, at, _axis, _space, step) {
    const [from, to] = step >= 86400 ? [0, 10] : step >= 60 ? [5, 16] : [11, 19];
    return at.map((seconds) => new Date(seconds * 1000).toISOString().slice(from, to).replace("T", " "));
  }

  const dates = () => axis({ size: 22, space: 90, values: moments });
  const ago = (seconds) => (seconds === 0 ? "now" : `${Math.round(-seconds / 60)} min`);
  const counts = { range: (_u, _low, high) => [0, Math.max(1, high * 1.1)] };

  // Lines or bars by seconds before now.
  function recent(element, data, series, bars) {
    return plot(element, () => ({
      scales: { x: { time: false }, y: counts },
      axes: [axis({ size: 20, values: (_u, at) => at.map(ago), incrs: [60, 120] }), axis({ values: (_u, at) => at.map(short) })],
      series: [{}, ...series.map((name) => ({
        stroke: color(name),
        fill: bars ? color(name) : `${color(name)}22`,
        width: bars ? 0 : 1.5,
        paths: bars ? uPlot.paths.bars({ size: [0.8, 12] }) : undefined,
        points: { show: false },
      }))],
    }), data);
  }

  // One dot a payment, in the colour of its outcome.
  function amounts(element, points) {
    const names = ["approve", "challenge", "review", "decline"];
    const times = points.time_ms.map((time) => time / 1000);
    const data = [times, ...names.map((_, rank) => points.amount.map((amount, row) => (points.outcome[row] === rank ? amount : null)))];
    const dots = (name) => ({ stroke: color(name), fill: color(name), paths: () => null, points: { show: true, size: name === "approve" ? 5 : 8, fill: color(name), width: 0 } });
    return plot(element, () => ({
      cursor: { drag: { x: true, y: false }, points: { show: false } },
      scales: { y: counts },
      axes: [dates(), axis({ values: (_u, at) => at.map(short), size: 48 })],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      series: [{}, ...names.map(dots)],
    }), data);
  }

  // Lines through points in given order, such as precision by recall. An axis with `log` counts in tens.
  function curves(element, chart) {
    const along = (side) => (value) => (side.log ? Math.log10(Math.max(value, side.low)) : value);
    const [across, up] = [along(chart.x), along(chart.y)];
    const range = (side, place) => [place(side.low), place(side.high)];
    const written = (side) => (_u, at) => at.map((value) => (side.log ? (Number.isInteger(value) ? tenth(value) : "") : short(value)));
    const titled = (side, title) => ({ values: written(side), label: title, labelSize: 14, labelFont: font(), labelGap: 0, ...(side.log ? { incrs: [1] } : {}) });
    return plot(element, () => ({
      mode: 2,
      cursor: { show: false },
      scales: { x: { time: false, range: range(chart.x, across) }, y: { range: range(chart.y, up) } },
      axes: [axis({ size: 22, ...titled(chart.x, chart.titles[0]) }), axis({ size: 38, ...titled(chart.y, chart.titles[1]) })],
      series: [null, ...chart.lines.map((line) => ({ stroke: color(line.color), fill: color(line.color), width: 1.5, dash: line.dash, paths: line.dots ? dotted : path, facets: [{ scale: "x", auto: true }, { scale: "y", auto: true }], points: { show: false } }))],
    }), [null, ...chart.lines.map((line) => [line.x.map(across), line.y.map(up)])]);
  }

  function tenth(power) {
    return power >= 0 && power < 6 ? short(10 ** power) : `1e${power}`;
  }

  function path(u, series) {
    const [xs, ys] = u.data[series];
    const line = new Path2D();
    for (let at = 0; at < xs.length; at += 1) line.lineTo(u.valToPos(xs[at], "x", true), u.valToPos(ys[at], "y", true));
    return { stroke: line };
  }

  function dotted(u, series) {
    const [xs, ys] = u.data[series];
    const dots = new Path2D();
    for (let at = 0; at < xs.length; at += 1) {
      const [left, top] = [u.valToPos(xs[at], "x", true), u.valToPos(ys[at], "y", true)];
      dots.moveTo(left + 3, top);
      dots.arc(left, top, 3, 0, 2 * Math.PI);
    }
    return { ...path(u, series), fill: dots };
  }

  // Good payments and frauds by probability, side by side on a logarithmic scale, with thresholds as lines.
  function scores(element, found) {
    const space = "http://www.w3.org/2000/svg";
    const draw = () => {
      const high = Math.log10(1 + Math.max(1, ...found.good, ...found.fraud));
      const svg = document.createElementNS(space, "svg");
      svg.setAttribute("viewBox", `0 0 ${found.good.length * 10} 110`);
      svg.setAttribute("preserveAspectRatio", "none");
      const box = (name, x, y, width, height) => {
        const rect = document.createElementNS(space, "rect");
        for (const [key, value] of Object.entries({ x, y, width, height, fill: color(name) })) rect.setAttribute(key, value);
        svg.append(rect);
      };
      found.good.forEach((good, at) => [[good, "approve", 1], [found.fraud[at], "decline", 5]].forEach(([count, name, left]) => {
        const height = count ? Math.max(2, (100 * Math.log10(1 + count)) / high) : 0;
        if (height) box(name, at * 10 + left, 108 - height, 4, height);
      }));
      box("line", 0, 108, found.good.length * 10, 0.5);
      for (const mark of found.marks) box(mark.color, mark.at * found.good.length * 10, 0, 0.6, 108);
      element.replaceChildren(svg, scaled("0", "probability", "1"));
    };
    draw();
    drawn.set(element, draw);
  }

  // Texts below a chart: at its left, in the middle, and at its right.
  function scaled(...texts) {
    const scale = document.createElement("p");
    scale.className = "scale note";
    scale.append(...texts.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
    return scale;
  }

  // Columns of scores from 0 to 100 as SVG, heights on a logarithmic scale.
  function histogram(element, values, title) {
    const high = Math.log10(1 + Math.max(1, ...values));
    const svg = element.querySelector("svg") || element.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "svg"));
    if (!element.querySelector(".scale")) element.append(scaled("0", "50", "100"));
    svg.setAttribute("viewBox", `0 0 ${values.length * 10} 110`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.replaceChildren(...values.map((value, at) => {
      const height = value ? Math.max(2, (100 * Math.log10(1 + value)) / high) : 0;
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      const style = { x: at * 10 + 1, y: 105 - height, width: 8, height: height + 1, fill: color("accent") };
      for (const [name, setting] of Object.entries(style)) bar.setAttribute(name, setting);
      const hint = document.createElementNS("http://www.w3.org/2000/svg", "title");
      hint.textContent = title(at, value);
      bar.append(hint);
      return bar;
    }));
  }

  const kinds = {
    amounts: (element, points) => amounts(element, points),
    rate: (element, series) => recent(element, [series.age, series.rate], ["accent"], false),
    queue: (element, series) => recent(element, [series.age, series.waiting], ["review"], false),
    curves: (element, chart) => curves(element, chart),
    scores: (element, found) => scores(element, found),
    lines: (element, chart) => recentDays(element, chart),
  };

  // Lines over time, one a name: {time: [seconds], lines: [{name, color, values}]}.
  function recentDays(element, chart) {
    return plot(element, () => ({
      scales: { y: counts },
      axes: [dates(), axis({ values: (_u, at) => at.map(short), size: 48 })],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      series: [{}, ...chart.lines.map((line) => ({ stroke: color(line.color), width: 1.5, points: { show: false } }))],
    }), [chart.time, ...chart.lines.map((line) => line.values)]);
  }

  function drawAll(root) {
    for (const element of drawn.keys()) if (!element.isConnected) drawn.delete(element);
    for (const element of root.querySelectorAll("[data-chart]")) {
      if (!drawn.has(element)) kinds[element.dataset.chart](element, JSON.parse(element.dataset.points));
    }
  }

  document.addEventListener("DOMContentLoaded", () => drawAll(document));
  document.addEventListener("htmx:afterSettle", () => drawAll(document));
  document.addEventListener("ringfence:theme", () => { for (const draw of drawn.values()) draw(); });
  return { recent, histogram, short };
})();
