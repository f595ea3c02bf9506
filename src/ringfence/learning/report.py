"""The report of a training as one HTML file that needs nothing else: no script, no network."""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from ringfence.learning.artifact import UNAPPRAISED
from ringfence.learning.evaluate import taken_by
from ringfence.learning.measures.calibrate import reliability
from ringfence.learning.measures.chart import Axis, ChartLine, bar_chart, line_chart, shares_chart
from ringfence.learning.measures.metrics import DAY_MS, Ranking, card_precision
from ringfence.learning.measures.money import cost_curve
from ringfence.scoring.language.words import percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.learning.artifact import ModelOrigin
    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.data.splits import Part
    from ringfence.learning.evaluate import Contestant
    from ringfence.learning.train import Trained
    from ringfence.scoring.artifacts.manifest import Appraisal, Metric

_STYLES = {"model": "main", "rules": "warm", "logistic": "other", "isolation_forest": "faint"}


def report(
    trained: Trained,
    data: Dataset,
    origin: ModelOrigin,
    contestants: Mapping[str, Contestant],
    found: Mapping[str, Mapping[str, Metric]],
    appraisal: Appraisal = UNAPPRAISED,
) -> bytes:
    """The page; `found` holds the figures of the contestants by name."""
    part = trained.test
    rankings = {name: _ranking(data, part, one) for name, one in contestants.items()}
    charts = _curves(rankings) if part.fraud.any() else ""
    page = resources.files("ringfence.learning").joinpath("report.html").read_text("utf-8")
    filled = {
        "name": escape(origin.name),
        "about": _about(trained, origin),
        "appraisal": _appraisal(appraisal),
        "cards": _cards(found["model"]),
        "table": _table(found),
        "charts": charts
        + _own(rankings["model"], trained)
        + shares_chart("What moves the score", trained.importance),
        "bands": _bands(trained, found),
        "notes": "".join(f"<li>{escape(note)}</li>" for note in trained.notes),
        "parameters": escape(
            ", ".join(f"{key} {_number(value)}" for key, value in trained.parameters.items())
        ),
        "command": escape(origin.command),
        "inputs": escape(", ".join(trained.inputs)),
    }
    for key, value in filled.items():
        page = page.replace("{{" + key + "}}", value)
    return page.encode()


def _appraisal(appraisal: Appraisal) -> str:
    problems = "".join(
        f'<p class="problem">Not worth promoting: {escape(one)}.</p>' for one in appraisal.problems
    )
    warnings = "".join(f'<p class="warning">{escape(one)}.</p>' for one in appraisal.warnings)
    return problems + warnings


def _ranking(data: Dataset, part: Part, one: Contestant) -> Ranking:
    rows = part.rows
    return Ranking.of(one.score, part.fraud, data.amount[rows], data.entity[rows], data.time_ms[rows])


def _curves(rankings: Mapping[str, Ranking]) -> str:
    """Each contestant in the same four charts."""
    precision, roc, value, daily = [], [], [], []
    for name, one in rankings.items():
        style = _STYLES.get(name, "other")
        frauds = np.cumsum(one.fraud)[one.ends]
        good = one.ends + 1 - frauds
        recall = frauds / max(frauds[-1], 1)
        precision.append(ChartLine(recall, frauds / (frauds + good), name, style))
        roc.append(ChartLine(good / max(good[-1], 1), recall, name, style))
        lost = np.cumsum(one.fraud * one.amount)[one.ends]
        value.append(ChartLine(good / max(frauds[-1], 1), lost / max(lost[-1], 1e-9), name, style))
        found = card_precision(one)
        daily.append(ChartLine(np.arange(1.0, len(found) + 1), found, name, style, dots=len(found) < 40))
    days = max(len(line.x) for line in daily)
    highest = max(float(line.y.max(initial=0.01)) for line in daily)
    return (
        line_chart("Precision and recall", precision, Axis("recall", 0, 1), Axis("precision", 0, 1))
        + line_chart("ROC", roc, Axis("false-positive rate", 1e-4, 1, log=True), Axis("recall", 0, 1))
        + line_chart(
            "Fraud value caught vs false positives",
            value,
            Axis("false positives per fraud", 0.01, 100, log=True),
            Axis("fraud value caught", 0, 1),
        )
        + line_chart(
            "Card precision@100 by day", daily, Axis("day of the test", 1, max(days, 2)), Axis("", 0, highest)
        )
    )


def _own(ranking: Ranking, trained: Trained) -> str:
    """Charts of the model alone."""
    edges = np.linspace(0, 1, 31)
    heights = []
    for wanted in (False, True):
        counts, _ = np.histogram(ranking.score[ranking.fraud == wanted], edges)
        heights.append(counts / max(counts.sum(), 1))
    score = bar_chart(
        "Scores of the test part",
        edges,
        [ChartLine(edges, heights[0], "good", "faint"), ChartLine(edges, heights[1], "fraud", "warm")],
        Axis("score", 0, 1),
        Axis("share (log)", 1e-4, 1, log=True),
    )
    if trained.plan.algorithm == "isolation_forest":
        return score
    points = reliability(ranking.score, ranking.fraud)
    told, seen = np.array([one[0] for one in points]), np.array([one[1] for one in points])
    least = max(min(told.min(), seen[seen > 0].min(initial=1.0)) / 2, 1e-5)
    diagonal = ChartLine(np.array([least, 1.0]), np.array([least, 1.0]), "as told", "faint")
    calibration = line_chart(
        "Calibration",
        [diagonal, ChartLine(told, np.maximum(seen, least), "as it was", "main", dots=True)],
        Axis("probability told", least, 1, log=True),
        Axis("share that was fraud", least, 1, log=True),
    )
    k, cost = cost_curve(trained.later, trained.plan.costs)
    days = max(len(np.unique(trained.later.time_ms // DAY_MS)), 1)
    money = line_chart(
        "Cost by number of reviews, on the later windows",
        [ChartLine(k[1:] / days, cost[1:] / days)],
        Axis("payments reviewed per day", max(k[1] / days, 0.1), max(k[-1] / days, 1), log=True),
        Axis("cost per day", 0, float(cost.max() / days) or 1.0),
    )
    return calibration + score + money


def _about(trained: Trained, origin: ModelOrigin) -> str:
    train, test = trained.train.span, trained.test.span
    return escape(
        f"{trained.plan.algorithm} over {len(trained.inputs)} inputs, made {origin.created_at}. Learned "
        f"from {train.rows:,} payments with {train.frauds:,} frauds, {_day(train.start_ms)} to "
        f"{_day(train.end_ms)}, labels as known on {_day(trained.train.cut_off_ms)}; tested on "
        f"{test.rows:,} payments with {test.frauds:,} frauds, {_day(test.start_ms)} to {_day(test.end_ms)}."
    )


def _cards(found: Mapping[str, Metric]) -> str:
    shown = {
        "average_precision": "average precision",
        "auc": "AUC",
        "card_precision_100": "card precision@100",
        "recall_at_fpr_0.001": "recall at 0.1 % false positives",
        "value_detected_at_bands": "fraud value detected",
        "precision_at_bands": "precision of alerts",
    }
    cards = []
    for name, title in shown.items():
        one = found.get(name)
        if one is not None and one.value is not None:
            span = "" if one.low is None else f"{one.low:.3f} to {one.high:.3f}"
            cards.append(f"<div><b>{one.value:.3f}</b><span>{title}</span><small>{span}</small></div>")
    return "".join(cards)


def _table(found: Mapping[str, Mapping[str, Metric]]) -> str:
    names = list(dict.fromkeys(name for each in found.values() for name in each))
    head = "".join(f"<th>{escape(who)}</th>" for who in found)
    rows = []
    for name in names:
        cells = "".join(f"<td>{_cell(each.get(name))}</td>" for each in found.values())
        rows.append(f"<tr><th>{escape(name.replace('_', ' '))}</th>{cells}</tr>")
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cell(one: Metric | None) -> str:
    if one is None or one.value is None:
        return ""
    span = "" if one.low is None else f"<small>{one.low:.3f} to {one.high:.3f}</small>"
    return f"{one.value:.4f}{span}"


def _bands(trained: Trained, found: Mapping[str, Mapping[str, Metric]]) -> str:
    """What each outcome takes of the test part, and what that costs there."""
    head = (
        "<tr><th></th><th>probability</th><th>payments</th><th>share</th><th>a day</th><th>frauds</th></tr>"
    )
    rows = "".join(
        f"<tr><th>{one.outcome}</th><td>{'' if one.at is None else f'from {percent(one.at)}'}</td>"
        f"<td>{one.payments:,}</td><td>{one.share:.2%}</td><td>{one.per_day:,.1f}</td>"
        f"<td>{one.frauds:,}</td></tr>"
        for one in taken_by(trained)
    )
    costs = trained.plan.costs
    spent, part = found["model"].get("expected_cost_per_payment"), trained.test
    told = (
        f"<p>A payment of the test part costs {spent.value:.3f} with these outcomes. Assumed: review "
        f"{costs.review:g}, a good customer declined {costs.insult:g}, challenge {costs.challenge:g}, a "
        "missed fraud its amount.</p>"
        if spent is not None and spent.value is not None and part.fraud.any()
        else ""
    )
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{told}"


def _day(ms: int) -> str:
    return str(np.datetime64(ms, "ms").astype("datetime64[D]"))


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
