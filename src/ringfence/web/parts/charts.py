"""Charts of models: what is drawn, its legend, and the same as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from ringfence.learning.measures.curves import SCORE_BINS
from ringfence.web.parts.rendering import number, when

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.learning.measures.curves import Curve, Curves
    from ringfence.learning.watching.drift import Day
    from ringfence.scoring.artifacts.manifest import Bands

COLOURS: Final = ("accent", "review", "approve", "decline", "challenge")
_ROWS: Final = 12  # of a chart's table
_LEAST: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Chart:
    """`kind` and `points` are for the script that draws; `legend` pairs names with colours."""

    title: str
    label: str
    kind: str
    points: str
    head: list[str]
    rows: list[list[str]]
    legend: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Named:
    """Curves under a name, in a colour of the style sheet."""

    name: str
    colour: str
    curves: Curves


def charts_of(named: Sequence[Named], bands: Bands | None = None) -> list[Chart]:
    """Everything that curves show, each chart with all of these; `bands` are marked among the scores."""
    share = {"low": 0, "high": 1}
    rate = {"low": _LEAST, "high": 1, "log": True}
    return [
        _lines(named, "precision", "Precision by recall", ("recall", share), ("precision", share)),
        _lines(named, "roc", "ROC", ("false-positive rate", rate), ("recall", share)),
        _lines(
            named,
            "value",
            "Fraud value caught vs false positives",
            ("false positives per fraud", {"low": 0.01, "high": 100, "log": True}),
            ("fraud value caught", share),
        ),
        _calibration(named),
        _scores(named, bands),
        _cost(named),
    ]


def _lines(
    named: Sequence[Named],
    what: str,
    title: str,
    x: tuple[str, dict[str, Any]],
    y: tuple[str, dict[str, Any]],
) -> Chart:
    drawn = [(one, getattr(one.curves, what)) for one in named]
    lines = [{"color": one.colour, "x": curve.x, "y": curve.y} for one, curve in drawn]
    return _chart(title, "curves", {"x": x[1], "y": y[1], "lines": lines}, (x[0], y[0]), drawn)


def _calibration(named: Sequence[Named]) -> Chart:
    drawn = [(one, one.curves.calibration) for one in named]
    least = min([max(min([*c.x, *[y for y in c.y if y > 0]]) / 2, 1e-6) for _, c in drawn], default=_LEAST)
    lines: list[dict[str, Any]] = [{"color": "muted", "x": [least, 1], "y": [least, 1], "dash": [4, 4]}]
    lines += [
        {"color": one.colour, "x": c.x, "y": [max(y, least) for y in c.y], "dots": True} for one, c in drawn
    ]
    axis = {"low": least, "high": 1, "log": True}
    told = ("probability told", "share that was fraud")
    return _chart("Calibration", "curves", {"x": axis, "y": axis, "lines": lines}, told, drawn)


def _cost(named: Sequence[Named]) -> Chart:
    drawn = [(one, one.curves.cost) for one in named]
    high = max([max(curve.x) for _, curve in drawn], default=1.0)
    top = max([max(curve.y) for _, curve in drawn], default=1.0)
    low = max(min([min([x for x in c.x if x > 0], default=1.0) for _, c in drawn], default=1.0), 1e-2)
    lines = [{"color": one.colour, "x": c.x[1:], "y": c.y[1:]} for one, c in drawn]
    points = {
        "x": {"low": low, "high": max(high, 2 * low), "log": True},
        "y": {"low": 0, "high": 1.05 * top},
        "lines": lines,
    }
    return _chart(
        "Cost of a day by reviews", "curves", points, ("payments reviewed a day", "cost a day"), drawn
    )


def _scores(named: Sequence[Named], bands: Bands | None) -> Chart:
    """Of the last of them: good payments and frauds by probability."""
    curves = named[-1].curves
    marks = (
        []
        if bands is None
        else [
            {"at": at, "color": name}
            for name, at in (
                ("challenge", bands.challenge_at),
                ("review", bands.review_at),
                ("decline", bands.decline_at),
            )
            if at is not None
        ]
    )
    edges = np.arange(SCORE_BINS + 1) / SCORE_BINS
    rows = [
        [f"{low:.2f} to {high:.2f}", number(good), number(fraud)]
        for low, high, good, fraud in zip(edges, edges[1:], curves.good, curves.fraud, strict=False)
    ]
    legend = [("good payments", "approve"), ("frauds", "decline")]
    return Chart(
        f"Scores{f', {named[-1].name}' if len(named) > 1 else ''}",
        "Payments by probability, counts on a logarithmic scale, thresholds as lines",
        "scores",
        _json({"good": curves.good, "fraud": curves.fraud, "marks": marks}),
        ["probability", "good payments", "frauds"],
        rows,
        legend,
    )


def drift_chart(days: Sequence[Day], worst: Sequence[str]) -> Chart:
    """Stability of the score and of the inputs that moved most, by day."""
    series = [("score", [day.score for day in days])]
    series += [(name, [day.inputs[name] for day in days]) for name in worst]
    lines = [
        {"name": name, "color": COLOURS[at % len(COLOURS)], "values": [round(v, 4) for v in values]}
        for at, (name, values) in enumerate(series)
    ]
    rows = [
        [when(day.day_ms)[:10], number(day.payments), *(number(values[at], 3) for _, values in series)]
        for at, day in enumerate(days)
    ]
    return Chart(
        "Drift by day",
        "Population stability index by day, of the score and of the inputs that moved most",
        "lines",
        _json({"time": [day.day_ms / 1000 for day in days], "lines": lines}),
        ["day", "payments", *(name for name, _ in series)],
        rows[::-1],
        [(str(line["name"]), str(line["color"])) for line in lines],
    )


def _chart(
    title: str,
    kind: str,
    points: dict[str, Any],
    axes: tuple[str, str],
    drawn: Sequence[tuple[Named, Curve]],
) -> Chart:
    rows = [
        [*([one.name] if len(drawn) > 1 else []), f"{x:.4g}", f"{y:.4g}"]
        for one, curve in drawn
        for x, y in _few(curve)
    ]
    return Chart(
        title,
        f"{title}: {axes[1]} by {axes[0]}",
        kind,
        _json(points | {"titles": axes}),
        [*(["of"] if len(drawn) > 1 else []), *axes],
        rows,
        [(one.name, one.colour) for one, _ in drawn] if len(drawn) > 1 else [],
    )


def _few(curve: Curve) -> list[tuple[float, float]]:
    keep = np.unique(np.linspace(0, len(curve.x) - 1, min(len(curve.x), _ROWS)).astype(int))
    return [(curve.x[at], curve.y[at]) for at in keep]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
