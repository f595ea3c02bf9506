// The ring of a page, drawn by Cytoscape.js: links by type, payments as arrows, a slider over time.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("ring");
  if (!box || typeof cytoscape === "undefined") return;
  const MOST = 2000; // nodes on the drawing
  const ring = JSON.parse(box.dataset.ring);
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim() || "#888";
  const idOf = (node) => `${node.kind}:${node.id}`;
  const shapes = ["ellipse", "round-rectangle", "diamond", "hexagon", "triangle", "round-octagon"];
  const kinds = [];

  function shapeOf(kind) {
    if (!kinds.includes(kind)) kinds.push(kind);
    return shapes[kinds.indexOf(kind) % shapes.length];
  }

  function nodeOf(node, more) {
    const data = { id: idOf(node), kind: node.kind, name: node.id, shape: shapeOf(node.kind), ...more };
    const label = node.id.length > 24 ? `${node.id.slice(0, 23)}…` : node.id;
    return { group: "nodes", data: { ...data, label } };
  }

  function edgeOf(link) {
    const source = idOf(link.source), target = idOf(link.target);
    const paid = link.type.includes(" pays ");
    const label = paid ? `${link.count} × ${link.amount.toLocaleString("en")}` : "";
    return { group: "edges", data: { id: `${link.type}|${source}|${target}`, source, target, label, time: link.first_ms }, classes: paid ? "paid" : "" };
  }

  const elements = ring.members.map((member) => nodeOf(member, { frauds: member.frauds, hops: member.hops, start: idOf(member) === idOf(ring.start) ? 1 : 0 }));
  const seen = new Set();
  for (const link of [...ring.links, ...ring.payments]) {
    const edge = edgeOf(link);
    if (!seen.has(edge.data.id)) elements.push(edge);
    seen.add(edge.data.id);
  }
  const large = ring.members.length > 300;

  function style() {
    return [
      { selector: "node", style: { shape: "data(shape)", "background-color": color("muted"), label: large ? "" : "data(label)", color: color("text"), "font-size": 10, width: 18, height: 18, "text-valign": "bottom", "text-margin-y": 3 } },
      { selector: "node[start = 1]", style: { "border-width": 3, "border-color": color("accent"), width: 26, height: 26, label: "data(label)" } },
      { selector: "node[frauds > 0]", style: { "background-color": color("decline") } },
      { selector: "edge", style: { width: 1, "line-color": color("line"), "curve-style": large ? "haystack" : "bezier" } },
      { selector: "edge.paid", style: { "curve-style": large ? "straight" : "bezier", "target-arrow-shape": "triangle", "target-arrow-color": color("review"), "line-color": color("review"), label: large ? "" : "data(label)", "font-size": 9, color: color("muted") } },
      { selector: ".later", style: { display: "none" } },
    ];
  }

  const layout = { name: large ? "concentric" : "cose", animate: false, concentric: (node) => -node.data("hops"), padding: 24 };
  const drawing = cytoscape({ container: box, elements, style: style(), layout, textureOnViewport: large, hideEdgesOnViewport: large, minZoom: 0.05, maxZoom: 4 });
  new MutationObserver(() => drawing.style(style())).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });

  drawing.on("onetap", "node", async (event) => {
    const node = event.target;
    const answer = await fetch(`/graph-neighbours/${node.data("kind")}/${encodeURIComponent(node.data("name"))}`);
    if (!answer.ok) return;
    const added = drawing.collection();
    const found = await answer.json();
    for (const link of found.links) {
      for (const end of [link.source, link.target]) {
        if (drawing.getElementById(idOf(end)).empty() && drawing.nodes().length < MOST) {
          added.merge(drawing.add({ ...nodeOf(end, { frauds: 0, start: 0 }), position: { x: node.position("x") + 60 * Math.cos(added.length), y: node.position("y") + 60 * Math.sin(added.length) } }));
        }
      }
      const edge = edgeOf(link);
      const whole = [edge.data.source, edge.data.target].every((id) => drawing.getElementById(id).nonempty());
      if (whole && drawing.getElementById(edge.data.id).empty()) drawing.add(edge);
    }
    const name = `${node.data("kind")} ${node.data("name")}`;
    document.getElementById("ring-more").textContent =
      drawing.nodes().length >= MOST ? `The drawing is full: it shows at most ${MOST.toLocaleString("en")} nodes.`
        : found.cut.length ? `Of ${name}, only the newest links are drawn: there are more of ${found.cut.join(", ")}.` : "";
  });
  drawing.on("dbltap", "node", (event) => {
    window.location.href = inZone(`/graph/${event.target.data("kind")}/${encodeURIComponent(event.target.data("name"))}`);
  });

  const slider = document.getElementById("ring-until"), text = document.getElementById("ring-until-text");
  const times = [...ring.links, ...ring.payments].map((link) => link.first_ms);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  function until() {
    const moment = times.length ? first + ((last - first) * slider.value) / 100 : 0;
    text.textContent = times.length ? `${new Date(moment).toISOString().slice(0, 16).replace("T", " ")} UTC` : "";
    drawing.batch(() => drawing.edges().forEach((edge) => edge.toggleClass("later", edge.data("time") > moment)));
  }
  slider.addEventListener("input", until);
  until();
  document.getElementById("ring-fit").addEventListener("click", () => drawing.fit(undefined, 24));
});
