"""Logs for tests: written row by row, or long and disorderly from a seed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ringfence.events.batch import EventBatch
from ringfence.events.model import ATTRIBUTE_PREFIX, EVENT_SCHEMA, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

ATTRIBUTE_TYPES = {
    "attributes.score": pa.float64(),
    "attributes.segment": pa.string(),
    "attributes.recurring": pa.bool_(),
    "attributes.time_zone": pa.string(),
}
"""Free fields that the generated streams carry, one of each type."""


def log_of(rows: Iterable[Mapping[str, Any]]) -> EventBatch:
    """The log with these events, in order; a row is a transaction unless it has a `kind`.

    >>> log_of([{"transaction_id": "a", "event_time_ms": 0}, {"kind": 1, "event_time_ms": 5, "label": True}])
    EventBatch(2 events, 4 columns)
    """
    full = [{"kind": int(Kind.TRANSACTION), **row} for row in rows]
    used = {name for row in full for name in row} | {"kind", "event_time_ms"}
    fields = [field for field in EVENT_SCHEMA if field.name in used]
    attributes = sorted(name for name in used if name.startswith(ATTRIBUTE_PREFIX))
    fields += [pa.field(name, ATTRIBUTE_TYPES.get(name, pa.float64())) for name in attributes]
    return EventBatch(pa.RecordBatch.from_pylist(full, schema=pa.schema(fields)))


def seeded_stream(seed: int, transactions: int, *, cards: int = 400, merchants: int = 60) -> EventBatch:
    """A long log from a seed: heavy keys, ties, 5 % late by up to two days, null keys, labels late and early.

    The same seed gives the same log on every machine. Times are in seconds of about ten days.
    """
    rng = np.random.default_rng(seed)
    time_ms = _disorderly_times(rng, transactions)
    labelled = np.flatnonzero(rng.random(transactions) < 0.05)
    label_at = np.minimum(labelled + rng.integers(-50, transactions // 3, len(labelled)), transactions - 1)
    order = np.argsort(np.concatenate([np.arange(transactions), label_at + 0.5]), kind="stable")
    table = pa.Table.from_batches(
        [_transactions(rng, time_ms, cards, merchants), _labels(rng, labelled, time_ms)]
    )
    return EventBatch(table.take(pa.array(order)).combine_chunks().to_batches()[0])


def _disorderly_times(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    ordered = np.cumsum(rng.exponential(10 * 86_400 / n, n)).astype(np.int64) * 1000
    behind = np.where(rng.random(n) < 0.05, rng.exponential(6 * 3600, n).clip(0, 2 * 86_400), 0)
    return 1_700_000_000_000 + ordered - behind.astype(np.int64) * 1000


def _transactions(
    rng: np.random.Generator, time_ms: NDArray[np.int64], cards: int, merchants: int
) -> pa.RecordBatch:
    n = len(time_ms)
    amounts = np.rint(rng.lognormal(8, 1.5, n)).astype(np.int64)
    currency = rng.choice(3, n, p=[0.8, 0.1, 0.1])
    absurd = rng.random(n) < 0.0005
    amounts[absurd] = np.array([999_000_000_000_000, 9_990_000_000_000, 9_990_000_000_000_000])[
        currency[absurd]
    ]
    columns = {
        "kind": pa.array(np.zeros(n, np.uint8)),
        "event_time_ms": pa.array(time_ms),
        "transaction_id": _words("t", np.arange(n)),
        "card_id": _words("c", _heavy(rng, n, cards), rng.random(n) < 0.08),
        "merchant_id": _words("m", _heavy(rng, n, merchants), rng.random(n) < 0.02),
        "device_id": _words("d", rng.integers(0, 40, n), rng.random(n) < 0.3),
        "amount_minor": pa.array(amounts, mask=rng.random(n) < 0.01),
        "currency": pa.array(np.array(["EUR", "JPY", "KWD"])[currency]),
        "country": _words("land", rng.integers(0, 9, n)),
        "lat": pa.array(rng.uniform(-90, 90, n), mask=rng.random(n) < 0.2),
        "lon": pa.array(rng.uniform(-180, 180, n)),
        "label": pa.nulls(n, pa.bool_()),
        "attributes.score": pa.array(rng.normal(0, 50, n), mask=rng.random(n) < 0.1),
        "attributes.segment": _words("s", rng.integers(0, 5, n), rng.random(n) < 0.1),
        "attributes.recurring": pa.array(rng.random(n) < 0.3),
    }
    return pa.RecordBatch.from_pydict(columns)


def _labels(
    rng: np.random.Generator, targets: NDArray[np.int64], time_ms: NDArray[np.int64]
) -> pa.RecordBatch:
    n = len(targets)
    known: dict[str, Any] = {
        "kind": pa.array(np.full(n, Kind.LABEL, np.uint8)),
        "event_time_ms": pa.array(time_ms[targets] + 3 * 86_400_000),
        "transaction_id": _words("t", targets),
        "label": pa.array(rng.random(n) < 0.7),
    }
    shape = _transactions(rng, time_ms[:0], 1, 1).schema
    return pa.RecordBatch.from_pydict(
        {f.name: known.get(f.name, pa.nulls(n, f.type)) for f in shape}, schema=shape
    )


def _heavy(rng: np.random.Generator, n: int, keys: int) -> NDArray[np.int64]:
    """Keys by a power law: the first one has several per cent of all events."""
    weights = 1 / np.arange(1, keys + 1) ** 0.8
    return rng.choice(keys, n, p=weights / weights.sum())


def _words(prefix: str, numbers: NDArray[np.int64], missing: NDArray[np.bool_] | None = None) -> pa.Array:
    return pa.array([f"{prefix}{i}" for i in numbers.tolist()], pa.string(), mask=missing)


def split(batch: EventBatch, cuts: Sequence[int]) -> list[EventBatch]:
    """The log in consecutive pieces that start at 0 and at each cut; pieces may be empty."""
    edges = [0, *sorted(cuts), len(batch)]
    return [batch.slice(start, stop) for start, stop in pairwise(edges)]
