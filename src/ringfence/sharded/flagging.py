"""Payments that a flag turns out to cover after they were decided, found where the order is known.

It keeps the ids of recent payments by the offset of the first, until `Recent` would have forgotten them, and
every flag.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.features.spec import ENTITY_KEYS
from ringfence.scoring.reference import Reference
from ringfence.scoring.reference.recent import KEEP_COUNT, KEEP_MS, REMEMBERED
from ringfence.sharded.wire import Element, pack, to_bytes, to_events, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

    from numpy.typing import NDArray

_KEY: Final = struct.Struct(">cq")
_FIELDS: Final = tuple(ENTITY_KEYS[name] for name in REMEMBERED)


def remembered_of(events: EventBatch, seed: int) -> NDArray[np.int64]:
    """What is needed of events here, int64 (n, 1 + entities): time, and hashes of the ids."""
    return np.column_stack([events.event_time_ms, *(events.hashes(name, seed) for name in _FIELDS)])


class FlagWatch:
    """Flags and recent payments along the log."""

    def __init__(self, seed: int, state: MutableMapping[bytes, bytes]) -> None:
        self._seed = seed
        self._state = state
        self._reference = Reference(seed)
        self._blocks: deque[tuple[bytes, int, int]] = deque()  # key, latest time, payments
        self._kept = 0  # payments in these
        flags = {_KEY.unpack(key)[1]: to_events(unpack(state[key])[1][0]) for key in _sorted(state, b"g")}
        for key in _sorted(state, b"m"):
            (base,), (kinds, rows) = unpack(state[key])
            inside = {at: flags.pop(at) for at in sorted(flags) if at < base + len(kinds)}
            for at in [at for at in inside if at < base]:
                self._reference.apply(inside.pop(at), at)
            list(self._walk(base, kinds, rows, inside))
            self._note(key, kinds, rows)
        for at in sorted(flags):
            self._reference.apply(flags[at], at)

    def take(
        self,
        base: int,
        kinds: NDArray[np.uint8],
        rows: NDArray[np.int64],
        flags: Mapping[int, EventBatch],
    ) -> list[Element]:
        """Events that are next in the log from offset `base` on, with the flags among them by offset."""
        if not len(kinds):
            return []
        key = _KEY.pack(b"m", base)
        self._state[key] = pack((base,), kinds, rows)
        self._note(key, kinds, rows)
        for at, event in flags.items():
            self._state[_KEY.pack(b"g", at)] = pack((), to_bytes(event))
        found = [match for match in self._walk(base, kinds, rows, flags) if match.num_rows]
        self._forget()
        return [Element("flag_matches", 0, to_bytes(EventBatch(match)).tobytes()) for match in found]

    def _note(self, key: bytes, kinds: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
        payments = int(np.count_nonzero(kinds == Kind.TRANSACTION))
        self._blocks.append((key, int(rows[:, 0].max()), payments))
        self._kept += payments

    def _walk(
        self,
        base: int,
        kinds: NDArray[np.uint8],
        rows: NDArray[np.int64],
        flags: Mapping[int, EventBatch],
    ) -> Iterable[pa.RecordBatch]:
        begin = 0
        for at in [*sorted(flags), base + len(kinds)]:
            end = at - base
            if (kinds[begin:end] == Kind.TRANSACTION).any():
                columns: dict[str, Any] = {
                    "kind": pa.array(kinds[begin:end]),
                    "event_time_ms": pa.array(np.ascontiguousarray(rows[begin:end, 0])),
                }
                some = EventBatch(pa.RecordBatch.from_pydict(columns))
                some.know(self._seed, dict(zip(_FIELDS, rows[begin:end, 1:].T, strict=True)))
                self._reference.remember(some, base + begin)
            if at in flags:
                yield self._reference.apply(flags[at], at)
            begin = end

    def _forget(self) -> None:
        """Blocks of payments that are too old, or too many ago, to be looked up in."""
        newest = self._reference.recent.newest_ms
        while self._blocks:
            key, latest, count = self._blocks[0]
            if self._kept - count < KEEP_COUNT and latest > newest - KEEP_MS:
                return
            del self._state[key]
            self._blocks.popleft()
            self._kept -= count


def _sorted(state: Mapping[bytes, bytes], letter: bytes) -> list[bytes]:
    return sorted(key for key in state if key[:1] == letter)
