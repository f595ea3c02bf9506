"""What travels between stages and what they keep: some numbers and some arrays in one run of bytes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from ringfence.errors import CorruptError
from ringfence.events.batch import EventBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

EVENTS, PLACES, CONTROL, FLOOR, FEATURES = range(5)
"""What an element for `decide` is, third of its numbers: events of a chunk, their places in the log; control
events; how far every payment has been told; what a shard measured of a chunk."""

ASKS_NOTHING: Final = 1 << 62
"""The epoch of an event that is no payment: it has to be decided before no control event."""

_HEAD: Final = struct.Struct("<4sHH")
_ARRAY: Final = struct.Struct("<BBxxIQ")
_MAGIC: Final = b"RFE1"
_TYPES: Final = tuple(np.dtype(name) for name in ("u1", "<i4", "<i8", "<f8"))
_NUMBER_OF: Final = {kind: number for number, kind in enumerate(_TYPES)}


class Element(NamedTuple):
    """Bytes on their way: to which stage or output, and to which of its keys."""

    to: str
    key: int
    data: bytes


def pack(numbers: Sequence[int], *arrays: NDArray[Any]) -> bytes:
    """Numbers of 64 bits and arrays of one or two dimensions, for `unpack`."""
    parts: list[bytes | memoryview] = [
        _HEAD.pack(_MAGIC, len(numbers), len(arrays)),
        struct.pack(f"<{len(numbers)}q", *numbers),
    ]
    for array in arrays:
        columns = array.shape[1] if array.ndim > 1 else 0
        parts.append(_ARRAY.pack(_NUMBER_OF[array.dtype], array.ndim, columns, array.shape[0]))
    for array in arrays:
        if array.size:  # an empty array has no buffer that could be joined
            parts.append(array.data if array.flags.c_contiguous else array.tobytes())
            parts.append(bytes(-array.nbytes % 8))
    return b"".join(parts)


def unpack(data: bytes, *, writable: bool = False) -> tuple[tuple[int, ...], list[NDArray[Any]]]:
    """What `pack` was given. The arrays share the memory of `data`, or of one copy that may be written."""
    magic, numbers, arrays = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        raise CorruptError("an element between two stages is damaged: start again from the last checkpoint")
    buffer: bytes | bytearray = bytearray(data) if writable else data
    at = _HEAD.size
    told = struct.unpack_from(f"<{numbers}q", data, at)
    at += 8 * numbers
    shapes = [_ARRAY.unpack_from(data, at + _ARRAY.size * number) for number in range(arrays)]
    at += _ARRAY.size * arrays
    found = []
    for kind, dimensions, columns, rows in shapes:
        count = rows * columns if dimensions > 1 else rows
        array = np.frombuffer(buffer, _TYPES[kind], count, at)
        found.append(array.reshape(rows, columns) if dimensions > 1 else array)
        at += array.nbytes + -array.nbytes % 8
    return told, found


def to_bytes(events: EventBatch) -> NDArray[np.uint8]:
    """A batch as Arrow's stream format, as an array for `pack`."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, events.used.schema) as stream:
        stream.write_batch(events.used)
    return np.frombuffer(sink.getvalue(), np.uint8)


def to_events(data: NDArray[np.uint8]) -> EventBatch:
    """The batch that `to_bytes` was given."""
    with pa.ipc.open_stream(pa.py_buffer(data)) as stream:
        return EventBatch(stream.read_next_batch())
