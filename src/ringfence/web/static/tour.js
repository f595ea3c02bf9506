// Five steps through the pages, for who sees them for the first time: `?tour=1` begins.
"use strict";

const TOUR = [
  { path: "/home?as=analyst", title: "Work the queue", text: "Payments that were declined or sent to review wait here as cases, the most urgent first. j and k move, Enter opens." },
  { path: "/cases", follow: "table[data-rows] tbody a", title: "Decide a case", text: "One sentence says why. The strip compares the payment with what is usual. f confirms fraud, g closes it as genuine, n takes the next case." },
  { path: "/rules/lab", title: "Write a rule", text: "While you write, the rule is tried on the last 90 days: what it stops, how precise it is, what it costs. It begins in shadow, without effect." },
  { path: "/rules", title: "See what a change would do", text: "Open a rule for its history. Each change shows an impact sheet first; a large one asks you to confirm it." },
  { path: "/home?as=manager", title: "See what it saves", text: "Fraud stopped and missed, beside the period before. Each figure shows the SQL that it comes from." },
];

function tourStep() {
  const step = Number(new URLSearchParams(location.search).get("tour"));
  return Number.isInteger(step) && step >= 1 && step <= TOUR.length ? step : 0;
}

function tourAddress(step) {
  const { path } = TOUR[step - 1];
  return `${path}${path.includes("?") ? "&" : "?"}tour=${step}`;
}

document.addEventListener("DOMContentLoaded", () => {
  const step = tourStep();
  if (!step) return;
  const one = TOUR[step - 1];
  const [path] = one.path.split("?");
  if (location.pathname !== path && !one.follow) {
    location.replace(tourAddress(step));
    return;
  }
  const link = one.follow && location.pathname === path ? document.querySelector(one.follow) : null;
  if (link) {
    location.replace(`${link.getAttribute("href")}?tour=${step}`);
    return;
  }
  const box = element("aside", "tour");
  box.setAttribute("aria-label", "Tour");
  const actions = element("p", "actions");
  const go = (text, href, kind) => {
    const made = element("a", `button ${kind}`, text);
    made.href = href;
    actions.append(made);
  };
  if (step < TOUR.length) go("Next step", tourAddress(step + 1), "primary");
  if (step > 1) go("Back", tourAddress(step - 1), "");
  go(step < TOUR.length ? "End the tour" : "Done", location.pathname, "");
  box.append(element("p", "note", `Step ${step} of ${TOUR.length}`), element("h2", "", one.title), element("p", "", one.text), actions);
  document.body.append(box);
});
