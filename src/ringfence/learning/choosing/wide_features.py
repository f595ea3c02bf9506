"""A wide specification made for the fields that a history has, for when no other is given.

It looks at whoever pays (how much, how often, how unlike before), at where the payment goes (its traffic, and
what became known of payments there), and at the two together. Everything follows from which fields are there;
nothing from whose data it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.features.durations import DAY_MS, HOUR_MS, format_duration
from ringfence.features.links import Graph, pays, uses
from ringfence.features.spec import NIGHT, BoundFeature, Entity, FeatureKind, FeatureSpec, entity, short_field
from ringfence.learning.choosing.key_choice import Keys
from ringfence.learning.data.history import ENTITIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ringfence.events.batch import EventBatch

DEFAULT_DELAY_MS: Final = 7 * DAY_MS
"""How long reports of fraud take where nothing says it."""

NO_KEYS: Final = Keys()
_NAME: Final = 28  # letters of an entity's name that its fields share

_PLACES: Final = ("terminal", "merchant", "device", "counterparty", "ip", "email")
_NEWS: Final = ("merchant", "terminal", "device", "counterparty", "country", "ip")
_SHARED: Final = ("device", "email", "phone", "ip")
_RATES: Final = (1, 2, 3, 5, 7, 14, 30, 60, 90)  # days of label history
_COUNTS: Final = (1, 3, 7, 14, 30, 60)
_KEY_RATES: Final = ("14d", "60d", "365d")
"""Of a key's label rates: now, this season, and as far back as an engine remembers."""

_BACK: Final = 5  # payments of the same payer that are looked at one by one
_SAME_BACK: Final = 3

_STEPS: Final = 8  # windows side by side in which a spell of frauds at one place shows how old it is
_LEAST_SPELL_MS, _MOST_SPELL_MS = 2 * DAY_MS, 90 * DAY_MS
_SPELLS: Final = 4  # label delays that a spell is taken to last where nothing tells


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


def wide_spec(
    fields: Iterable[str],
    delay_ms: int = DEFAULT_DELAY_MS,
    zone: str = "UTC",
    keys: Keys = NO_KEYS,
) -> FeatureSpec:
    """The features for payments with these fields; `delay_ms` is how long reports of fraud take.

    `keys` adds label rates and frequencies of fields and pairs. None where no id says who pays or where and
    no key is worth one: what the payments themselves carry is all there is to learn from.

    >>> spec = wide_spec({"customer_id", "terminal_id", "amount_minor"})
    >>> "terminal.label_rate_14d_delay_7d" in spec.names
    True
    """
    present = frozenset(fields)
    payers = [entity(name) for name in ENTITIES if f"{name}_id" in present][:2]
    places = [entity(name) for name in _PLACES if entity(name).keys[0] in present][:2]
    if delay_ms > HOUR_MS:
        delay_ms = -(-delay_ms // HOUR_MS) * HOUR_MS  # never before its time, and readable in names
    delay = format_duration(delay_ms)
    bound = [feature for payer in payers for feature in _of_payer(payer, present)]
    spell_ms = int(np.clip(keys.spell_ms or _SPELLS * delay_ms, _LEAST_SPELL_MS, _MOST_SPELL_MS))
    for place in places:
        bound += _of_place(place, payers[:1], delay_ms, spell_ms)
    bound += [feature for payer in payers[:1] for feature in _of_both(payer, places, present)]
    bound += [feature for payer in payers[:1] for feature in _of_last(payer, present)]
    bound += _of_keys(keys, payers, places, delay)
    return FeatureSpec.of(*dict.fromkeys(bound), zone=zone)  # without a delay some are the same


def graph_for(fields: Iterable[str]) -> Graph | None:
    """The graph of payments with these fields; None where nothing but a card or a shop would link anybody.

    >>> graph_for({"customer_id", "terminal_id"}) is None
    True
    >>> "graph.shared_device" in graph_for({"customer_id", "device_id"}).names
    True
    """
    present = frozenset(fields)
    payer = next((name for name in ENTITIES if f"{name}_id" in present), None)
    if payer is None:
        return None
    links = [uses(payer, name, ttl="90d") for name in _SHARED if entity(name).keys[0] in present]
    if "counterparty_id" in present:
        links.append(pays(payer, "counterparty"))
    return Graph.of(*links) if links else None


def offered(spec: FeatureSpec, keys: Keys) -> dict[str, frozenset[str]]:
    """The features of a wide set that are kept only if they lift a later window, in groups."""
    groups: dict[str, set[tuple[str, ...]]] = {
        f"label rates and counts of {len(keys.pairs)} pairs of fields": set(keys.pairs),
        f"label rates and counts of {len(keys.fields)} fields": {(name,) for name in keys.fields},
    }
    found = {}
    for title, columns in groups.items():
        own = {item.name for item in spec.entities if item.keys in columns and item.name.startswith("by_")}
        names = frozenset(feature.name for feature in spec.features if feature.entity in own)
        if names:
            found[title] = names
    if spec.graph is not None:
        found["signals of the entity graph"] = frozenset(spec.graph.names)
    last = frozenset(one.name for one in spec.features if one.kind in _OF_LAST or one.back > 1)
    return found | ({"amounts, gaps and places of a payer's last payments": last} if last else {})


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


_OF_LAST: Final = (FeatureKind.PREVIOUS, FeatureKind.IS_SAME)


def _of_last(payer: Entity, present: frozenset[str]) -> Iterator[BoundFeature]:
    """The last payments of a payer, one by one: what averages over windows lose is their order."""
    yield from (payer.previous("amount", back=back) for back in range(1, _BACK + 1))
    yield from (payer.seconds_since_last(back=back) for back in range(2, _BACK + 1))
    for name in (*_NEWS, "merchant_category"):
        if entity_field(name) in present:
            yield from (payer.is_same(name, back=back) for back in range(1, _SAME_BACK + 1))


def _of_place(place: Entity, payers: list[Entity], delay_ms: int, spell_ms: int) -> Iterator[BoundFeature]:
    delay = format_duration(delay_ms)
    yield from (place.count(window) for window in ("1h", "1d", "7d", "30d"))
    yield from (place.mean("amount", window) for window in ("1d", "7d", "30d"))
    yield from (place.std("amount", window) for window in ("7d", "30d"))
    yield from (place.zscore("amount", window) for window in ("7d", "30d"))
    yield from (place.max("amount", window, exclude_current=True) for window in ("7d", "14d", "30d", "90d"))
    yield from (place.label_rate(f"{days}d", delay=delay) for days in _RATES)
    yield from (place.label_count(f"{days}d", delay=delay) for days in _COUNTS)
    # How old a spell of frauds is, and whether it has ended, shows in windows that lie side by side.
    step_ms = max(spell_ms // _STEPS // HOUR_MS, 1) * HOUR_MS
    step = format_duration(step_ms)
    for number in range(_STEPS):
        yield place.label_count(step, delay=format_duration(delay_ms + number * step_ms))
    for number in range(2, _STEPS, 2):
        earlier = format_duration(delay_ms + number * step_ms)
        yield place.label_rate(format_duration(2 * step_ms), delay=earlier)
    yield from (place.count(window, delay=delay) for window in ("1d", "3d", "7d", "14d", "30d", "60d"))
    for payer in payers:
        yield from (place.distinct(payer.name, window) for window in ("1d", "7d"))


def _of_keys(keys: Keys, payers: list[Entity], places: list[Entity], delay: str) -> Iterator[BoundFeature]:
    """Label rates and frequencies: of whoever pays, of the fields and of the pairs that are worth them."""
    named = {item.keys: item for item in (*payers, *places)}
    taken = {item.name for item in named.values()}
    for columns in dict.fromkeys([*(item.keys for item in payers), *((name,) for name in keys.fields)]):
        key = named.get(columns) or _key(columns, taken)
        yield from (key.label_rate(window, delay=delay) for window in _KEY_RATES)
        yield from (key.count(window) for window in ("1d", "30d", "365d"))
        if columns == keys.payer:
            yield from _news(key, keys.habits)
    for pair in keys.pairs:
        key = _key(pair, taken)
        yield from (key.label_rate(window, delay=delay) for window in _KEY_RATES)
        yield key.label_count("365d", delay=delay)
        yield from (key.count(window) for window in ("1d", "365d"))
        yield key.ratio("amount", "60d")
        yield key.seconds_since_last()
        if pair == keys.payer:
            yield from _of_named(key, keys.habits)


def _of_named(payer: Entity, habits: tuple[str, ...]) -> Iterator[BoundFeature]:
    """What is asked of a payer by name, of a pair that nearly is one."""
    yield from (payer.count(window) for window in ("1h", "7d", "30d"))
    yield payer.sum("amount", "1d")
    yield payer.mean("amount", "90d", exclude_current=True)
    yield payer.std("amount", "90d", exclude_current=True)
    yield payer.zscore("amount", "90d")
    yield payer.max("amount", "90d", exclude_current=True)
    yield payer.seconds_since_first()
    yield from _news(payer, habits)


def _news(payer: Entity, habits: tuple[str, ...]) -> Iterator[BoundFeature]:
    """Whether a payer has never had such a value of its habits, and how many it has had lately."""
    for name in {short_field(name): name for name in reversed(habits)}.values():  # one of those named alike
        if name not in payer.keys:
            yield payer.is_new(name)
            yield payer.distinct(name, "30d")


def _key(columns: tuple[str, ...], taken: set[str]) -> Entity:
    """An entity over these columns, with a name that no other has."""
    words = [re.sub(r"[^a-z0-9]+", "_", short_field(name).lower()).strip("_") or "x" for name in columns]
    stem = "by_" + "_and_".join(word[: _NAME // len(words)] for word in words)
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}_{number}", number + 1
    taken.add(name)
    return Entity(name, columns)


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
    return name if name in ("country", "merchant_category") else entity(name).keys[0]
