"""A column of texts as codes into a short list of words: comparisons look at each word once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Text:
    """`words[codes[i]]` is the text of row i; code -1 is null. One code stands for all rows of a constant."""

    codes: NDArray[np.int32]
    words: Sequence[str | None]

    @classmethod
    def of(cls, values: Any) -> Text:
        """From an Arrow text or dictionary array; any other type is all null."""
        if not pa.types.is_dictionary(values.type):
            if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
                return cls(np.full(len(values), -1, np.int32), [])
            if len(values) <= _FEW:
                texts = values.to_pylist()
                return cls(
                    np.array([-1 if text is None else row for row, text in enumerate(texts)], np.int32), texts
                )
            values = values.dictionary_encode()
        codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
        words = values.dictionary.to_pylist()
        if values.dictionary.null_count:
            codes = np.where(np.append([word is None for word in words], False)[codes], np.int32(-1), codes)
        return cls(codes, words)

    @classmethod
    def constant(cls, word: str) -> Text:
        """The same text in every row.

        >>> Text.constant("US").where(str.islower)
        array([False])
        """
        return cls(_ZERO, [word])

    @property
    def is_null(self) -> NDArray[np.bool_]:
        return self.codes < 0

    def where(self, holds: Callable[[str], bool]) -> NDArray[np.bool_]:
        """Rows whose text satisfies a predicate; null does not."""
        found = [word is not None and holds(word) for word in self.words]
        found.append(False)  # code -1
        return np.array(found, np.bool_)[self.codes]

    def map(self, change: Callable[[str], str]) -> Text:
        """Every text changed."""
        return Text(self.codes, [word if word is None else change(word) for word in self.words])

    def lengths(self) -> NDArray[np.float64]:
        """Number of characters, NaN for null."""
        return np.array([*(np.nan if word is None else len(word) for word in self.words), np.nan])[self.codes]

    def null_where(self, mask: NDArray[np.bool_]) -> Text:
        """Null in these rows."""
        return Text(np.where(mask, np.int32(-1), self.codes), self.words)

    def otherwise(self, keep: NDArray[np.bool_], other: Text) -> Text:
        """This text in the rows of `keep`, `other` elsewhere."""
        shifted = np.where(other.codes < 0, np.int32(-1), other.codes + np.int32(len(self.words)))
        return Text(np.where(keep, self.codes, shifted), [*self.words, *other.words])


_ZERO = np.zeros(1, np.int32)
_FEW = 64  # texts that are sooner looked at one by one than sorted out


def ranks(left: Text, right: Text) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both columns as numbers that compare as the texts do (by code point), NaN for null."""
    used = {word for word in (*left.words, *right.words) if word is not None}
    order: dict[str | None, float] = {word: float(rank) for rank, word in enumerate(sorted(used))}

    def ranked(text: Text) -> NDArray[np.float64]:
        return np.array([*(order.get(word, np.nan) for word in text.words), np.nan])[text.codes]

    return ranked(left), ranked(right)


@lru_cache(maxsize=1024)
def like(pattern: str) -> Callable[[str], bool]:
    """Predicate of an SQL LIKE pattern.

    `%` any run, `_` any one character. Time is linear in the text per `%`.

    >>> like("gro%_pos")("grocery_pos"), like("%a_c")("abcd")
    (True, False)
    """
    pieces = [
        re.compile("".join("." if c == "_" else re.escape(c) for c in piece), re.DOTALL)
        for piece in pattern.split("%")
    ]
    first, last, middle = pieces[0], pieces[-1], pieces[1:-1]
    if len(pieces) == 1:
        return lambda word: first.fullmatch(word) is not None
    tail = len(pattern.rsplit("%", 1)[1])

    def matches(word: str) -> bool:
        start = first.match(word)
        end = len(word) - tail
        if start is None or end < start.end() or last.fullmatch(word, end) is None:
            return False
        at = start.end()
        for piece in middle:
            found = piece.search(word, at, end)
            if found is None:
                return False
            at = found.end()
        return True

    return matches
