"""Records of one partition as a batcher hands them over: plain columns that Java writes without a library."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ringfence.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_HEAD: Final = struct.Struct("<4sii")
_MAGIC: Final = b"RFK1"


class Frame(NamedTuple):
    """Consecutive records of a partition; a value is None for a tombstone, which only moves the clock."""

    partition: int
    offsets: NDArray[np.int64]
    append_ms: NDArray[np.int64]
    values: list[bytes | None]


def frame(
    partition: int, offsets: Sequence[int], append_ms: Sequence[int], values: Sequence[bytes | None]
) -> bytes:
    """Some records as a frame: little-endian, column by column.

    >>> parsed(frame(3, [7, 8], [1000, 1001], [b"{}", None])).values
    [b'{}', None]
    """
    ends = np.cumsum([0, *(len(value or b"") for value in values)]).astype("<i4")
    nulls = np.array([value is None for value in values], np.uint8)
    return b"".join(
        [
            _HEAD.pack(_MAGIC, partition, len(values)),
            np.asarray(offsets, "<i8").tobytes(),
            np.asarray(append_ms, "<i8").tobytes(),
            ends.tobytes(),
            nulls.tobytes(),
            *(value or b"" for value in values),
        ]
    )


def parsed(data: bytes) -> Frame:
    """The records of a frame. `CorruptError` where it is none."""
    try:
        magic, partition, count = _HEAD.unpack_from(data)
        at = _HEAD.size
        offsets = np.frombuffer(data, "<i8", count, at)
        append_ms = np.frombuffer(data, "<i8", count, at + 8 * count)
        ends = np.frombuffer(data, "<i4", count + 1, at + 16 * count)
        nulls = np.frombuffer(data, np.uint8, count, at + 16 * count + 4 * (count + 1))
    except (struct.error, ValueError) as error:
        raise CorruptError(f"a frame of {len(data):,} bytes is cut short: {error}") from error
    begin = at + 21 * count + 4
    if magic != _MAGIC or len(data) != begin + int(ends[-1]) or (np.diff(ends) < 0).any():
        raise CorruptError(f"{len(data):,} bytes are no frame of records of a partition")
    cuts = (ends + begin).tolist()
    values = [
        None if null else data[start:stop]
        for start, stop, null in zip(cuts[:-1], cuts[1:], nulls.tolist(), strict=True)
    ]
    return Frame(partition, offsets, append_ms, values)
