"""Events of one type in columns, against which patterns are tried all at once.

A subscriber's pattern costs a few operations on whole columns, however many events there are; only events
that somebody wants become JSON.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.bus.condition import Condition
from ringfence.bus.pattern import (
    AnythingBut,
    Every,
    Exact,
    Exists,
    FieldPattern,
    Numeric,
    Path,
    Pattern,
    Test,
    TextPattern,
    Wildcard,
    is_taken,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


class EventTable:
    """Events as columns: what no column says of an event, its JSON leaves out.

    A column that nobody asks for is not made, and of a small portion few are asked for.

    Args:
        rows: how many events there are.
        constants: what is the same in all of them, by path.
        columns: by path, Arrow arrays of texts, numbers, truth values or lists of texts, or what makes one.
        groups: what gives further columns, by the path that all of these are under.
    """

    def __init__(
        self,
        rows: int,
        constants: Mapping[Path, str],
        columns: Mapping[Path, Any],
        groups: Mapping[Path, Callable[[], Mapping[Path, Any]]] | None = None,
    ) -> None:
        self._rows = rows
        self._constants = dict(constants)
        self._columns = dict(columns)
        self._groups = dict(groups or {})
        self._made: dict[Path, Any] = {}
        self._asked: dict[Path, _Column | None] = {}
        self._known: dict[FieldPattern, Mask] = {}

    def __len__(self) -> int:
        return self._rows

    @property
    def paths(self) -> set[Path]:
        """Every field that one of these events may have."""
        for prefix in list(self._groups):
            self._open(prefix)
        return {*self._constants, *self._columns}

    def matching(self, pattern: Pattern) -> Mask:
        """Which events a pattern wants, as `pattern.matches` says of their JSON."""
        if isinstance(pattern, FieldPattern):
            found = self._known.get(pattern)
            if found is None:
                found = self._known[pattern] = self._field(pattern)
            return found
        if isinstance(pattern, Condition):
            return pattern.taken(self)
        parts = [self.matching(part) for part in pattern.parts]
        unite = np.logical_and if isinstance(pattern, Every) else np.logical_or
        return unite.reduce(parts)

    def column(self, path: Path) -> Any:
        """The values of a field as an Arrow array; None where none of these events may have it."""
        if path in self._constants:
            return pa.repeat(self._constants[path], self._rows)
        if path not in self._made:
            for prefix in [one for one in self._groups if path[: len(one)] == one]:
                self._open(prefix)
            found = self._columns.get(path)
            self._made[path] = _plain(found() if callable(found) else found)
        return self._made[path]

    def numbers(self, path: Path) -> NDArray[np.int64]:
        """A column of whole numbers that every event has."""
        found: NDArray[np.int64] = self.column(path).to_numpy()
        return found

    def events(self, rows: Sequence[int], without: Collection[Path] = ()) -> list[dict[str, Any]]:
        """These events as JSON values, without what is under some paths."""
        found: list[dict[str, Any]] = [{} for _ in rows]
        for path, value in self._constants.items():
            for event in found:
                _under(event, path[:-1])[path[-1]] = value
        for prefix in [one for one in self._groups if one not in without]:
            self._open(prefix)
        by_place: dict[Path, dict[str, list[Any]]] = {}
        taken = None if list(rows) == list(range(self._rows)) else pa.array(rows, pa.int64())
        for path in self._columns:
            if not any(path[: len(one)] == one for one in without):
                by_place.setdefault(path[:-1], {})[path[-1]] = _values(self.column(path), taken)
        for place, columns in sorted(by_place.items()):  # whatever was asked for first
            for event, *values in zip(found, *columns.values(), strict=True):
                told = {name: value for name, value in zip(columns, values, strict=True) if value is not None}
                if told:
                    _under(event, place).update(told)
        return found

    def _open(self, prefix: Path) -> None:
        """Have the columns of a group."""
        self._columns |= self._groups.pop(prefix)()

    def _field(self, field: FieldPattern) -> Mask:
        if field.path in self._constants:
            value = self._constants[field.path]
            taken = any(is_taken(test, value) for test in field.tests)
            return np.full(self._rows, taken)
        column = self._column(field.path)
        if column is None:
            return np.full(self._rows, any(test == Exists(there=False) for test in field.tests))
        return np.logical_or.reduce([column.taken(test) for test in field.tests])

    def _column(self, path: Path) -> _Column | None:
        if path not in self._asked:
            found = self.column(path)
            self._asked[path] = None if found is None else _Column(found)
        return self._asked[path]


class _Column:
    """The values of a column, each distinct text once."""

    def __init__(self, values: Any) -> None:
        self._rows = len(values)
        self._parents: NDArray[np.int64] | None = None
        if pa.types.is_list(values.type):
            self._parents = pc.list_parent_indices(values).to_numpy(zero_copy_only=False)
            values = values.flatten()
        self._there = values.is_valid().to_numpy(zero_copy_only=False)
        self._texts: Any = None
        self._numbers: Any = None
        self._is_bool = pa.types.is_boolean(values.type)
        if pa.types.is_string(values.type):
            encoded = values.dictionary_encode()
            self._texts = encoded.dictionary
            self._codes = pc.fill_null(encoded.indices, 0).to_numpy(zero_copy_only=False)
        elif not pa.types.is_null(values.type):
            self._numbers = pc.fill_null(values.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False)

    def taken(self, test: Test) -> Mask:
        """Rows one of whose values a test takes."""
        if isinstance(test, Exists):
            found = self._by_row(self._there)
            return found if test.there else ~found
        return self._by_row(self._values(test) & self._there)

    def _values(self, test: Test) -> Mask:
        if isinstance(test, AnythingBut):
            return ~np.logical_or.reduce([self._values(one) for one in test.tests])
        if isinstance(test, TextPattern | Wildcard):
            return self._of_texts(test)
        if isinstance(test, Numeric):
            return self._between(test)
        assert isinstance(test, Exact)
        if isinstance(test.value, str):
            return self._of_texts(test)
        number, is_bool = test.value, isinstance(test.value, bool)
        if number is None or self._numbers is None or is_bool != self._is_bool:
            return self._none()
        return self._numbers == number

    def _between(self, test: Numeric) -> Mask:
        if self._numbers is None or self._is_bool:
            return self._none()
        values = self._numbers
        above = values >= test.low if test.with_low else values > test.low
        return above & (values <= test.high if test.with_high else values < test.high)

    def _of_texts(self, test: TextPattern | Wildcard | Exact) -> Mask:
        if self._texts is None or not len(self._texts):
            return self._none()
        return _texts_taken(test, self._texts).to_numpy(zero_copy_only=False)[self._codes]

    def _none(self) -> Mask:
        return np.zeros(len(self._there), np.bool_)

    def _by_row(self, found: Mask) -> Mask:
        if self._parents is None:
            return found
        out = np.zeros(self._rows, np.bool_)
        out[self._parents[found]] = True
        return out


def _texts_taken(test: TextPattern | Wildcard | Exact, texts: Any) -> Any:
    if isinstance(test, Exact):
        return pc.equal(texts, test.value)
    if isinstance(test, Wildcard):
        pattern = ".*".join(map(re.escape, test.parts))
        return pc.match_substring_regex(texts, f"(?s)^{pattern}$")
    if test.fold:  # as Python lowers: Arrow knows fewer special cases
        texts = pa.array([text.lower() for text in texts.to_pylist()], pa.string())
    wanted = test.text.lower() if test.fold else test.text
    if test.how == "prefix":
        return pc.starts_with(texts, wanted)
    return pc.ends_with(texts, wanted) if test.how == "suffix" else pc.equal(texts, wanted)


def _plain(column: Any) -> Any:
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if column is None:
        return None
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column


def _values(column: Any, taken: Any) -> list[Any]:
    """Values of a column as Python has them; of all its rows, or of those in an array."""
    column = column if taken is None else column.take(taken)
    if column.null_count == 0 and pa.types.is_floating(column.type):
        found: list[Any] = column.to_numpy().tolist()
        return found
    return column.to_pylist()


def _under(event: dict[str, Any], place: Path) -> dict[str, Any]:
    for name in place:
        event = event.setdefault(name, {})
    return event
