"""`ringfence evaluate`: how good a model is on a history, beside the rules and another model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from ringfence.cli.learning.histories import WantedHistory
from ringfence.cli.learning.scoring import model_named, scored_by
from ringfence.cli.learning.train import show_figures
from ringfence.cli.terminal import options, screen
from ringfence.errors import InputError
from ringfence.features.durations import parse_duration_ms
from ringfence.learning.data.splits import Part, part
from ringfence.learning.evaluate import Contestant, figures
from ringfence.learning.measures.money import outcomes_of

if TYPE_CHECKING:
    from ringfence.cli.learning.scoring import ScoredData
    from ringfence.learning.data.dataset import Dataset

Model = Annotated[
    str, typer.Argument(help="Folder of a model, or its version or name in the registry.", metavar="MODEL")
]


def evaluate(
    model: Model,
    sources: options.LogOrSources = None,
    data: options.Data = None,
    mapping: options.Mapping = None,
    rules: options.Rules = None,
    label_delay: options.LabelDelay = None,
    labels: options.Labels = None,
    labels_mapping: options.LabelsMapping = None,
    fmt: options.SourceFormat = None,
    against: Annotated[
        str | None, typer.Option(help="Another model to compare with, on the same payments.", metavar="MODEL")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Start of the period. [default: after the model's last label]", metavar="TIME"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="End of the period. [default: the last mature labels]", metavar="TIME")
    ] = None,
    maturity: Annotated[
        str | None,
        typer.Option(help="How long labels take to arrive. [default: as observed]", metavar="DURATION"),
    ] = None,
    drop_known_victims: Annotated[
        bool,
        typer.Option("--drop-known-victims", help="Leave out entities with a fraud already known."),
    ] = False,
    json: options.Json = False,
) -> None:
    """Evaluate a model: ranking, money and outcomes with 95 % intervals, compared with rules alone.

    Features are measured anew over the whole history, as the model defines them. Payments whose label may
    still come are left out.

    Example: ringfence evaluate models/first payments.parquet --mapping handbook
    """
    wanted = WantedHistory(
        sources or [],
        data,
        mapping,
        label_delay,
        fmt,
        rules=rules,
        labels=labels or [],
        labels_mapping=labels_mapping,
    )
    first = scored_by(model_named(model, data), wanted, "measuring")
    period = period_of(first, since, until, maturity, drop_known=drop_known_victims)
    contestants = {"model": contestant(first, period)}
    if first.data.points is not None and first.data.outcome is not None:
        contestants["rules"] = Contestant(first.data.points[period.rows], first.data.outcome[period.rows])
    if against is not None:
        other = scored_by(model_named(against, data), wanted, "measuring for the other model")
        contestants[other.artifact.manifest.name + " " + other.artifact.digest] = contestant(other, period)
    measured = figures(first.data, period, contestants, first.artifact.manifest.costs)
    if json:
        screen.show_json(
            {
                "version": first.artifact.digest,
                "payments": len(period.rows),
                "frauds": int(period.fraud.sum()),
                "since": screen.format_time(period.start_ms),
                "until": screen.format_time(period.end_ms),
                "metrics": measured,
            }
        )
        return
    screen.show(
        f"{len(period.rows):,} payments with {int(period.fraud.sum()):,} frauds, "
        f"{screen.format_time(period.start_ms)} to {screen.format_time(period.end_ms)}",
        "bold",
    )
    learned = first.artifact.manifest.spans.get("train")
    if learned is not None and period.start_ms < learned.end_ms:
        screen.say("Some of these payments were learned from: --since leaves them out")
    show_figures(measured)


def period_of(
    scored: ScoredData,
    since: str | None = None,
    until: str | None = None,
    maturity: str | None = None,
    *,
    drop_known: bool = False,
) -> Part:
    """Payments with mature labels, after the model's last unless said. `InputError` without both kinds."""
    data = scored.data
    wait_ms = data.maturity_ms if maturity is None else parse_duration_ms(maturity)
    start_ms = options.parse_time_ms(since, "--since")
    if start_ms is None:
        start_ms = scored.artifact.manifest.label_cut_off_ms
        if not (data.time_ms >= start_ms).any():
            start_ms = int(data.time_ms.min())
    known_until_ms = latest_label_ms(data)
    end_ms = options.parse_time_ms(until, "--until") or known_until_ms - wait_ms + 1
    found = part(data, start_ms, end_ms, known_until_ms, without_known_victims=drop_known)
    if not len(found.rows):
        raise InputError(
            "no payment of this period has a label that has had time to come: take a longer history, "
            "an earlier --since, or a shorter --maturity"
        )
    if not found.fraud.any() or found.fraud.all():
        raise InputError(
            f"{int(found.fraud.sum()):,} of {len(found.rows):,} payments of this period are known to be "
            "fraud: a ranking needs both kinds. Check the labels, or take a longer period"
        )
    return found


def latest_label_ms(data: Dataset) -> int:
    """When the last thing became known: the last payment, or a later report of fraud."""
    known = data.fraud_known_ms[data.fraud_known_ms < np.iinfo(np.int64).max]
    return max(int(data.time_ms.max()), int(known.max(initial=0)))


def contestant(scored: ScoredData, period: Part) -> Contestant:
    """The model on these payments, with the outcomes of its bands."""
    probability = scored.probability[period.rows]
    return Contestant(probability, outcomes_of(probability, scored.artifact.manifest.bands))
