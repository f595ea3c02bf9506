"""The values that rules speak of, for one batch of transactions: each name resolved when first asked for."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.ids.hashing import hash_text
from ringfence.events.values.countries import ways_to_write
from ringfence.features.spec import ENTITY_KEYS
from ringfence.scoring.language.text import Text
from ringfence.scoring.reference.flags import NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.reference import Lookups

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_ENTITY_OF = {field: entity for entity, field in ENTITY_KEYS.items()}
LOCAL = frozenset({"hour", "weekday"})
"""Numbers that depend on the zone."""

_NOWHERE = (np.False_, np.True_)  # true in no row, false in every
_KIND_OF = {"blocked": "block", "watched": "watch", "allowed": "allow"}


def _written_otherwise(countries: Any, seed: int) -> NDArray[np.int64]:
    """Hashes of each row's country in further ways to write it: (ways, n), 0 where there are no more."""
    coded = pc.dictionary_encode(countries) if pa.types.is_string(countries.type) else countries
    ways = [ways_to_write(code) for code in coded.dictionary.to_pylist()]
    hashes = np.zeros((max(map(len, ways), default=0), len(ways) + 1), np.int64)
    for at, codes in enumerate(ways):
        hashes[: len(codes), at] = [hash_text(code, seed) for code in codes]
    return hashes[:, coded.indices.fill_null(len(ways)).to_numpy(zero_copy_only=False)]


class Columns:
    """Columns of a batch that holds transactions only.

    `features` is float64 (n_features of `spec`, n), NaN for null, as the engine measures; `extra` are further
    numeric columns, such as a model's score.
    """

    def __init__(
        self,
        transactions: EventBatch,
        spec: FeatureSpec,
        features: NDArray[np.float64],
        reference: Lookups,
        zone: str = "UTC",
        extra: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> None:
        self.transactions = transactions
        self.features = features
        self.reference = reference
        self.zone = zone
        self._numbers: dict[str, Any] = dict(extra or {})
        self._texts: dict[str, Text] = {}
        self.spec = spec
        self._index = _feature_index(spec)

    def __len__(self) -> int:
        return len(self.transactions)

    def add(self, name: str, values: NDArray[np.float64]) -> None:
        """A numeric column that is known only now, NaN for null."""
        self._numbers[name] = values

    def matrix(self, names: tuple[str, ...]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """A matrix (rows, n) with numeric columns, and which row each of these names is."""
        places = places_of(self.spec, names)
        if places.others.size:
            return np.stack([self.number(name) for name in names]), np.arange(len(names))
        return self.features, places.rows

    def number(self, name: str) -> NDArray[np.float64]:
        """A numeric (or boolean, as 0 and 1) column as float64, NaN for null."""
        row = self._index.get(name)
        if row is not None:
            values: NDArray[np.float64] = self.features[row]
            return values
        if name not in self._numbers:
            self._numbers[name] = self._number(name)
        known: NDArray[np.float64] = self._numbers[name]
        return known

    def text(self, name: str) -> Text:
        """A text column."""
        if name not in self._texts:
            entity, _, attribute = name.partition(".profile.")
            if attribute and entity in ENTITY_KEYS:
                self._texts[name] = self.reference.profiles.text(entity, attribute, self._ids(entity))
            else:
                self._texts[name] = Text.of(self.transactions.text(name))
        return self._texts[name]

    def truth(self, name: str) -> tuple[Any, Any]:
        """Rows where a boolean column is TRUE, and where it is FALSE."""
        entity, _, what = name.partition(".")
        if what == "flagged":
            if not self.reference.flags.any_of(entity):
                return _NOWHERE
            flagged = self._flagged_since(entity) != NEVER
            return flagged, ~flagged
        if what in _KIND_OF and entity in ENTITY_KEYS:
            if not self.reference.lists.any_of(_KIND_OF[what]):
                return _NOWHERE
            times = self.transactions.event_time_ms
            listed = self.reference.lists.holds_kind(_KIND_OF[what], entity, self._ids(entity), times)
            return listed, ~listed
        values = self.number(name)
        return values == 1, values == 0

    def truths(self, facts: tuple[tuple[str, int], ...], out: NDArray[np.bool_]) -> None:
        """Rows where boolean columns are TRUE (side 0) or FALSE (side 1): a row of `out` for each fact."""
        if self.reference.names_nobody and (sides := _sides(facts)) is not None:
            out[: len(facts)] = sides
            return
        for row, (name, side) in enumerate(facts):
            out[row] = self.truth(name)[side]

    def member(self, field: str, list_name: str) -> NDArray[np.bool_]:
        """Rows whose field is in the named list at the event's time; a country in any way to write it."""
        lists, times = self.reference.lists, self.transactions.event_time_ms
        ids = self.transactions.hashes(field, self.reference.seed)
        listed = lists.holds(list_name, _ENTITY_OF.get(field), ids, times)
        if field == "country":
            for others in _written_otherwise(self.transactions.text(field), self.reference.seed):
                listed |= lists.holds(list_name, None, others, times)
        return listed

    def is_null(self, name: str) -> Any:
        """Rows where an attribute or profile field has no value of any type."""
        return np.isnan(self.number(name)) & self.text(name).is_null

    def _ids(self, entity: str) -> NDArray[np.int64]:
        return self.transactions.hashes(ENTITY_KEYS[entity], self.reference.seed)

    def _flagged_since(self, entity: str) -> NDArray[np.int64]:
        return self.reference.flags.since(entity, self._ids(entity), self.transactions.event_time_ms)

    def _number(self, name: str) -> Any:
        if name in LOCAL:
            return self.local(name)
        if name == "event_time":
            return self.transactions.event_time_ms.astype(np.float64)
        entity, _, what = name.partition(".")
        if what == "flag_age_days":
            since = self._flagged_since(entity)
            return np.where(since == NEVER, np.nan, (self.transactions.event_time_ms - since) / _DAY_MS)
        if what.startswith("profile."):
            attribute = what.removeprefix("profile.")
            if not self.reference.profiles.knows(entity, attribute):
                return np.full(len(self), np.nan)
            return self.reference.profiles.number(entity, attribute, self._ids(entity))
        return self.transactions.number(name)

    def local(self, name: str, zone: str | None = None) -> NDArray[np.float64]:
        """`hour` or `weekday` (1970-01-01 was a Thursday) in a zone, the rule set's without one."""
        hours = self._local_hours(zone or self.zone)
        found: NDArray[np.float64] = hours % 24 if name == "hour" else (hours // 24 + 3) % 7
        return found

    def time_part(self, part: str, zone: str) -> NDArray[np.float64]:
        """A part of the event's time in a zone (empty: the rule set's), as SQL's EXTRACT gives it."""
        key = f"extract {part} {zone}"
        if key not in self._numbers:
            local = local_ms(self.transactions.event_time_ms, zone or self.zone)
            self._numbers[key] = part_of(local, part)
        found: NDArray[np.float64] = self._numbers[key]
        return found

    def in_share(self, entity: str, salt: str, share: float) -> NDArray[np.bool_]:
        """Rows whose entity belongs to a share of all, always the same ones; never without one."""
        return in_share(self._ids(entity), hash_text(salt, self.reference.seed), share)

    def within(self, begin_ms: int, end_ms: int) -> NDArray[np.bool_]:
        """Rows with an event time from `begin_ms` up to `end_ms`, not included."""
        times = self.transactions.event_time_ms
        return (times >= begin_ms) & (times < end_ms)

    def _local_hours(self, zone: str) -> Any:
        key = f"local_hours {zone}"
        if key not in self._numbers:
            local = local_ms(self.transactions.event_time_ms, zone)
            self._numbers[key] = np.floor(local / _HOUR_MS)
        return self._numbers[key]


_CYCLES: Final = {"hour": (_HOUR_MS, 24), "minute": (60_000, 60), "second": (1000, 60)}
_DATES: Final = {"year": pc.year, "month": pc.month, "day": pc.day}


def part_of(local: NDArray[np.int64], part: str) -> NDArray[np.float64]:
    """A part of wall-clock times (ms); 1970-01-01 was a Thursday."""
    if part in _CYCLES:
        unit, cycle = _CYCLES[part]
        return (local // unit % cycle).astype(np.float64)
    if part == "dow":
        return ((local // _DAY_MS + 4) % 7).astype(np.float64)
    if part == "isodow":
        return ((local // _DAY_MS + 3) % 7 + 1).astype(np.float64)
    found = _DATES[part](pa.array(local, pa.timestamp("ms"))).to_numpy(zero_copy_only=False)
    return np.asarray(found, np.float64)


def in_share(ids: NDArray[np.int64], salt: int, share: float) -> NDArray[np.bool_]:
    """Which hashes fall into a share of all, by `salt`; the null hash 0 never does.

    >>> ids = np.arange(1, 10_001)
    >>> int(in_share(ids, 7, 0.25).sum() / 100)
    25
    """
    mixed = (ids ^ np.int64(salt)).view(np.uint64)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(factor)
    inside: NDArray[np.bool_] = ((mixed >> np.uint64(11)) < share * 2.0**53) & (ids != 0)
    return inside


def local_ms(times_ms: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """Wall-clock time in a zone as ms since 1970-01-01 00:00 of that clock.

    >>> local_ms(np.array([0]), "Asia/Tokyo").tolist()
    [32400000]
    """
    if zone == "UTC":
        return times_ms
    local = pc.local_timestamp(
        pa.array(times_ms).cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp("ms", zone))
    )
    shifted: NDArray[np.int64] = local.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return shifted


def _feature_index(spec: FeatureSpec) -> dict[str, int]:
    found: dict[str, int] | None = spec.__dict__.get("_rows_by_name")
    if found is None:  # kept on the specification, which is frozen and shared by all batches
        found = {name: row for row, name in enumerate(spec.names)}
        spec.__dict__["_rows_by_name"] = found
    return found


class ColumnPlaces(NamedTuple):
    """Where some names are among the features of a specification.

    `rows` are theirs, -1 for what is no feature; `others` are the places of these, `measured` of the rest.
    """

    rows: NDArray[np.int64]
    measured: NDArray[np.int64]
    others: NDArray[np.int64]


def places_of(spec: FeatureSpec, names: tuple[str, ...]) -> ColumnPlaces:
    """Where these names are; kept on the specification for who asks again with every batch."""
    kept: dict[tuple[str, ...], ColumnPlaces] = spec.__dict__.setdefault("_places_by_names", {})
    if names not in kept:
        index = _feature_index(spec)
        rows = np.array([index.get(name, -1) for name in names], np.int64)
        kept[names] = ColumnPlaces(rows, np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0))
    return kept[names]


@lru_cache(maxsize=64)
def _sides(facts: tuple[tuple[str, int], ...]) -> NDArray[np.bool_] | None:
    """What holds of facts on who is listed or flagged where nobody is, (facts, 1); None for other facts."""
    for name, _ in facts:
        entity, _, what = name.partition(".")
        if what != "flagged" and not (what in _KIND_OF and entity in ENTITY_KEYS):
            return None
    return np.array([side == 1 for _, side in facts], np.bool_).reshape(-1, 1)
