"""Card numbers that have come before, with what became of them: cards come again, batch after batch."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.compiling import compiled
from ringfence.events.buffers import null_mask, spans
from ringfence.events.model import BIN_FIELDS
from ringfence.events.values.bins import SHORTEST as SHORTEST_WITH
from ringfence.events.values.bins import Card

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

SHORTEST: Final = 12
LONGEST: Final = 19
_MOST: Final = 1 << 20  # cards; with one more all are forgotten
_LEAST: Final = 1 << 10  # slots to begin with
_TOKEN_BYTES: Final = 36
_DIGITS_KEPT: Final = 4
_FIRST_KEPT: Final = max(BIN_FIELDS.values())
_ZERO, _NINE = 48, 57
_MIX = np.uint64(0x9E3779B97F4A7C15)
_HIGH = np.uint64(32)


class CardMemory:
    """Tokens, first and last digits of card numbers, in memory and nowhere else. Thread-safe."""

    def __init__(self, token: Callable[[str], str], most: int = _MOST) -> None:
        """`token` makes the 36 characters that stand for a number; `most` numbers are remembered."""
        self._token = token
        self._most = most
        self._lock = Lock()
        self._numbers, self._places_of = _table(_LEAST)
        self._tokens, self._last = _cells(_TOKEN_BYTES), _cells(_DIGITS_KEPT)
        self._first, self._size = _cells(_FIRST_KEPT), _cells(1)
        self._count = 1  # place 0 is null's

    def columns(self, texts: Any) -> Card | None:
        """Columns of what is kept of them, null where a text is; None unless all are plain numbers.

        A plain number has 12 to 19 digits, the first of them not 0, and nothing else.
        """
        with self._lock:
            places = self._places(texts)
            if places is None:
                return None
            valid = texts.is_valid().buffers()[1] if texts.null_count else None
            kept = _texts(self._tokens[places], valid), _texts(self._last[places], valid)
            size, first = self._size[places, 0], self._first[places]
            bins = (
                _texts(first[:, :digits], _bits(size >= SHORTEST_WITH[name]))
                for name, digits in BIN_FIELDS.items()
            )
            return Card(*kept, *bins)

    def _places(self, texts: Any) -> NDArray[np.int32] | None:
        """Per text its place, 0 for null."""
        places = self._find(texts)
        missing = places < 0
        if not missing.any():
            return places
        new = pc.unique(texts.filter(pa.array(missing)))
        if self._count + len(new) > self._most:
            self._forget()
            new = pc.unique(texts.drop_null())
        words = new.to_pylist()
        if self._count + len(words) > self._most or not all(map(_is_plain, words)):
            return None
        self._learn(words)
        return self._find(texts)

    def _find(self, texts: Any) -> NDArray[np.int32]:
        """Per text its place, 0 for null, -1 where it is not known."""
        places = _find(*spans(texts), self._numbers, self._places_of)
        empty = null_mask(texts)
        if empty is not None:
            places[empty] = 0
        return places

    def _learn(self, words: Sequence[str]) -> None:
        """Remember new plain numbers."""
        first, self._count = self._count, self._count + len(words)
        while self._count >= len(self._tokens):
            self._tokens, self._last = _doubled(self._tokens), _doubled(self._last)
            self._first, self._size = _doubled(self._first), _doubled(self._size)
        tokens = "".join(map(self._token, words)).encode()
        self._tokens[first : self._count] = np.frombuffer(tokens, np.uint8).reshape(-1, _TOKEN_BYTES)
        last = "".join(word[-_DIGITS_KEPT:] for word in words).encode()
        self._last[first : self._count] = np.frombuffer(last, np.uint8).reshape(-1, _DIGITS_KEPT)
        front = "".join(word[:_FIRST_KEPT] for word in words).encode()
        self._first[first : self._count] = np.frombuffer(front, np.uint8).reshape(-1, _FIRST_KEPT)
        self._size[first : self._count, 0] = [len(word) for word in words]
        while 2 * self._count > len(self._numbers):
            old = self._numbers, self._places_of
            self._numbers, self._places_of = _table(2 * len(self._numbers))
            known = old[0] != 0
            _enter(old[0][known], old[1][known], self._numbers, self._places_of)
        places = np.arange(first, self._count, dtype=np.int32)
        _enter(np.array([int(word) for word in words], np.uint64), places, self._numbers, self._places_of)

    def _forget(self) -> None:
        self._numbers, self._places_of = _table(_LEAST)
        self._count = 1


def _is_plain(word: str) -> bool:
    return SHORTEST <= len(word) <= LONGEST and word.isascii() and word.isdigit() and word[0] != "0"


def _table(slots: int) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    return np.zeros(slots, np.uint64), np.zeros(slots, np.int32)


def _cells(width: int) -> NDArray[np.uint8]:
    return np.zeros((_LEAST // 2, width), np.uint8)


def _doubled(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([array, np.zeros_like(array)])


def _bits(mask: NDArray[np.bool_]) -> Any:
    """Arrow's validity of rows, None where all are."""
    return None if mask.all() else pa.py_buffer(np.packbits(mask, bitorder="little"))


def _texts(cells: NDArray[np.uint8], valid: Any) -> Any:
    """Text column of a matrix of characters, one row each."""
    rows, width = cells.shape
    cells = np.ascontiguousarray(cells)
    offsets = np.arange(rows + 1, dtype=np.int32) * width
    return pa.Array.from_buffers(pa.string(), rows, [valid, pa.py_buffer(offsets), pa.py_buffer(cells)])


@compiled(nogil=True)
def _slot(number: np.uint64, numbers: NDArray[np.uint64]) -> np.int64:
    """Where a number stands, or the free slot where it would."""
    mask = len(numbers) - 1
    at = np.int64((number * _MIX) >> _HIGH) & mask
    while numbers[at] != 0 and numbers[at] != number:
        at = (at + 1) & mask
    return at


@compiled(nogil=True)
def _find(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int32] | NDArray[np.int64],
    numbers: NDArray[np.uint64],
    places: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Place of each text's number, -1 where it is not known or is none."""
    found = np.full(len(offsets) - 1, -1, np.int32)
    for row in range(len(found)):
        start, stop = offsets[row], offsets[row + 1]
        if stop - start < SHORTEST or stop - start > LONGEST or data[start] == _ZERO:
            continue
        number = np.uint64(0)
        for at in range(start, stop):
            if data[at] < _ZERO or data[at] > _NINE:
                number = np.uint64(0)
                break
            number = number * np.uint64(10) + np.uint64(data[at] - _ZERO)
        if number != 0:
            slot = _slot(number, numbers)
            if numbers[slot] == number:
                found[row] = places[slot]
    return found


@compiled(nogil=True)
def _enter(
    new: NDArray[np.uint64],
    new_places: NDArray[np.int32],
    numbers: NDArray[np.uint64],
    places: NDArray[np.int32],
) -> None:
    for row in range(len(new)):
        slot = _slot(new[row], numbers)
        numbers[slot] = new[row]
        places[slot] = new_places[row]
