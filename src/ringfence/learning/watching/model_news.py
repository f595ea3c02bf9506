"""News of models as events of the log: of one that fell behind, and of one that was trained anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
import pyarrow as pa

from ringfence.learning.watching.drift_alerts import append_once, rows_of_topic
from ringfence.ports import MODEL_NEWS
from ringfence.scoring.artifacts.manifest import Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.decisions.impact import Impact
    from ringfence.learning.watching.standing import Standing
    from ringfence.ports import EventLog

NEWS_SCHEMA: Final = pa.schema(
    [
        ("event_id", pa.string()),
        ("found_ms", pa.int64()),
        ("news", pa.string()),
        ("model", pa.string()),
        ("against", pa.string()),
        ("since_ms", pa.int64()),
        ("measure", pa.string()),
        ("value", pa.float64()),
        ("other", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("payments", pa.int64()),
        ("frauds", pa.int64()),
        ("changed", pa.float64()),
        ("note", pa.string()),
    ]
)
WEAKENED: Final = "weakened"
PROPOSED: Final = "proposed"
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


class ModelNews(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model in force that is no better than another any more, or a new one that waits to be put in force.

    Attributes:
        against: `chance`, `rules`, or the digest of another model; empty where there is none.
        value: of the measure, the model's own; `other`, the other one's; `low` and `high` are the interval of
            the difference.
        payments: on which both were measured, with so many `frauds`.
        changed: share of recent payments that would have another outcome, of a model that is proposed.
    """

    news: Literal["weakened", "proposed"]
    model: str
    against: str
    since_ms: Count
    measure: str
    value: float | None
    other: float | None
    low: float | None
    high: float | None
    payments: Count
    frauds: Count
    changed: float | None = None
    note: str = ""

    @property
    def event_id(self) -> str:
        """The same however often it is found.

        >>> ModelNews("weakened", "3f2a", "rules", 86_400_000, "auc", .5, .6, -.2, -.1, 9, 4).event_id
        'weakened-3f2a-rules-1'
        """
        return f"{self.news}-{self.model}-{self.against}-{self.since_ms // 86_400_000}"


class Proposal(msgspec.Struct, frozen=True):
    """A model that was trained on schedule.

    Attributes:
        model: its digest; it is kept in the registry.
        name: what it is called.
        against: the champion at that time, empty without one.
        gain: how much more average precision it has than the champion on payments that neither knew.
        state: of the comparison, as of `standing.Rivalry`, or why there is none.
        problems: what its own training has against it.
    """

    model: str
    name: str
    made_ms: int
    against: str
    value: float | None = None
    other: float | None = None
    gain: Metric = Metric(None)
    state: str = "no champion to compare with"
    payments: int = 0
    frauds: int = 0
    problems: tuple[str, ...] = ()

    @property
    def is_better(self) -> bool:
        """Whether it may be put in force by itself: sound, and beyond chance better than the champion."""
        return not self.problems and (self.state == "above" or not self.against)


def weakened(found: Standing) -> list[ModelNews]:
    """What a model has fallen below."""
    return [
        ModelNews(
            WEAKENED,
            found.model,
            one.against,
            one.since_ms or found.measured_ms,
            one.measure,
            one.value,
            one.other,
            one.gain.low,
            one.gain.high,
            found.payments,
            found.frauds,
        )
        for one in found.weakened
    ]


def proposed(one: Proposal, sheet: Impact | None, note: str = "") -> ModelNews:
    """A proposal with the share of payments that it would change, as far as that is known."""
    note = "; ".join(filter(None, [*(one.problems or [one.state]), note]))
    return ModelNews(
        PROPOSED,
        one.model,
        one.against,
        one.made_ms,
        "average_precision",
        one.value,
        one.other,
        one.gain.low,
        one.gain.high,
        one.payments,
        one.frauds,
        None if sheet is None else sheet.share,
        note,
    )


def told_of(log: EventLog, news: str) -> frozenset[str]:
    """Digests of the models of which the log holds news of this kind."""
    return frozenset(
        row["model"] for batch in log.read(MODEL_NEWS) for row in rows_of_topic(batch) if row["news"] == news
    )


def record_news(log: EventLog, news: Sequence[ModelNews], now_ms: int) -> list[ModelNews]:
    """Append what the log does not hold yet, durable on return; returns it."""
    fresh = append_once(
        log,
        MODEL_NEWS,
        NEWS_SCHEMA,
        {one.event_id: {**msgspec.structs.asdict(one), "found_ms": now_ms} for one in news},
        [one.since_ms for one in news],
    )
    return [one for one in news if one.event_id in fresh]
