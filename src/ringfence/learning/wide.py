"""A wide specification made for the fields that a history has, for when no other is given.

It looks at whoever pays (how much, how often, how unlike before), at where the payment goes (its traffic, and
what became known of payments there), and at the two together. Everything follows from which fields are there;
nothing from whose data it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.features.durations import DAY_MS, format_duration
from ringfence.features.spec import NIGHT, BoundFeature, Entity, FeatureSpec, entity
from ringfence.learning.history import ENTITIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ringfence.events.batch import EventBatch

DEFAULT_DELAY_MS: Final = 7 * DAY_MS
"""How long reports of fraud take where nothing says it."""

_PLACES: Final = ("terminal", "merchant", "device", "counterparty", "ip", "email")
_NEWS: Final = ("merchant", "terminal", "device", "counterparty", "country", "ip")
_RATES: Final = (1, 2, 3, 5, 7, 14, 21, 28, 60, 90)  # days of label history
_COUNTS: Final = (1, 3, 7, 14, 21, 28, 60)
_WEEKS_BACK: Final = 4
_DAYS_BACK: Final = ((1, "1d"), (2, "1d"), (3, "3d"), (17, "3d"), (20, "3d"), (23, "3d"))


def fields_of(payments: EventBatch) -> frozenset[str]:
    """Columns in which some payment of a batch has a value.

    A card that is the same for all as the customer is left out: it would measure everything twice.
    """
    table = payments.take(payments.is_transaction)
    present = {name for name in table.table.schema.names if table.column(name).null_count < len(table)}
    for one, other in (("customer_id", "card_id"), ("customer_id", "account_id"), ("card_id", "account_id")):
        if {one, other} <= present and np.array_equal(table.hashes(one, 0), table.hashes(other, 0)):
            present.discard(other)
    return frozenset(present)


def wide_spec(fields: Iterable[str], delay_ms: int = DEFAULT_DELAY_MS, zone: str = "UTC") -> FeatureSpec:
    """The features for payments with these fields; `delay_ms` is how long reports of fraud take.

    None where no id says who pays or where: what the payments themselves carry is all there is to learn from.

    >>> len(wide_spec({"customer_id", "terminal_id", "amount_minor"}).names)
    114
    """
    present = frozenset(fields)
    payers = [entity(name) for name in ENTITIES if f"{name}_id" in present][:2]
    places = [entity(name) for name in _PLACES if entity(name).keys[0] in present][:2]
    delay = format_duration(delay_ms)
    bound = [feature for payer in payers for feature in _of_payer(payer, present)]
    bound += [feature for place in places for feature in _of_place(place, payers[:1], delay_ms, delay)]
    bound += [feature for payer in payers[:1] for feature in _of_both(payer, places, present)]
    return FeatureSpec.of(*bound, zone=zone)


def _of_payer(payer: Entity, present: frozenset[str]) -> Iterator[BoundFeature]:
    yield from (payer.count(window) for window in ("1h", "6h", "1d", "7d", "30d"))
    yield from (payer.sum("amount", window) for window in ("1h", "6h", "1d"))
    yield from (payer.mean("amount", window, exclude_current=True) for window in ("1d", "7d", "30d", "90d"))
    yield from (payer.mean("amount", window) for window in ("7d", "60d"))
    yield from (payer.std("amount", window, exclude_current=True) for window in ("30d", "60d", "90d"))
    yield from (payer.std("amount", window) for window in ("1d", "3d", "7d", "14d", "30d"))
    yield from (payer.ratio("amount", window) for window in ("1d", "3d", "7d", "14d", "30d", "60d", "90d"))
    yield from (payer.zscore("amount", window) for window in ("7d", "30d", "60d", "90d"))
    # Against what was usual before a theft that may be going on since.
    yield from (payer.zscore("amount", "90d", delay=delay) for delay in ("3d", "7d", "14d"))
    yield payer.zscore("amount", "30d", delay="14d")
    yield payer.ratio("amount", "90d", delay="14d")
    maxima = ("6h", "1d", "2d", "3d", "5d", "7d", "14d", "30d", "90d")
    yield from (payer.max("amount", window, exclude_current=True) for window in maxima)
    yield from (payer.max("amount", window) for window in ("1d", "3d", "7d", "14d"))
    yield payer.min("amount", "90d", exclude_current=True)
    yield payer.hour_share("30d")
    yield payer.share(NIGHT, "30d")
    yield payer.seconds_since_last()
    yield payer.seconds_since_first()
    yield payer.label_count("90d")
    if {"lat", "lon"} <= present:
        yield payer.distance_km()
        yield payer.speed_kmh()
    for name in _NEWS:
        if entity_field(name) in present:
            yield payer.is_new(name)
            yield payer.distinct(name, "7d")


def _of_place(place: Entity, payers: list[Entity], delay_ms: int, delay: str) -> Iterator[BoundFeature]:
    yield from (place.count(window) for window in ("1h", "1d", "7d", "30d"))
    yield from (place.mean("amount", window) for window in ("1d", "7d", "30d"))
    yield from (place.std("amount", window) for window in ("7d", "30d"))
    yield from (place.zscore("amount", window) for window in ("7d", "30d"))
    yield from (place.max("amount", window, exclude_current=True) for window in ("7d", "14d", "30d", "90d"))
    yield from (place.label_rate(f"{days}d", delay=delay) for days in _RATES)
    yield from (place.label_count(f"{days}d", delay=delay) for days in _COUNTS)
    for week in range(1, _WEEKS_BACK + 1):  # a compromise that ended shows in weeks that lie side by side
        earlier = format_duration(delay_ms + week * 7 * DAY_MS)
        yield place.label_count("7d", delay=earlier)
        yield place.label_rate("7d", delay=earlier)
    for start, window in _DAYS_BACK:
        yield place.label_count(window, delay=format_duration(delay_ms + start * DAY_MS))
    yield from (place.count(window, delay=delay) for window in ("1d", "3d", "7d", "14d", "28d", "60d"))
    for payer in payers:
        yield from (place.distinct(payer.name, window) for window in ("1d", "7d"))


def _of_both(payer: Entity, places: list[Entity], present: frozenset[str]) -> Iterator[BoundFeature]:
    for place in places[:1]:
        yield (payer * place).count("60d")
    if "merchant_category" in present:
        habit = Entity(f"{payer.name}_category", (*payer.keys, "merchant_category"))
        yield from (habit.count(window) for window in ("1d", "7d", "60d"))
        yield habit.mean("amount", "60d", exclude_current=True)
        yield habit.ratio("amount", "60d")
        yield habit.zscore("amount", "60d")
        category = Entity("category", ("merchant_category",))
        yield category.ratio("amount", "7d")
        yield category.zscore("amount", "7d")


def entity_field(name: str) -> str:
    """The field that an entity's name or a category's own name stands for."""
    return name if name == "country" else entity(name).keys[0]
