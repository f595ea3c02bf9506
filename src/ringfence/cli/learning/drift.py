"""`ringfence drift`: whether payments still look as they did when a model was trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
import typer

from ringfence.cli.backends.server_questions import ask
from ringfence.cli.learning.evaluate import Model, latest_label_ms
from ringfence.cli.learning.histories import WantedHistory
from ringfence.cli.learning.models import Key, Url
from ringfence.cli.learning.scoring import model_named, scored_by
from ringfence.cli.terminal import options, screen
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.store import open_store
from ringfence.errors import InputError, InUseError
from ringfence.features.durations import parse_duration_ms
from ringfence.learning.watching.drift import Day, DriftReference, by_day
from ringfence.learning.watching.drift_alerts import SCORE, DriftAlert, alerts_of, drifted, record
from ringfence.ports import DRIFT
from ringfence.scoring.artifacts.manifest import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.cli.learning.scoring import ScoredData

EXIT_DRIFTED = 5


def drift(
    model: Model,
    sources: options.LogOrSources = None,
    data: options.Data = None,
    mapping: options.Mapping = None,
    label_delay: options.LabelDelay = None,
    labels: options.Labels = None,
    labels_mapping: options.LabelsMapping = None,
    fmt: options.SourceFormat = None,
    since: Annotated[str | None, typer.Option(help="First day shown.", metavar="TIME")] = None,
    maturity: Annotated[
        str,
        typer.Option(
            help="How long labels take to arrive: only earlier days show recall.", metavar="DURATION"
        ),
    ] = "7d",
    threshold: Annotated[
        float, typer.Option(help="Stability index from which a day of an input or the score alerts.", min=0)
    ] = 0.25,
    min_payments: Annotated[
        int, typer.Option(help="Leave out days with fewer payments than this.", min=1)
    ] = 100,
    metrics: Annotated[
        Path | None,
        typer.Option(help="Write the last day as Prometheus metrics.", metavar="FILE.prom"),
    ] = None,
    url: Url = None,
    key: Key = None,
    json: options.Json = False,
) -> None:
    """Compare every day with the training data: stability of the score and of each input, nulls, recall.

    An index below 0.1 is nothing, from 0.25 on the model no longer sees what it was trained on. Exit code 5
    says that the last day has the score or an input at or above the threshold.

    Of a data folder, what is over the threshold becomes alerts in the topic drift of its log, one per input
    and day however often it is found; while a server has the folder open, --url lets the server write them.

    Example: ringfence drift models/first payments.parquet --mapping handbook
    """
    artifact = model_named(model, data)
    if REFERENCE not in artifact.files:
        raise InputError("this model has no reference.json to compare with: train it again")
    reference = DriftReference.from_json(artifact.files[REFERENCE])
    wanted = WantedHistory(
        sources or [],
        data,
        mapping,
        label_delay,
        fmt,
        labels=labels or [],
        labels_mapping=labels_mapping,
    )
    scored = scored_by(artifact, wanted, "measuring")
    mature_ms = latest_label_ms(scored.data) - parse_duration_ms(maturity)
    review_at = artifact.manifest.bands.review_at
    days = by_day(reference, scored.data, scored.probability, review_at, mature_ms, min_payments)
    start_ms = options.parse_time_ms(since, "--since")
    days = [day for day in days if start_ms is None or day.day_ms >= start_ms]
    if not days:
        raise InputError(
            f"no day has {min_payments} payments to compare: take a longer history, or a lower --min-payments"
        )
    if metrics is not None:
        metrics.write_text(prometheus(artifact.digest, days[-1], quality(scored)), "utf-8")
    alerts = alerts_of(artifact.digest, days, threshold)
    if url is not None:
        _say_recorded(msgspec.convert(ask(url, key, "/v1/drift", {"alerts": alerts}), _Told).alerts)
    elif not sources and alerts:
        _record(options.folder(data), alerts)
    _show(artifact.digest, days, threshold, quality(scored), json=json)
    if drifted(days[-1], threshold):
        raise typer.Exit(EXIT_DRIFTED)


class _Told(msgspec.Struct):
    alerts: list[DriftAlert]


def _record(folder: Path, alerts: list[DriftAlert]) -> None:
    try:
        store = open_store(folder)
    except InUseError:
        screen.say(
            f"{len(alerts)} alerts are not in the log: a server has {folder} open, --url lets it write them"
        )
        return
    with store:
        _say_recorded(record(store.log, alerts, now_ms()))


def _say_recorded(fresh: list[DriftAlert]) -> None:
    if fresh:
        screen.say(f"{len(fresh)} new alerts in the topic {DRIFT} of the log")


def quality(scored: ScoredData) -> dict[str, int]:
    """What is wrong with the data itself: records nobody could read, labels of nothing, unknown amounts."""
    return {
        "unreadable_records": scored.bad,
        "unmatched_labels": scored.data.unmatched,
        "payments_without_amount": int(np.isnan(scored.data.amount).sum()),
        "payments_of_nobody": int((scored.data.entity == 0).sum()),
    }


def prometheus(version: str, day: Day, quality: dict[str, int]) -> str:
    """The day's indices, and the data's counters, in Prometheus' text format."""
    names = {SCORE: day.score, **day.inputs}
    lines = [
        "# HELP ringfence_drift_index Population stability index against the training of the model.",
        "# TYPE ringfence_drift_index gauge",
    ]
    for name, value in names.items():
        label = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'ringfence_drift_index{{model="{version}",input="{label}"}} {value:.6g}')
    for name, count in quality.items():
        lines += [f"# TYPE ringfence_{name} gauge", f"ringfence_{name} {count}"]
    return "\n".join(lines) + "\n"


def _show(
    version: str, days: Sequence[Day], threshold: float, quality: dict[str, int], *, json: bool
) -> None:
    if json:
        told = [
            {
                **msgspec.structs.asdict(day),
                "day": screen.format_time(day.day_ms)[:10],
                "alerts": drifted(day, threshold),
            }
            for day in days
        ]
        screen.show_json({"version": version, "threshold": threshold, "days": told, "quality": quality})
        return
    rows = []
    for day in days:
        worst = max(day.inputs.items(), key=lambda item: item[1], default=("", 0.0))
        rows.append(
            (
                screen.format_time(day.day_ms)[:10],
                day.payments,
                f"{day.score:.3f}",
                f"{worst[1]:.3f} {worst[0]}",
                len([name for name in drifted(day, threshold) if name != SCORE]),
                len(day.null_shares),
                day.frauds,
                None if day.recall is None else f"{day.recall:.2f}",
            )
        )
    columns = ["day", "payments", "score", "worst input", "inputs over", "more nulls", "frauds", "recall"]
    screen.show_table(columns, rows, ["payments", "score", "inputs over", "more nulls", "frauds", "recall"])
    for what, count in quality.items():
        if count:
            screen.show(f"{count:,} {what.replace('_', ' ')}")
    alerts = drifted(days[-1], threshold)
    if alerts:
        said = ", ".join(f"{name} {value:.2f}" for name, value in list(alerts.items())[:6])
        screen.show(f"The last day is over {threshold:g}: {said}", "bold")
