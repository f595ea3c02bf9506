"""A batch of events in log order, as columns: the unit that is decoded, logged, measured and decided."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events import attributes
from ringfence.events.buffers import is_text
from ringfence.events.ids.hashing import hash_column
from ringfence.events.model import (
    AMOUNT_SCALE,
    ATTRIBUTE_PREFIX,
    EVENT_SCHEMA,
    OTHER_ATTRIBUTES,
    START_DAY_PREFIX,
    Kind,
)
from ringfence.events.values.currencies import CURRENCY_EXPONENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_FEW = 64  # rows
_REQUIRED = frozenset({"kind", "event_time_ms"})
NULL_INT = np.iinfo(np.int64).min
"""Stands for null in integer columns that the engine reads."""

_DAY_MS = 86_400_000
_MOST_DAYS = 100_000


class EventBatch:
    """Events in log order over an Arrow record batch (`EVENT_SCHEMA` columns plus `attributes.*`).

    Immutable. Columns that no row uses are absent; every accessor then answers with nulls. An attribute may
    be a number in one row and a text in another: `number`, `text` and `written` say what it is in each.
    """

    __slots__ = ("__dict__", "table")

    def __init__(self, table: pa.RecordBatch) -> None:
        self.table = table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return f"EventBatch({len(self)} events, {self.table.num_columns} columns)"

    @cached_property
    def kind(self) -> NDArray[np.uint8]:
        return _numpy(self.table.column("kind"))

    @cached_property
    def event_time_ms(self) -> NDArray[np.int64]:
        return _numpy(self.table.column("event_time_ms"))

    @cached_property
    def is_transaction(self) -> NDArray[np.bool_]:
        return self.kind == Kind.TRANSACTION

    @cached_property
    def is_control(self) -> NDArray[np.bool_]:
        """Profiles, list entries and flags."""
        return (self.kind >= Kind.PROFILE) & (self.kind <= Kind.FLAG)

    @cached_property
    def only_payments(self) -> bool:
        """Whether every event is a transaction."""
        return not self.kind.any()

    @cached_property
    def used(self) -> pa.RecordBatch:
        """The table without columns that are null in every row."""
        rows = len(self)
        names = [
            name
            for name, column in zip(self.table.schema.names, self.table.columns, strict=True)
            if column.null_count < rows or name in _REQUIRED
        ]
        return self.table if len(names) == self.table.num_columns else self.table.select(names)

    def column(self, name: str) -> Any:
        """Arrow array of a canonical column; nulls where the batch does not carry it.

        Of an attribute, the values of one type: ask `number`, `text` or `written` for them.
        """
        index = self.table.schema.get_field_index(name)
        if index >= 0:
            return self.table.column(index)
        if name.startswith(START_DAY_PREFIX):
            return self._start_days(name.removeprefix(START_DAY_PREFIX))
        known = EVENT_SCHEMA.get_field_index(name)
        kind = EVENT_SCHEMA.field(known).type if known >= 0 else pa.null()
        return pa.nulls(len(self), kind)

    def hashes(self, name: str, seed: int) -> NDArray[np.int64]:
        """64-bit keyed hash of a text column per row, 0 for null: how the engine sees an id or a category."""
        cache: dict[tuple[str, int], NDArray[np.int64]] = self.__dict__.setdefault("_hashes", {})
        if (name, seed) not in cache:
            mixed = bool(self._apart(name))
            cache[name, seed] = hash_column(self.written(name) if mixed else self.column(name), seed)
        return cache[name, seed]

    def know(self, seed: int, hashes: Mapping[str, NDArray[np.int64]], **known: Any) -> None:
        """Take what is at hand already: hashes by column, and what else (`amount`, `_numbers`) is kept."""
        self.__dict__.update(known)
        cache: dict[tuple[str, int], NDArray[np.int64]] = self.__dict__.setdefault("_hashes", {})
        cache.update({(name, seed): column for name, column in hashes.items()})

    @cached_property
    def amount_fixed(self) -> NDArray[np.int64]:
        """Amount in integer thousandths of a major unit (`AMOUNT_SCALE`), `NULL_INT` for null."""
        minor = self.column("amount_minor")
        values = _numpy(pc.fill_null(minor, 0)) * self._minor_factor
        if minor.null_count:
            values[_numpy(pc.is_null(minor))] = NULL_INT
        return values

    @cached_property
    def amount(self) -> NDArray[np.float64]:
        """Amount in major units of its own currency, NaN for null."""
        fixed = self.amount_fixed
        out = fixed / AMOUNT_SCALE
        out[fixed == NULL_INT] = np.nan
        return out

    @cached_property
    def flows(self) -> dict[str, NDArray[np.int64]]:
        """What moved at each row by lifecycle field, `NULL_INT` for nothing; given to `know`, or none."""
        return {}

    @cached_property
    def _minor_factor(self) -> NDArray[np.int64] | int:
        currency = self.column("currency")
        if currency.null_count == len(currency):
            return AMOUNT_SCALE // 100
        encoded = currency if pa.types.is_dictionary(currency.type) else currency.dictionary_encode()
        names = encoded.dictionary.to_pylist()
        factors = np.array([AMOUNT_SCALE // 10 ** CURRENCY_EXPONENT.get(c or "", 2) for c in names], np.int64)
        if currency.null_count == 0:
            return int(factors[0]) if len(factors) == 1 else factors[_numpy(encoded.indices)]
        factors = np.append(factors, AMOUNT_SCALE // 100)  # without a currency, minor units are hundredths
        return factors[_numpy(pc.fill_null(encoded.indices, len(names)))]

    def number(self, name: str) -> NDArray[np.float64]:
        """A numeric or boolean column as float64, NaN for null or where the values are text."""
        if name == "amount":
            return self.amount
        if name == "cents":
            return np.round(self.amount % 1 * 100, 2)
        kept: dict[str, NDArray[np.float64]] = self.__dict__.get("_numbers", {})
        if name in kept:
            return kept[name]
        values = self.column(name)
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.uint8())
        if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
            numbers = _numpy(values.cast(pa.float64()))
        else:
            numbers = np.full(len(self), np.nan)
        others = [(row, value) for row, value in self._apart(name) if not isinstance(value, str)]
        if others:
            numbers = numbers.copy()  # of Arrow's memory
            rows, found = zip(*others, strict=True)
            numbers[list(rows)] = found
        return numbers

    def text(self, name: str) -> Any:
        """The texts of a column as an Arrow array, null where a row has none, a number or a truth value."""
        values = self.column(name)
        if not (is_text(values) or pa.types.is_dictionary(values.type)):
            values = pa.nulls(len(self), pa.string())
        others = [(row, value) for row, value in self._apart(name) if isinstance(value, str)]
        return _put(values, others) if others else values

    def written(self, name: str) -> Any:
        """All values of a column as texts: numbers as Arrow writes them, `true` and `false`."""
        values = self.column(name)
        values = values if pa.types.is_string(values.type) else values.cast(pa.string())
        others = self._apart(name)
        if not others:
            return values
        rows, found = zip(*others, strict=True)
        return _put(values, list(zip(rows, attributes.as_text(found), strict=True)))

    @cached_property
    def others(self) -> dict[str, list[tuple[int, attributes.Value]]]:
        """Values of attributes that are not in their column, by full name: (row, value), rows ascending."""
        return attributes.by_name(self._told)

    @cached_property
    def _told(self) -> Sequence[dict[str, attributes.Value] | None]:
        """Row by row the attributes that are not in their column."""
        index = self.table.schema.get_field_index(OTHER_ATTRIBUTES)
        return attributes.decoded(self.table.column(index)) if index >= 0 else ()

    def _apart(self, name: str) -> Sequence[tuple[int, attributes.Value]]:
        """Of `others` those of one name, without asking for all names: there may be 512 in each row."""
        if not name.startswith(ATTRIBUTE_PREFIX) or not self._told:
            return ()
        if len(self) > _FEW:
            return self.others.get(name, ())
        bare = name.removeprefix(ATTRIBUTE_PREFIX)
        return [(row, told[bare]) for row, told in enumerate(self._told) if told and bare in told]

    def _start_days(self, name: str) -> Any:
        """The day, from 1970-01-01, that lies as many days before each event as a number of it says.

        Null where the number is null or goes back, or ahead, by more than `_MOST_DAYS`.
        """
        days = self.number(name)
        known = np.abs(days) <= _MOST_DAYS  # false for NaN
        began = np.floor(self.event_time_ms / _DAY_MS - np.where(known, days, 0.0))
        return pa.array(began.astype(np.int64), mask=~known)

    @property
    def attribute_names(self) -> list[str]:
        """Full names of the attributes that this batch carries."""
        columns = [name for name in self.table.schema.names if name.startswith(ATTRIBUTE_PREFIX)]
        return list(dict.fromkeys([*columns, *self.others]))

    def attributes_of(self, row: int) -> dict[str, attributes.Value]:
        """The attributes of one row by name, without the prefix."""
        found = {
            name.removeprefix(ATTRIBUTE_PREFIX): column[row].as_py()
            for name, column in zip(self.table.schema.names, self.table.columns, strict=True)
            if name.startswith(ATTRIBUTE_PREFIX) and column[row].is_valid
        }
        index = self.table.schema.get_field_index(OTHER_ATTRIBUTES)
        if index >= 0:
            found |= attributes.decoded(self.table.column(index).slice(row, 1))[0] or {}
        return found

    def slice(self, start: int, stop: int) -> EventBatch:
        """Rows `start` to `stop`, sharing memory."""
        return EventBatch(self.table.slice(start, stop - start))

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> EventBatch:
        """The rows at these positions, or where this mask is true."""
        indices = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return EventBatch(self.table.take(pa.array(indices)))

    @staticmethod
    def concat(batches: Sequence[EventBatch]) -> EventBatch:
        """All rows in order, over the union of the columns."""
        if len(batches) == 1:
            return batches[0]
        tables = attributes.alike([pa.Table.from_batches([batch.table]) for batch in batches])
        merged = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
        found = merged.to_batches()
        return EventBatch(found[0] if found else pa.RecordBatch.from_pylist([], schema=merged.schema))


def _put(values: Any, others: Sequence[tuple[int, str]]) -> Any:
    """The texts with these in their rows."""
    texts = values.to_pylist()
    for row, text in others:
        texts[row] = text
    return pa.array(texts, pa.string())


def _numpy(values: Any) -> Any:
    return values.to_numpy(zero_copy_only=False)
