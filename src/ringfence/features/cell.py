"""The state of some keys outside of any engine: their retained events, as the kernel takes them in.

Nothing else is needed. Sums, edges of windows, extremes, latest values and places are functions of a key's
retained events in order of time, tied ones as they came: an engine that measures these events again has them
all. A label stands in the marks of its event. What lies behind the retention reaches no feature.

As bytes, little-endian:

    magic and version, 8 | specification, 8 | mark of the seed, 8 | clock in ms, i64 | events, u64 |
    words, i64 (events, columns) | places, f64 (events, 2), where features need them | xxh3 of all this, u64
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import xxhash

from ringfence.errors import CellError, CorruptError
from ringfence.events.ids.hashing import mark_of
from ringfence.features.kernel import layout as at
from ringfence.features.kernel.retained import count_retained, take_retained

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.features.program import CompiledFeatures
    from ringfence.features.spec import Entity, FeatureSpec

MOST_BYTES: Final = 1 << 30
"""The largest cell."""

_MAGIC: Final = b"RFCELL01"
_HEADER: Final = struct.Struct("<8s8s8sqQ")
_CHECKSUM: Final = struct.Struct("<Q")


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """Input rows of the kernel in order of time."""

    rows: NDArray[np.int64]  # (events, input columns)
    places: NDArray[np.float64]  # (events, 2), or (1, 2) where no feature needs them
    clock_ms: int  # the stream's, when they left

    def to_bytes(self, compiled: CompiledFeatures, seed: int) -> bytes:
        """The cell, for an engine of the same specification and seed."""
        spec, mark = _names(compiled.spec.digest, seed)
        parts = [
            _HEADER.pack(_MAGIC, spec, mark, self.clock_ms, len(self.rows)),
            self.rows[:, at.IN_ROW :].astype("<i8").tobytes(),
            self.places.astype("<f8").tobytes() if compiled.needs_places else b"",
        ]
        whole = b"".join(parts)
        return whole + _CHECKSUM.pack(xxhash.xxh3_64_intdigest(whole))

    @classmethod
    def from_bytes(cls, data: bytes, compiled: CompiledFeatures, seed: int) -> Cell:
        """What `to_bytes` gave. CorruptError for damage, CellError for what belongs elsewhere."""
        if not _HEADER.size + _CHECKSUM.size <= len(data) <= MOST_BYTES:
            raise CorruptError(f"{len(data):,} bytes are no cell; take the keys again")
        magic, spec, mark, clock_ms, events = _HEADER.unpack_from(data)
        if magic != _MAGIC:
            raise CellError(
                f"a cell begins with {_MAGIC!r}, this with {magic!r}; "
                "take and put with the same version of Ringfence"
            )
        (checksum,) = _CHECKSUM.unpack_from(data, len(data) - _CHECKSUM.size)
        if xxhash.xxh3_64_intdigest(data[: -_CHECKSUM.size]) != checksum:
            raise CorruptError("a cell fails its checksum; send it again, or take the keys again")
        own_spec, own_mark = _names(compiled.spec.digest, seed)
        if spec != own_spec:
            raise CellError(
                f"the cell is of the specification {spec.hex()}, the engine of {own_spec.hex()}; "
                "keys move between engines of one specification"
            )
        if mark != own_mark:
            raise CellError(
                "the cell's keys are hashed with another seed; keys move between engines of one seed"
            )
        if len(data) != _bytes_of(compiled, events):
            raise CorruptError(f"a cell of {events:,} events has {len(data):,} bytes; take the keys again")
        cell = _blank(compiled, events, clock_ms)
        words = np.frombuffer(data, "<i8", cell.rows[:, at.IN_ROW :].size, _HEADER.size)
        cell.rows[:, at.IN_ROW :] = words.reshape(events, -1) if events else 0
        if compiled.needs_places:
            cell.places[:] = np.frombuffer(data, "<f8", 2 * events, _HEADER.size + words.nbytes).reshape(
                -1, 2
            )
        return cell


def taken(
    state: at.State, compiled: CompiledFeatures, keys: NDArray[np.int64], most_bytes: int | None = None
) -> Cell:
    """The retained events of keys, which the state then has forgotten.

    CellError, and all stays, if they need more bytes than that.
    """
    only_entity(compiled.spec)
    keys = np.unique(keys)
    counts = retained(state, compiled, keys)
    events = int(counts[counts > 0].sum())
    size = _bytes_of(compiled, events)
    if most_bytes is not None and size > most_bytes:
        raise CellError(
            f"{len(keys):,} keys with {events:,} events need a cell of {size:,} bytes, and the largest is "
            f"{most_bytes:,}; take fewer keys at once"
        )
    cell = _blank(compiled, events, int(state.counters[at.WATERMARK]))
    take_retained(state, compiled.program, keys, counts, cell.rows, cell.places)
    order = np.argsort(cell.rows[:, at.IN_ROW], kind="stable")
    return Cell(cell.rows[order], cell.places[order] if compiled.needs_places else cell.places, cell.clock_ms)


def make_way(state: at.State, compiled: CompiledFeatures, cell: Cell) -> None:
    """Forget what the state has of a cell's keys and no window can reach. CellError if there is more."""
    keys = np.unique(cell.rows[:, compiled.key_column])
    counts = retained(state, compiled, keys)
    if (counts > 0).any():
        raise CellError(
            f"{np.count_nonzero(counts > 0):,} of the cell's {len(keys):,} keys are in this engine already; "
            "a cell is put once, before the keys' next events"
        )
    if (counts == 0).any():
        taken(state, compiled, keys)


def retained(state: at.State, compiled: CompiledFeatures, keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many events are retained of each key, -1 where the state does not know the key."""
    counts = np.empty(len(keys), np.int64)
    count_retained(state, compiled.program, keys, counts)
    return counts


def keys_of(state: at.State, compiled: CompiledFeatures) -> NDArray[np.int64]:
    """Hashes of the keys in a state of one entity, sorted."""
    only_entity(compiled.spec)
    cells = state.table[state.table != 0] & ((1 << 32) - 1)
    return np.sort(state.arena[cells * at.UNIT + at.KEY] ^ compiled.program.entities[0, at.E_SALT])


def shard_of(keys: NDArray[np.int64], shards: int) -> NDArray[np.int64]:
    """Which of so many shards each key hash belongs to, 0 to shards - 1; key 0, for null, to the first.

    >>> shard_of(np.array([0, 1 << 17, 1 << 18, -1]), 4).tolist()
    [0, 1, 2, 3]
    """
    return ((keys.astype(np.uint64) >> np.uint64(17)) % np.uint64(shards)).astype(np.int64)


def only_entity(spec: FeatureSpec) -> Entity:
    """The specification's entity. CellError if it has several."""
    names = [item.name for item in spec.entities]
    if len(names) != 1:
        raise CellError(
            f"keys move between engines of one entity, and this one has {', '.join(names) or 'none'}; "
            "make an engine for each: Engine(spec.of_entity(name))"
        )
    return spec.entities[0]


def _blank(compiled: CompiledFeatures, events: int, clock_ms: int) -> Cell:
    rows = np.empty((events, compiled.input_columns), np.int64)
    rows[:, at.IN_KIND] = at.IS_EVENT
    rows[:, at.IN_CLOCK] = at.LONG_AGO  # so that none of them is late
    return Cell(rows, np.empty((events if compiled.needs_places else 1, 2)), clock_ms)


@lru_cache(maxsize=8)
def _names(digest: str, seed: int) -> tuple[bytes, bytes]:
    return bytes.fromhex(digest), bytes.fromhex(mark_of(seed))


def _bytes_of(compiled: CompiledFeatures, events: int) -> int:
    words = compiled.input_columns - at.IN_ROW + 2 * compiled.needs_places
    return _HEADER.size + 8 * words * events + _CHECKSUM.size
