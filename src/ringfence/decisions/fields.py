"""Columns of decisions as they are made: written as Arrow lays them out, and read as Python values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from ringfence.events.buffers import spans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ringfence.decisions.stream import Body


class FieldColumn(ABC):
    """Values of one field, row by row."""

    __slots__ = ()

    @abstractmethod
    def put(self, body: Body) -> None:
        """See `stream.Field`."""

    @abstractmethod
    def values(self) -> list[Any]:
        """As Python values, None for null."""


class Numbers(FieldColumn):
    """Numbers of 64 bits, none of them null."""

    __slots__ = ("array",)

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array

    def put(self, body: Body) -> None:
        body.array(len(self.array), b"", self.array.tobytes())

    def values(self) -> list[Any]:
        found: list[Any] = self.array.tolist()
        return found


class Floats(Numbers):
    """Float64, null where not finite."""

    __slots__ = ()

    def put(self, body: Body) -> None:
        known = np.isfinite(self.array)
        nulls = len(known) - int(np.count_nonzero(known))
        body.array(len(known), _bits(known) if nulls else b"", self.array.tobytes(), nulls=nulls)

    def values(self) -> list[float | None]:
        known = np.isfinite(self.array).tolist()
        return [
            value if is_known else None for value, is_known in zip(self.array.tolist(), known, strict=True)
        ]


class Codes(FieldColumn):
    """Places in a list of words, int8, null below 0."""

    __slots__ = ("codes", "words")

    def __init__(self, codes: NDArray[np.int8], words: Sequence[str]) -> None:
        self.codes = codes
        self.words = words

    def put(self, body: Body) -> None:
        known = self.codes >= 0
        nulls = len(known) - int(np.count_nonzero(known))
        body.array(len(known), _bits(known) if nulls else b"", self.codes.tobytes(), nulls=nulls)

    def values(self) -> list[str | None]:
        return [None if code < 0 else self.words[code] for code in self.codes.tolist()]


class Truths(FieldColumn):
    """True or false."""

    __slots__ = ("array",)

    def __init__(self, array: NDArray[np.bool_]) -> None:
        self.array = array

    def put(self, body: Body) -> None:
        body.array(len(self.array), b"", _bits(self.array))

    def values(self) -> list[bool]:
        found: list[bool] = self.array.tolist()
        return found


class TextColumns(FieldColumn):
    """Texts of an Arrow array, none of them null."""

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array if pa.types.is_string(array.type) else array.cast(pa.string())

    def put(self, body: Body) -> None:
        data, places = spans(self.array)
        begin = places[0]
        body.array(len(self.array), b"", (places - begin).tobytes(), data[begin : places[-1]].tobytes())

    def values(self) -> list[str]:
        found: list[str] = self.array.to_pylist()
        return found


class WordColumns(FieldColumn):
    """Texts, a list of them."""

    __slots__ = ("texts",)

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def put(self, body: Body) -> None:
        parts = list(map(_utf8, self.texts))
        ends = np.array(list(accumulate(map(len, parts), initial=0)), np.int32)
        body.array(len(parts), b"", ends.tobytes(), b"".join(parts))

    def values(self) -> list[str]:
        return self.texts


def _bits(truths: NDArray[np.bool_]) -> bytes:
    return np.packbits(truths, bitorder="little").tobytes()


@lru_cache(maxsize=4096)
def _utf8(text: str) -> bytes:
    return text.encode()


class ListColumns(FieldColumn):
    """Lists: row i has the values `starts[i]` to `starts[i + 1]` of another column."""

    __slots__ = ("inside", "starts")

    def __init__(self, starts: NDArray[np.int32], inside: FieldColumn) -> None:
        self.starts = starts
        self.inside = inside

    def put(self, body: Body) -> None:
        body.array(len(self.starts) - 1, b"", self.starts.tobytes())
        self.inside.put(body)

    def values(self) -> list[list[Any]]:
        if not self.starts[-1]:
            return [[] for _ in range(len(self.starts) - 1)]
        inside, starts = self.inside.values(), self.starts.tolist()
        return [inside[begin:end] for begin, end in pairwise(starts)]


class _NoLists(ListColumns):
    """Empty lists: most payments have nothing said of them."""

    __slots__ = ("_buffers",)

    def __init__(self, width: int, inside: FieldColumn, *buffers: bytes) -> None:
        super().__init__(np.zeros(width + 1, np.int32), inside)
        self._buffers = buffers

    def put(self, body: Body) -> None:
        body.array(len(self.starts) - 1, b"", bytes(4 * len(self.starts)))
        body.array(0, *self._buffers)


@lru_cache(maxsize=128)
def no_texts(width: int) -> ListColumns:
    """So many empty lists of texts."""
    return _NoLists(width, WordColumns([]), b"", bytes(4), b"")


@lru_cache(maxsize=128)
def no_floats(width: int) -> ListColumns:
    """So many empty lists of numbers."""
    return _NoLists(width, Floats(np.empty(0)), b"", b"")


def lists_of_texts(lists: Sequence[Sequence[str]]) -> ListColumns:
    """These lists."""
    starts = np.array(list(accumulate(map(len, lists), initial=0)), np.int32)
    return ListColumns(starts, WordColumns([text for one in lists for text in one]))


def some_lists(
    rows: NDArray[np.int64], values: list[list[Any]], width: int, kind: type[WordColumns | Floats]
) -> ListColumns:
    """Lists of which those in `rows` (ascending) are `values`, the others empty."""
    if not len(rows):
        return no_texts(width) if kind is WordColumns else no_floats(width)
    starts = np.zeros(width + 1, np.int32)
    starts[rows + 1] = [len(one) for one in values]
    flat = [item for one in values for item in one]
    inside = WordColumns(flat) if kind is WordColumns else Floats(np.array(flat, np.float64))
    return ListColumns(np.cumsum(starts, dtype=np.int32), inside)


class Matrix(NamedTuple):
    """A column of float64 for each row of a matrix, null where not finite."""

    values: NDArray[np.float64]

    def put(self, body: Body) -> None:
        """See `stream.Field`."""
        body.matrix(self.values, np.isfinite(self.values))


class Cells(NamedTuple):
    """The true cells of a boolean matrix (n_labels, n), by column (a transaction), then label."""

    column: NDArray[np.int64]
    label: NDArray[np.int64]
    width: int  # columns of the matrix

    @classmethod
    def of(cls, matrix: NDArray[np.bool_]) -> Cells:
        """Cells of a matrix."""
        if not matrix.any():
            return cls(_NO_CELLS, _NO_CELLS, matrix.shape[1])
        column, label = np.divmod(np.flatnonzero(np.ascontiguousarray(matrix.T)), matrix.shape[0])
        return cls(column, label, matrix.shape[1])

    def renamed(self, names: NDArray[np.int64], size: int) -> Cells:
        """Each label replaced by `names[label]` (below `size`); of equal ones in a column the first stays."""
        label = names[self.label]
        if label.size < 2:
            return Cells(self.column, label, self.width)
        _, first = np.unique(self.column * size + label, return_index=True)
        first.sort()
        return Cells(self.column[first], label[first], self.width)

    def starts(self) -> NDArray[np.int32]:
        """Where the cells of each column begin, and where the last ones end."""
        found = np.zeros(self.width + 1, np.int32)
        np.cumsum(np.bincount(self.column, minlength=self.width), out=found[1:])
        return found

    def lists(self, labels: Sequence[str]) -> ListColumns:
        """Lists: row i holds the labels of column i, in order."""
        if not self.column.size:
            return no_texts(self.width)
        return ListColumns(self.starts(), WordColumns([labels[label] for label in self.label.tolist()]))


_NO_CELLS = np.empty(0, np.int64)
