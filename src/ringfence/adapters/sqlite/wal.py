"""Whether SQLite would leave out committed transactions of a damaged write-ahead log without a word.

    header, 32 bytes | frame: header of 24 bytes, page | frame | ...

SQLite takes the frames up to the first whose checksum is wrong, as a power cut leaves it, for all there is.
A power cut tears the last transaction only: what follows on a torn frame was answered, and is lost. The sum
goes over pairs of words, each with the sums so far: a frame's starts with those of the frame before.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.errors import CorruptError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_HEADER: Final = struct.Struct(">8I")
_FRAME: Final = 24
_MAGIC: Final = 0x377F0682  # its last bit says that sums are over big-endian words
_AT_ONCE: Final = 1024  # frames


def check_log(path: Path) -> str | None:
    """`CorruptError` where acknowledged transactions would be left out; a remark where the last one is torn.

    For a file that nobody writes to.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    if size <= _HEADER.size:
        return None
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
        magic, _, page, _, *salts, one, two = _HEADER.unpack(head)
        big = bool(magic & 1)
        if magic & ~1 != _MAGIC or _sums(head[:24], (0, 0), big=big) != (one, two):
            raise _lost(path, "its header is damaged")
        before = np.array([[one, two]], np.uint32)
        damaged, lost = None, 0
        for begin in range(0, (size - _HEADER.size) // (_FRAME + page), _AT_ONCE):
            content = file.read(_AT_ONCE * (_FRAME + page))
            frames = np.frombuffer(content, np.uint8)[: len(content) // (_FRAME + page) * (_FRAME + page)]
            frames = frames.reshape(-1, _FRAME + page)
            heads = np.ascontiguousarray(frames[:, :_FRAME]).view(">u4").astype(np.uint32)
            ours = (heads[:, 2:4] == np.array(salts, np.uint32)).all(1)
            chain = np.concatenate([before, heads[:-1, 4:6]])
            sound = ours & (_frame_sums(frames, chain, big=big) == heads[:, 4:6]).all(1)
            before = heads[-1:, 4:6]
            commits = ours & (heads[:, 1] != 0)
            start = 0
            if damaged is None:
                if sound.all():
                    continue
                start = int(np.flatnonzero(~sound)[0])
                damaged = begin + start
            lost += int(np.count_nonzero(commits[start:]))
    if lost > 1:
        raise _lost(path, f"frame {damaged:,} is damaged, {lost:,} transactions follow on it")
    return f"the last transaction in {path} is torn and left out, as after a power failure" if lost else None


def _lost(path: Path, why: str) -> CorruptError:
    return CorruptError(
        f"{path}: {why}, and opening the store would drop what was acknowledged. Restore the folder from a "
        f"backup (`ringfence restore`), or move {path.name} away to go on without what it holds"
    )


@lru_cache(maxsize=4)
def _weights(pairs: int) -> NDArray[np.uint32]:
    """What each word, and each sum at the start, adds to the two sums at the end: (2, words + 2), mod 2**32.

    A pair (x, y) makes of the sums (s, t): s + t + x and s + 2t + x + y.
    """
    low = np.uint64(0xFFFFFFFF)
    step = np.array([[1, 1], [1, 2]], np.uint64)
    entry = np.array([[1, 0], [1, 1]], np.uint64)
    found = np.zeros((2, 2 * pairs + 2), np.uint64)
    power: NDArray[np.uint64] = np.eye(2, dtype=np.uint64)
    for pair in range(pairs - 1, -1, -1):
        found[:, 2 * pair : 2 * pair + 2] = power @ entry & low
        power = power @ step & low
    found[:, -2:] = power
    return found.astype(np.uint32)


def _sums(data: bytes, start: tuple[int, int], *, big: bool) -> tuple[int, int]:
    words = np.frombuffer(data, ">u4" if big else "<u4").astype(np.uint32)
    every = np.concatenate([words, np.array(start, np.uint32)])
    one, two = (_weights(len(words) // 2) * every).sum(axis=1, dtype=np.uint32)
    return int(one), int(two)


def _frame_sums(frames: NDArray[np.uint8], chain: NDArray[np.uint32], *, big: bool) -> NDArray[np.uint32]:
    """Sums of each frame's first two words and its page, going on from those of the frame before."""
    summed = np.concatenate([frames[:, :8], frames[:, _FRAME:]], axis=1)
    words = summed.view(">u4" if big else "<u4").astype(np.uint32)
    weights = _weights(words.shape[1] // 2)
    return np.stack(
        [
            (words * weight[:-2]).sum(axis=1, dtype=np.uint32)
            + (chain * weight[-2:]).sum(axis=1, dtype=np.uint32)
            for weight in weights
        ],
        axis=1,
    )
