"""The last minutes in figures, and a sample of what is being decided, for whoever watches."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.features.spec import ENTITY_KEYS
from ringfence.scoring.rulesets.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ringfence.decisions.decision import DecisionBatch
    from ringfence.events.batch import EventBatch

SECONDS: Final = 300
SCORE_BINS: Final = 20
_FASTEST_US: Final = 20.0
_PER_OCTAVE: Final = 10  # a percentile is told to within 7 %
_LATENCY_BINS: Final = 180
_SHOWN: Final = ("customer_id", "card_id", "merchant_id", "country", "channel", "currency")
_TOP_RULES: Final = 6


@dataclass(slots=True)
class _Second:
    """What was decided within one second."""

    at: int
    outcomes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(OUTCOMES), np.int64))
    scores: NDArray[np.int64] = field(default_factory=lambda: np.zeros(SCORE_BINS, np.int64))
    latencies: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_LATENCY_BINS, np.int64))
    rules: Counter[str] = field(default_factory=Counter)
    volume: dict[str, float] = field(default_factory=dict)
    degraded: int = 0


class Activity:
    """Takes in every step; any thread may ask. `now` is seconds since 1970."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = Lock()
        self._seconds: deque[_Second] = deque()
        self._listeners: list[SampleListener] = []
        self._latest: float | None = None  # when something was decided
        self.decisions = 0

    def take(self, decisions: DecisionBatch, events: EventBatch) -> None:
        """One step's decisions and the events that led to them."""
        payments = events if events.is_transaction.all() else events.take(events.is_transaction)
        with self._lock:
            self._count(self._current(), decisions, payments)
            self.decisions += len(decisions)
            self._latest = self._now()
            for listener in self._listeners:
                listener.offer(decisions, payments)

    def listen(self, wanted: SampleSieve) -> SampleListener:
        """Somebody watches from now on, until `leave`."""
        listener = SampleListener(wanted)
        with self._lock:
            self._listeners.append(listener)
        return listener

    def leave(self, listener: SampleListener) -> None:
        """Nobody watches there any more."""
        with self._lock:
            self._listeners.remove(listener)

    def sample(self, listener: SampleListener, most: int) -> tuple[int, list[dict[str, Any]]]:
        """How many decisions passed the sieve since the last call, and at most so many of them."""
        with self._lock:
            seen, offered = listener.drain()
        return seen, _chosen(offered, most)

    def figures(self) -> dict[str, Any]:
        """The last five minutes: series by second, totals, percentiles in ms.

        `idle_seconds` have passed since the last decision; None where there was none yet.
        """
        with self._lock:
            now = self._now()
            last, idle = int(now), None if self._latest is None else round(now - self._latest, 1)
            self._forget(last)
            seconds = [second for second in self._seconds if second.at < last]
            rules: Counter[str] = sum((second.rules for second in seconds), Counter())
            volume: dict[str, float] = {}
            for second in seconds:
                for currency, amount in second.volume.items():
                    volume[currency] = volume.get(currency, 0.0) + amount
            series = np.zeros((SECONDS, len(OUTCOMES)), np.int64)
            for second in seconds:
                series[second.at - last + SECONDS] = second.outcomes
            scores = sum((second.scores for second in seconds), np.zeros(SCORE_BINS, np.int64))
            latencies = sum((second.latencies for second in seconds), np.zeros(_LATENCY_BINS, np.int64))
            degraded = sum(second.degraded for second in seconds)
        totals = series.sum(axis=0)
        return {
            "until": last,
            "series": series.T.tolist(),
            "outcomes": totals.tolist(),
            "per_second": round(float(series[-10:].sum()) / 10, 1),
            "scores": scores.tolist(),
            "latency_ms": {name: _percentile(latencies, share) for name, share in _PERCENTILES.items()},
            "rules": rules.most_common(_TOP_RULES),
            "volume": [
                (name, round(amount, 2))
                for name, amount in sorted(volume.items(), key=lambda item: -item[1])[:3]
            ],
            "degraded": degraded,
            "idle_seconds": idle,
        }

    def _current(self) -> _Second:
        at = int(self._now())
        if not self._seconds or self._seconds[-1].at < at:
            self._seconds.append(_Second(at))
            self._forget(at)
        return self._seconds[-1]

    def _forget(self, now: int) -> None:
        while self._seconds and self._seconds[0].at < now - SECONDS:
            self._seconds.popleft()

    def _count(self, second: _Second, decisions: DecisionBatch, payments: EventBatch) -> None:
        second.outcomes += np.bincount(decisions.outcomes, minlength=len(OUTCOMES))
        bins = (decisions.numbers("score") * (SCORE_BINS / 100)).astype(np.int64)
        second.scores += np.bincount(bins.clip(0, SCORE_BINS - 1), minlength=SCORE_BINS)
        octaves = np.log2(np.maximum(decisions.numbers("latency_us"), _FASTEST_US) / _FASTEST_US)
        places = (octaves * _PER_OCTAVE).astype(np.int64).clip(0, _LATENCY_BINS - 1)
        second.latencies += np.bincount(places, minlength=_LATENCY_BINS)
        second.rules.update(chain.from_iterable(decisions.values("rules")))
        second.degraded += len(decisions.filled("degraded"))
        currencies = payments.column("currency").to_pylist()
        for currency, amount in zip(currencies, payments.amount.tolist(), strict=True):
            if not math.isnan(amount):
                second.volume[currency or ""] = second.volume.get(currency or "", 0.0) + amount


_PERCENTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def _percentile(counts: NDArray[np.int64], share: float) -> float | None:
    total = int(counts.sum())
    if not total:
        return None
    place = int(np.searchsorted(np.cumsum(counts), share * total))
    return round(_FASTEST_US * 2 ** ((place + 0.5) / _PER_OCTAVE) / 1000, 3)


@dataclass(frozen=True, slots=True)
class SampleSieve:
    """Which decisions somebody wants to watch."""

    strictness: int = 0  # at least: 0 approve to 3 decline
    min_score: float = 0.0
    entity: str | None = None
    entity_id: str | None = None

    def rows(self, decisions: DecisionBatch, payments: EventBatch) -> NDArray[np.int64]:
        """Rows that pass."""
        passing = decisions.outcomes >= self.strictness
        if self.min_score > 0:
            passing &= decisions.numbers("score") >= self.min_score
        if self.entity is not None:
            ids = payments.column(ENTITY_KEYS[self.entity]).to_pylist()
            passing &= np.array([one == self.entity_id for one in ids], np.bool_)
        return np.flatnonzero(passing)


class Offer:
    """Some rows of a step, not looked at yet."""

    __slots__ = ("decisions", "payments", "rows")

    def __init__(self, decisions: DecisionBatch, payments: EventBatch, rows: list[int]) -> None:
        self.decisions = decisions
        self.payments = payments
        self.rows = rows


class SampleListener:
    """What has been offered to one watcher since it last looked; belongs to its pulse."""

    most: Final = 16  # rows kept of one step
    steps: Final = 512  # and steps kept

    def __init__(self, sieve: SampleSieve) -> None:
        self._sieve = sieve
        self._seen = 0
        self._offered: deque[Offer] = deque(maxlen=self.steps)

    def offer(self, decisions: DecisionBatch, payments: EventBatch) -> None:
        rows = self._sieve.rows(decisions, payments)
        if not len(rows):
            return
        self._seen += len(rows)
        if len(rows) > self.most:  # the strictest of them, and the latest of those
            rows = np.sort(rows[np.argsort(decisions.outcomes[rows], kind="stable")[-self.most :]])
        self._offered.append(Offer(decisions, payments, rows.tolist()))

    def drain(self) -> tuple[int, list[Offer]]:
        seen, offered = self._seen, list(self._offered)
        self._seen = 0
        self._offered.clear()
        return seen, offered


def _chosen(offered: list[Offer], most: int) -> list[dict[str, Any]]:
    """Rows to show, oldest first; where there are too many, the strictest and of those an even sample."""
    places = [
        (int(offer.decisions.outcomes[row]), number, offer, row)
        for number, offer in enumerate(offered)
        for row in offer.rows
    ]
    if len(places) > most:
        strict = [place for place in places if place[0] > 0][-most:]
        mild = [place for place in places if place[0] == 0]
        room = most - len(strict)
        step = max(1, math.ceil(len(mild) / room)) if room else 1
        chosen = strict + (mild[::step][:room] if room else [])
        places = sorted(chosen, key=lambda place: (place[1], place[3]))
    return [_shown(offer, row) for _, _, offer, row in places]


def _shown(offer: Offer, row: int) -> dict[str, Any]:
    table, payments = offer.decisions.table, offer.payments
    amount = float(payments.amount[row])
    told = {
        name: table.column(name)[row].as_py()
        for name in ("transaction_id", "outcome", "score", "reasons", "latency_us", "event_time_ms")
    }
    told |= {name: payments.column(name)[row].as_py() for name in _SHOWN}
    return told | {"amount": None if math.isnan(amount) else amount}
