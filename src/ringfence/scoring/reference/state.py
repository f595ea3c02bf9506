"""All reference state in one value: applied in log order, asked as of an event's time, saved as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.model import ADDED_BY, Kind
from ringfence.scoring.reference.added import Added
from ringfence.scoring.reference.flags import FOREVER, Flags
from ringfence.scoring.reference.lists import Lists
from ringfence.scoring.reference.profiles import Profiles
from ringfence.scoring.reference.recent import NewFlag, Recent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.events.batch import EventBatch


class Segment(NamedTuple):
    """Rows `start` to `stop` of a batch: all control events (profiles, list entries, flags), or none."""

    start: int
    stop: int
    is_control: bool


def segments(batch: EventBatch) -> list[Segment]:
    """The runs of control and of other events of a batch, in order."""
    if len(batch) == 0:
        return []
    if batch.only_payments:
        return [Segment(0, len(batch), is_control=False)]
    control = batch.is_control
    edges = np.flatnonzero(control[1:] != control[:-1]) + 1
    starts = [0, *edges.tolist()]
    return [Segment(a, b, bool(control[a])) for a, b in zip(starts, [*starts[1:], len(batch)], strict=True)]


def _runs(columns: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """Where the rows that are alike in every column begin and end."""
    count = len(columns[0])
    edge = np.zeros(max(count - 1, 0), np.bool_)
    for column in columns:
        plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        codes = pc.dictionary_encode(plain, null_encoding="encode").indices.to_numpy()
        edge |= codes[1:] != codes[:-1]
    starts = [0, *(np.flatnonzero(edge) + 1).tolist()] if count else []
    return zip(starts, [*starts[1:], count], strict=True) if count else iter(())


class Lookups:
    """What payments are looked up in.

    `seed` is the store's hash seed, the same as the engine's.
    """

    def __init__(self, seed: int, profiles: Profiles, lists: Lists, flags: Flags) -> None:
        self.seed = seed
        self.profiles = profiles
        self.lists = lists
        self.flags = flags

    @property
    def names_nobody(self) -> bool:
        """Whether nobody has ever been listed or flagged."""
        return self.flags.is_empty and self.lists.is_empty

    def to_arrays(self) -> dict[str, Any]:
        """Profiles, lists and flags as named arrays, which share memory with them."""
        parts = (self.profiles, self.lists, self.flags)
        return {name: array for part in parts for name, array in part.to_arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any], seed: int) -> Lookups:
        """What `to_arrays` gave; nothing of `arrays` is shared."""
        return Lookups(
            seed, Profiles.from_arrays(arrays), Lists.from_arrays(arrays, seed), Flags.from_arrays(arrays)
        )


class Reference(Lookups):
    """What the control events so far have established. One thread has it; others look up in a `view`."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, Profiles(), Lists(seed), Flags())
        self.recent = Recent()
        self.added = Added()

    def view(self) -> Lookups:
        """Profiles, lists and flags as they are now, for any thread.

        It costs a few microseconds for each of them, and later one copy of each that changes.
        """
        return Lookups(self.seed, self.profiles.view(), self.lists.view(), self.flags.view())

    def apply(self, control: EventBatch, base_offset: int) -> pa.RecordBatch:
        """Apply control events in order; row i has log offset `base_offset + i`.

        Returns the earlier transactions that newly arrived flags cover (`FLAG_MATCH_SCHEMA`, often empty).
        """
        kinds = control.kind
        if (kinds == Kind.PROFILE).any():
            self._apply_profiles(control.take(kinds == Kind.PROFILE))
        if (kinds == Kind.LIST_ENTRY).any():
            self._apply_lists(control.take(kinds == Kind.LIST_ENTRY))
        rows = np.flatnonzero(kinds == Kind.FLAG)
        return self.recent.match(
            self._apply_flags(control.take(rows), base_offset + rows) if rows.size else []
        )

    def remember(self, batch: EventBatch, base_offset: int) -> None:
        """Keep transactions that have been decided, for flags that arrive later.

        Row i has offset `base_offset + i`.
        """
        self.recent.remember(batch, base_offset, self.flags, self.seed)

    def _apply_profiles(self, batch: EventBatch) -> None:
        types = batch.column("entity_type").to_pylist()
        ids = batch.hashes("entity_id", self.seed)
        for entity_type in dict.fromkeys(types):
            if entity_type is None:
                continue
            if types.count(entity_type) == len(types):
                self.profiles.apply(entity_type, ids, batch)
                continue
            rows = np.array([other == entity_type for other in types])
            self.profiles.apply(entity_type, ids[rows], batch.take(rows))

    def _apply_lists(self, batch: EventBatch) -> None:
        ids = batch.hashes("entity_id", self.seed)
        until = pc.fill_null(batch.column("expires_at_ms"), FOREVER).to_numpy(zero_copy_only=False)
        alike = [batch.column(name) for name in ("list_name", "list_kind", "entity_type", "removed")]
        for start, stop in _runs(alike):
            name, kind, entity_type, removed = (column[start].as_py() for column in alike)
            if removed:
                self.lists.remove(name or kind, entity_type, ids[start:stop])
            elif name or kind:
                self.lists.put(name or kind, kind or "watch", entity_type, ids[start:stop], until[start:stop])
        rules = batch.column(ADDED_BY).to_pylist()
        if any(rules):
            times = batch.event_time_ms.tolist()
            self.added.count([(rule, at) for rule, at in zip(rules, times, strict=True) if rule])

    def _apply_flags(self, batch: EventBatch, offsets: Any) -> list[NewFlag]:
        hashes = batch.hashes("entity_id", self.seed).tolist()
        columns = ("entity_type", "entity_id", "removed", "effective_at_ms", "expires_at_ms", "event_time_ms")
        fields = (batch.column(name).to_pylist() for name in columns)
        new = []
        for offset, id_hash, entity_type, entity_id, removed, effective, until, said in zip(
            offsets.tolist(), hashes, *fields, strict=True
        ):
            if not id_hash or not entity_type:
                continue
            if removed:
                self.flags.remove(entity_type, id_hash, effective)
                continue
            since = said if effective is None else effective
            self.flags.put(entity_type, id_hash, since, until)
            new.append(
                NewFlag(offset, entity_type, entity_id, id_hash, since, FOREVER if until is None else until)
            )
        return new

    def to_arrays(self) -> dict[str, Any]:
        """State as named arrays, for a snapshot.

        They share memory with the state: write or copy them before it changes.
        """
        parts = (self.recent, self.added)
        return super().to_arrays() | {n: array for part in parts for n, array in part.to_arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any], seed: int) -> Reference:
        """The state that `to_arrays` wrote; nothing of `arrays` is shared."""
        reference = cls(seed)
        reference.profiles = Profiles.from_arrays(arrays)
        reference.lists = Lists.from_arrays(arrays, seed)
        reference.flags = Flags.from_arrays(arrays)
        reference.recent = Recent.from_arrays(arrays)
        reference.added = Added.from_arrays(arrays)
        return reference
