"""Seeded reference work: payments as NumPy columns, and the same rows as `EventBatch`es for the engine.

R1  2 M events, 50,000 cards (log-normal weights), 5,000 merchants (Zipf 0.8: the first has 4 %), 60 days;
    count, sum, mean, std over 1 h, 1 d, 7 d, 30 d for card and merchant: 32 features.
R2  five entities, windows 10 m, 1 h, 6 h, 1 d, 7 d, 30 d, every kind that needs no labels: 255 features.
R3  10 M events over 1 M cards inside 30 days, so that every event is retained: what state costs.

Times are distinct, so that SQL's RANGE windows, which let tied rows see each other, mean the same as ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ringfence.events.batch import EventBatch
from ringfence.events.ids.hashing import hash_column
from ringfence.events.model import AMOUNT_SCALE
from ringfence.features.spec import NIGHT, BoundFeature, FeatureSpec, entity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000  # 2026-01-01
SEED = 20260101

R1_EVENTS = 2_000_000
R1_WINDOWS = ("1h", "1d", "7d", "30d")
R3_DAYS = 29.0
R2_WINDOWS = ("10m", "1h", "6h", "1d", "7d", "30d")
R2_DISTINCT = {"card": "merchant", "customer": "merchant", "merchant": "card", "device": "card", "ip": "card"}
"""Whose different values are counted, per entity."""


@dataclass(frozen=True)
class Workload:
    """Columns of N time-ordered payments; `ids` holds one array of integer ids per entity."""

    time_ms: NDArray[np.int64]
    amount_minor: NDArray[np.int64]
    ids: dict[str, NDArray[np.int64]]
    lat: NDArray[np.float64] | None = None
    lon: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.time_ms)

    @cached_property
    def amount_fixed(self) -> NDArray[np.int64]:
        """Integer thousandths, the unit of the engine's sums."""
        return self.amount_minor * (AMOUNT_SCALE // 100)

    def head(self, events: int) -> Workload:
        """The first events."""
        cut = slice(0, events)
        lat, lon = (None if x is None else x[cut] for x in (self.lat, self.lon))
        return Workload(
            self.time_ms[cut], self.amount_minor[cut], {k: v[cut] for k, v in self.ids.items()}, lat, lon
        )

    def hashes(self, name: str, seed: int = 0) -> NDArray[np.int64]:
        """What the engine makes of one entity's ids."""
        distinct, inverse = np.unique(self.ids[name], return_inverse=True)
        return hash_column(_texts(distinct), seed)[inverse]

    def batches(self, rows: int = 8192) -> Iterator[EventBatch]:
        """The same rows as the decoder would deliver them."""
        for start in range(0, len(self), rows):
            yield self._batch(slice(start, min(start + rows, len(self))))

    def _batch(self, cut: slice) -> EventBatch:
        rows = len(self.time_ms[cut])
        columns = {
            "kind": pa.array(np.zeros(rows, np.uint8)),
            "transaction_id": _texts(np.arange(cut.start, cut.start + rows)),
            "event_time_ms": pa.array(self.time_ms[cut]),
            **{entity(name).keys[0]: _texts(ids[cut]) for name, ids in self.ids.items()},
            "amount_minor": pa.array(self.amount_minor[cut]),
            "currency": pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), ["EUR"]),
        }
        if self.lat is not None and self.lon is not None:
            columns |= {"lat": pa.array(self.lat[cut]), "lon": pa.array(self.lon[cut])}
        return EventBatch(pa.RecordBatch.from_pydict(columns))


def _texts(ids: NDArray[np.int64]) -> pa.Array:
    return pa.array(ids).cast(pa.string())


def _choose(weights: NDArray[np.float64], rng: np.random.Generator, events: int) -> NDArray[np.int64]:
    edges = np.cumsum(weights)
    return np.searchsorted(edges, rng.random(events) * edges[-1], side="right").clip(0, len(weights) - 1)


def _log_normal(keys: int, rng: np.random.Generator, events: int) -> NDArray[np.int64]:
    return _choose(rng.lognormal(0.0, 1.0, keys), rng, events)


def _zipf(keys: int, rng: np.random.Generator, events: int) -> NDArray[np.int64]:
    return _choose(np.arange(1, keys + 1) ** -0.8, rng, events)


def _distinct_times(days: float, rng: np.random.Generator, events: int) -> NDArray[np.int64]:
    span = int(days * DAY_MS) - events
    return START_MS + np.sort(rng.integers(0, span, events)) + np.arange(events)


def _amounts(rng: np.random.Generator, events: int) -> NDArray[np.int64]:
    return np.maximum(1, np.rint(np.exp(rng.normal(8.0, 1.2, events)))).astype(np.int64)


def r1(events: int = R1_EVENTS, days: float = 60.0) -> Workload:
    """First reference. Fewer events cover fewer days, at the same pace."""
    rng = np.random.default_rng(SEED)
    ids = {"card": _log_normal(50_000, rng, events), "merchant": _zipf(5_000, rng, events)}
    return Workload(_distinct_times(days * events / R1_EVENTS, rng, events), _amounts(rng, events), ids)


def r2(events: int = 500_000, days: float = 60.0) -> Workload:
    """Second reference: a customer has two cards and two devices, and pays from shared addresses too."""
    rng = np.random.default_rng(SEED + 1)
    card = _log_normal(20_000, rng, events)
    customer = card // 2
    ids = {
        "card": card,
        "customer": customer,
        "merchant": _zipf(5_000, rng, events),
        "device": customer * 2 + (rng.random(events) < 0.2),
        "ip": np.where(rng.random(events) < 0.3, _zipf(1_000, rng, events), 1_000 + customer),
    }
    lat, lon = rng.normal(48.0, 2.0, events), rng.normal(8.0, 4.0, events)
    return Workload(_distinct_times(days, rng, events), _amounts(rng, events), ids, lat, lon)


def r3(events: int = 10_000_000, keys: int = 1_000_000, chunks: int = 20) -> Iterator[Workload]:
    """Third reference, one entity, in consecutive chunks so that the input itself takes little memory."""
    rng = np.random.default_rng(SEED + 2)
    weights = rng.lognormal(0.0, 1.0, keys)
    days, rows = R3_DAYS / chunks, events // chunks
    for chunk in range(chunks):
        times = _distinct_times(days, rng, rows) + int(chunk * days * DAY_MS)
        yield Workload(times, _amounts(rng, rows), {"card": _choose(weights, rng, rows)})


def _four_by_window(name: str, windows: tuple[str, ...]) -> list[BoundFeature]:
    key = entity(name)
    made: list[BoundFeature] = []
    for window in windows:
        made += [
            key.count(window),
            key.sum("amount", window),
            key.mean("amount", window),
            key.std("amount", window),
        ]
    return made


def r1_spec(entities: tuple[str, ...] = ("card", "merchant")) -> FeatureSpec:
    """Per entity, per window: count, sum, mean, std. The order of the C kernel's rows."""
    made = [feature for name in entities for feature in _four_by_window(name, R1_WINDOWS)]
    return FeatureSpec.of(*made)


def r2_spec() -> FeatureSpec:
    """Per entity: seven kinds per window, then nine that look at the longest window or the horizon."""
    made: list[BoundFeature] = []
    for name, value in R2_DISTINCT.items():
        key = entity(name)
        for window in R2_WINDOWS:
            made += _four_by_window(name, (window,))
            made += [key.min("amount", window), key.max("amount", window), key.distinct(value, window)]
        made += [
            key.ratio("amount", "30d"),
            key.zscore("amount", "30d"),
            key.share(NIGHT, "30d"),
            key.hour_share("30d"),
        ]
        made += [
            key.seconds_since_last(),
            key.seconds_since_first(),
            key.is_new(value),
            key.distance_km(),
            key.speed_kmh(),
        ]
    return FeatureSpec.of(*made)
