"""Two models on the same payments of a data folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.cli.learning.evaluate import contestant, period_of
from ringfence.cli.learning.histories import WantedHistory
from ringfence.cli.learning.scoring import scored_by
from ringfence.cli.terminal import screen
from ringfence.learning.evaluate import figures, gained
from ringfence.learning.watching.standing import FEWEST_FRAUDS

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.scoring.artifacts.artifact import Artifact
    from ringfence.scoring.artifacts.manifest import Metric


def compare_on_log(one: Artifact, other: Artifact, data: Path | None, *, json: bool) -> None:
    """Compare two models over the log, with intervals for the differences."""
    found = [
        scored_by(each, WantedHistory([], data), f"measuring for {each.manifest.name}")
        for each in (one, other)
    ]
    latest = max(found, key=lambda each: each.artifact.manifest.label_cut_off_ms)
    period = period_of(latest)
    names = [f"{each.manifest.name} {each.digest}" for each in (one, other)]
    first, second = contestant(found[0], period), contestant(found[1], period)
    costs = one.manifest.costs
    measured = figures(found[0].data, period, dict(zip(names, (first, second), strict=True)), costs)
    gain = gained(found[0].data, period, first, second, costs)
    if json:
        screen.show_json(
            {
                "payments": len(period.rows),
                "frauds": int(period.fraud.sum()),
                "since": screen.format_time(period.start_ms),
                "until": screen.format_time(period.end_ms),
                "metrics": measured,
                "difference": gain,
            }
        )
        return
    screen.show(
        f"{len(period.rows):,} payments of the log with {int(period.fraud.sum()):,} frauds, "
        f"{screen.format_time(period.start_ms)} to {screen.format_time(period.end_ms)}",
        "bold",
    )
    if any(period.start_ms < each.manifest.label_cut_off_ms for each in (one, other)):
        screen.say("Some of these payments were known to a model when it was trained: that flatters it")
    rows = [(name, *(_figure(measured[who][name]) for who in names), _figure(gain[name])) for name in gain]
    columns = [*names, "difference"]
    screen.show_table(["metric", *columns], rows, columns)
    frauds = int(period.fraud.sum())
    if frauds < FEWEST_FRAUDS:
        screen.show(
            f"Beyond chance: nothing can be told from {frauds} frauds, at least {FEWEST_FRAUDS} are needed"
        )
        return
    sure = [n for n, metric in gain.items() if _is_sure(metric) and not n.startswith("share_")]
    screen.show(f"Beyond chance: {', '.join(sure) or 'nothing'}")


def _figure(metric: Metric) -> str:
    if metric.value is None:
        return ""
    if metric.low is None or metric.high is None:
        return f"{metric.value:.4g}"
    return f"{metric.value:.4g} ({metric.low:.4g} to {metric.high:.4g})"


def _is_sure(metric: Metric) -> bool:
    return metric.low is not None and metric.high is not None and (metric.low > 0 or metric.high < 0)
