// The last places on a map: the outlines of land, a line through the places in order, the newest marked.
"use strict";

const SPACE = "http://www.w3.org/2000/svg";
let outlines = null;

// TopoJSON: arcs are differences of quantised points.
function landOf({ arcs, transform, objects }) {
  const [[sx, sy], [dx, dy]] = [transform.scale, transform.translate];
  const lines = arcs.map((arc) => {
    let [x, y] = [0, 0];
    return arc.map(([ax, ay]) => [(x += ax) * sx + dx, (y += ay) * sy + dy]);
  });
  const ring = (numbers) => numbers.flatMap((number) => (number < 0 ? [...lines[~number]].reverse() : lines[number]));
  return objects.land.geometries.flatMap((one) => (one.type === "Polygon" ? [one.arcs] : one.arcs)).map((polygon) => polygon.map(ring));
}

function shape(name, attributes, parent) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

function drawMap(figure, land) {
  const points = JSON.parse(figure.dataset.map);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const sides = (name, least) => {
    const values = points.map((one) => one[name]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const grow = Math.max(least, 0.25 * (high - low));
    return [low - grow, high + grow];
  };
  let [west, east] = sides("lon", 6);
  let [south, north] = sides("lat", 3);
  const wide = (figure.clientWidth || 600) / (figure.clientHeight || 220);
  const lack = wide * (north - south) - (east - west);
  if (lack > 0) [west, east] = [west - lack / 2, east + lack / 2];
  else [south, north] = [south + lack / wide / 2, north - lack / wide / 2];
  const unit = (east - west) / 600;
  const svg = document.createElementNS(SPACE, "svg");
  svg.setAttribute("viewBox", `${west} ${-north} ${east - west} ${north - south}`);
  const path = land.map((polygon) => polygon.map((ring) => `M${ring.map(([x, y]) => `${x.toFixed(2)} ${(-y).toFixed(2)}`).join("L")}Z`).join("")).join("");
  shape("path", { d: path, fill: colour("sunken"), stroke: colour("line-strong"), "stroke-width": unit }, svg);
  const line = points.map((one) => `${one.lon} ${-one.lat}`).join("L");
  shape("path", { d: `M${line}`, fill: "none", stroke: colour("accent"), "stroke-width": unit, "stroke-dasharray": `${4 * unit} ${3 * unit}` }, svg);
  [...points].reverse().forEach((one, at) => {
    const isNewest = at === points.length - 1;
    const dot = shape("circle", { cx: one.lon, cy: -one.lat, r: (isNewest ? 6 : 4) * unit, fill: colour(isNewest ? "decline" : "accent") }, svg);
    shape("title", {}, dot).textContent = one.label;
  });
  figure.replaceChildren(svg);
}

async function drawMaps() {
  for (const figure of document.querySelectorAll("[data-map]")) {
    if (figure.firstChild) continue;
    outlines ??= fetch(figure.dataset.land).then((answer) => answer.json()).then(landOf);
    drawMap(figure, await outlines);
  }
}

document.addEventListener("htmx:afterSettle", drawMaps);
document.addEventListener("ringfence:theme", () => {
  for (const figure of document.querySelectorAll("[data-map]")) figure.replaceChildren();
  drawMaps();
});
