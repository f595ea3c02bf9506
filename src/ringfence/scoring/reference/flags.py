"""Flags on entities, each in force from one time to another; an entity may have several."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.scoring.reference.table import IdTable, grown

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOREVER = np.iinfo(np.int64).max
NEVER = np.iinfo(np.int64).min
_NONE = -1


class _Flags:
    """Flags of one entity type: a chain per id, newest first."""

    def __init__(self) -> None:
        self.table = IdTable()
        self.head: Any = np.empty(0, np.int64)  # by id row: its newest flag
        self.next: Any = np.empty(0, np.int64)  # by flag: the same id's next older one
        self.since: Any = np.empty(0, np.int64)
        self.until: Any = np.empty(0, np.int64)  # NEVER once removed
        self.count = 0
        self._is_shared = False  # with a view: copied before it changes

    def view(self) -> _Flags:
        self._is_shared = True
        view = _Flags()
        view.table, view.count, view._is_shared = self.table.view(), self.count, True
        view.head, view.next, view.since, view.until = self.head, self.next, self.since, self.until
        return view

    def own(self) -> None:
        """Before a change: what a view has of it stays as it is."""
        if self._is_shared:
            self.head, self.next = self.head.copy(), self.next.copy()
            self.since, self.until = self.since.copy(), self.until.copy()
            self._is_shared = False

    def chain(self, id_hash: int) -> list[int]:
        """Positions of all flags of one id."""
        row = int(self.table.find(np.array([id_hash]))[0])
        flag = int(self.head[row]) if row >= 0 else _NONE
        found = []
        while flag != _NONE:
            found.append(flag)
            flag = int(self.next[flag])
        return found

    def put(self, id_hash: int, since_ms: int, until_ms: int) -> None:
        self.own()
        for flag in self.chain(id_hash):
            if self.since[flag] == since_ms or self.until[flag] == NEVER:  # said again, or free to reuse
                self.since[flag], self.until[flag] = since_ms, until_ms
                return
        row = int(self.table.insert(np.array([id_hash]))[0])
        self.head = grown(self.head, len(self.table), _NONE)
        self.count += 1
        self.next = grown(self.next, self.count, _NONE)
        self.since = grown(self.since, self.count, 0)
        self.until = grown(self.until, self.count, NEVER)
        flag = self.count - 1
        self.since[flag], self.until[flag], self.next[flag] = since_ms, until_ms, self.head[row]
        self.head[row] = flag


class Flags:
    """All flags by entity type."""

    def __init__(self) -> None:
        self._types: dict[str, _Flags] = {}

    def put(self, entity_type: str, id_hash: int, since_ms: int, until_ms: int | None) -> None:
        """A flag from `since_ms` to `until_ms` (not included), or for ever.

        The same flag again changes its end only.
        """
        if id_hash:
            flags = self._types.setdefault(entity_type, _Flags())
            flags.put(id_hash, since_ms, FOREVER if until_ms is None else until_ms)

    def remove(self, entity_type: str, id_hash: int, since_ms: int | None) -> None:
        """Take back the flag with this start, or all flags of the id."""
        flags = self._types.get(entity_type)
        if flags is None:
            return
        flags.own()
        for flag in flags.chain(id_hash):
            if since_ms is None or flags.since[flag] == since_ms:
                flags.until[flag] = NEVER

    @property
    def is_empty(self) -> bool:
        """Whether no entity of any type has ever been flagged."""
        return not self._types

    def any_of(self, entity_type: str) -> bool:
        """Whether an entity of this type has ever been flagged."""
        return entity_type in self._types

    def since(
        self, entity_type: str, ids: NDArray[np.int64], times_ms: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Start of the latest flag in force on each id at its time, NEVER for none."""
        out = np.full(ids.size, NEVER, np.int64)
        flags = self._types.get(entity_type)
        if flags is None:
            return out
        rows = flags.table.find(ids)
        at = np.flatnonzero(rows >= 0)
        current = flags.head[rows[at]]
        while at.size:
            in_force = (flags.since[current] <= times_ms[at]) & (times_ms[at] < flags.until[current])
            out[at] = np.where(in_force, np.maximum(out[at], flags.since[current]), out[at])
            current = flags.next[current]
            more = current != _NONE
            at, current = at[more], current[more]
        return out

    def view(self) -> Flags:
        """The flags as they are now, for any thread; those of a type are copied once, before they change."""
        view = Flags()
        view._types = {name: flags.view() for name, flags in self._types.items()}
        return view

    def to_arrays(self) -> dict[str, Any]:
        """State as arrays; `from_arrays` gives it back."""
        out: dict[str, Any] = {"flags.json": np.frombuffer(json.dumps(list(self._types)).encode(), np.uint8)}
        for name, flags in self._types.items():
            out[f"flags.{name}.ids"] = flags.table.ids()
            out[f"flags.{name}.head"] = flags.head[: len(flags.table)]
            for part in ("next", "since", "until"):
                out[f"flags.{name}.{part}"] = getattr(flags, part)[: flags.count]
        return out

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any]) -> Flags:
        """The state that `to_arrays` wrote."""
        made = cls()
        for name in json.loads(arrays["flags.json"].tobytes()):
            flags = made._types.setdefault(name, _Flags())
            flags.table = IdTable(arrays[f"flags.{name}.ids"])
            for part in ("head", "next", "since", "until"):
                setattr(flags, part, arrays[f"flags.{name}.{part}"].copy())
            flags.count = flags.since.size
        return made
