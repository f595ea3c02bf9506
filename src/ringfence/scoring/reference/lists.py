"""Allow, block and watch lists: which ids are in which list until when."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.events.ids.hashing import hash_text
from ringfence.scoring.reference.table import IdTable, grown

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOREVER = np.iinfo(np.int64).max
_ABSENT = np.iinfo(np.int64).min


class _List:
    """Ids of one list. An entry is of one entity type, or (type "") of whatever carries the id."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.table = IdTable()
        self.until: Any = np.empty(0, np.int64)  # by row: the entry's end, _ABSENT once removed
        self._is_shared = False  # with a view: copied before it changes

    def put(self, keys: NDArray[np.int64], until_ms: NDArray[np.int64]) -> None:
        """Of several entries for one key the last stays."""
        rows = self.table.insert(keys)
        self.until = grown(self.until, len(self.table), _ABSENT)
        if self._is_shared:
            self.until, self._is_shared = self.until.copy(), False
        self.until[rows[rows >= 0]] = until_ms[rows >= 0]

    def view(self) -> _List:
        self._is_shared = True
        view = _List(self.kind)
        view.table, view.until, view._is_shared = self.table.view(), self.until, True
        return view

    def holds(self, keys: NDArray[np.int64], times_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        rows = self.table.find(keys)
        inside: NDArray[np.bool_] = (rows >= 0) & (times_ms < self.until[rows])
        return inside


class Lists:
    """All lists by name."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lists: dict[str, _List] = {}

    def put(
        self,
        name: str,
        kind: str,
        entity_type: str | None,
        ids: NDArray[np.int64],
        until_ms: NDArray[np.int64],
    ) -> None:
        """Ids join a list, each until a time (not included) or `FOREVER`; of an id twice the last counts.

        The latest kind that a list is given counts. Id 0 stands for nobody.
        """
        if ids.any():
            found = self._lists.setdefault(name, _List(kind))
            found.kind = kind
            found.put(self._keys(entity_type, ids), until_ms)

    def remove(self, name: str, entity_type: str | None, ids: NDArray[np.int64]) -> None:
        """Ids leave a list; nothing happens when they were not there."""
        if name in self._lists:
            absent = np.full(ids.size, _ABSENT, np.int64)
            self._lists[name].put(self._keys(entity_type, ids), absent)

    def holds(
        self, name: str, entity_type: str | None, ids: NDArray[np.int64], times_ms: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Whether each id is in the list at its time. Entries without an entity type match any."""
        found = self._lists.get(name)
        if found is None:
            return np.zeros(ids.size, np.bool_)
        inside = found.holds(ids, times_ms)
        if entity_type is not None:
            inside |= found.holds(self._keys(entity_type, ids), times_ms)
        return inside

    def names(self) -> list[str]:
        """Names of all lists that have had an entry."""
        return list(self._lists)

    @property
    def is_empty(self) -> bool:
        """Whether no list has ever had an entry."""
        return not self._lists

    def any_of(self, kind: str) -> bool:
        """Whether there is a list of this kind."""
        return any(found.kind == kind for found in self._lists.values())

    def holds_kind(
        self, kind: str, entity_type: str, ids: NDArray[np.int64], times_ms: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Whether each id is, at its time, in any list of this kind."""
        inside = np.zeros(ids.size, np.bool_)
        for name, found in self._lists.items():
            if found.kind == kind:
                inside |= self.holds(name, entity_type, ids, times_ms)
        return inside

    def of(self, entity_type: str, id_hash: int, time_ms: int) -> list[tuple[str, str]]:
        """Name and kind of every list that an id is in at a time."""
        ids, times = np.array([id_hash]), np.array([time_ms])
        return [
            (name, found.kind)
            for name, found in sorted(self._lists.items())
            if self.holds(name, entity_type, ids, times)[0]
        ]

    def _keys(self, entity_type: str | None, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(ids == 0, 0, ids ^ _salt(entity_type, self._seed)) if entity_type else ids

    def view(self) -> Lists:
        """The lists as they are now, for any thread; a list is copied once, before it next changes."""
        view = Lists(self._seed)
        view._lists = {name: found.view() for name, found in self._lists.items()}
        return view

    def to_arrays(self) -> dict[str, Any]:
        """State as arrays; `from_arrays` gives it back."""
        kinds = {name: found.kind for name, found in self._lists.items()}
        out: dict[str, Any] = {"lists.json": np.frombuffer(json.dumps(kinds).encode(), np.uint8)}
        for number, found in enumerate(self._lists.values()):
            out[f"lists.{number}.ids"] = found.table.ids()
            out[f"lists.{number}.until"] = found.until[: len(found.table)]
        return out

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any], seed: int) -> Lists:
        """The state that `to_arrays` wrote."""
        lists = cls(seed)
        for number, (name, kind) in enumerate(json.loads(arrays["lists.json"].tobytes()).items()):
            found = lists._lists.setdefault(name, _List(kind))
            found.table = IdTable(arrays[f"lists.{number}.ids"])
            found.until = arrays[f"lists.{number}.until"].copy()
        return lists


@lru_cache(256)  # asked for by each list of each batch, and a hash of one text costs as much as a rule
def _salt(entity_type: str, seed: int) -> int:
    return hash_text(f"entity type {entity_type}", seed)
