"""Values of a field out of the columns of a source: chosen, joined, emptied of placeholders, translated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.buffers import is_text
from ringfence.events.values.vocabulary import JoinedColumn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray

    from ringfence.events.values.vocabulary import FieldSource, MappedRecord


@dataclass(frozen=True, slots=True)
class ShapedRows:
    """Rows of a source: their columns, their running numbers, and ids told from their content."""

    columns: dict[str, Any]
    numbers: NDArray[np.int64]
    ids: Any = None


def values_of(source: FieldSource, rows: ShapedRows, nulls: Collection[str], separator: str = "|") -> Any:
    """The field's values before they are read as what the field holds."""
    if source.constant is not None:
        return pa.repeat(source.constant, len(rows.numbers))
    nulls = {*nulls, *source.null_values}
    if source.first:
        return _first([emptied(rows.columns[name], nulls) for name in source.first if name in rows.columns])
    if source.join:
        return _joined(source, rows, nulls, separator)
    if source.column in rows.columns:
        return emptied(rows.columns[source.column], nulls)
    return rows.ids if source.row_id else pa.array(rows.numbers)


def emptied(values: Any, nulls: Collection[str]) -> Any:
    """The values with null in place of texts that say nothing."""
    if not nulls or pa.types.is_nested(values.type) or pa.types.is_null(values.type):
        return values
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    texts = pc.utf8_trim_whitespace(values if is_text(values) else as_text(values))
    found = pc.is_in(texts, value_set=pa.array(sorted(nulls), texts.type))
    return pc.if_else(found, None, values)


def translated(source: FieldSource, values: Any) -> tuple[Any, NDArray[np.bool_]]:
    """What the source's words mean, and which values are none of them where they have to be."""
    if not source.values:
        return values, np.zeros(len(values), bool)
    texts = as_text(values)
    encoded = texts.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    known = {word: source.values.get(word, source.values.get(word.strip())) for word in words}
    kept = source.otherwise == "keep"
    meaning = pa.array([known[word] or (word if kept else known[word]) for word in words], pa.string())
    unknown = np.array([known[word] is None and bool(word.strip()) for word in words] + [False])
    rows = pc.fill_null(encoded.indices, len(words)).to_numpy(zero_copy_only=False)
    refused = unknown[rows] if source.otherwise == "refuse" else np.zeros(len(values), bool)
    return meaning.take(encoded.indices), refused


def is_shaped(source: FieldSource) -> bool:
    """Whether `shaped` changes anything."""
    return bool(source.strip_prefix or source.strip_suffix or source.pad)


def shaped(source: FieldSource, values: Any) -> Any:
    """Texts without what is to be stripped, and with leading zeros."""
    if not is_shaped(source):
        return values
    if pa.types.is_dictionary(values.type):
        return shaped(source, values.dictionary).take(values.indices)
    texts = as_text(values)
    if source.strip_prefix:
        rest = pc.utf8_slice_codeunits(texts, len(source.strip_prefix))
        texts = pc.if_else(pc.starts_with(texts, source.strip_prefix), rest, texts)
    if source.strip_suffix:
        rest = pc.utf8_slice_codeunits(texts, 0, -len(source.strip_suffix))
        texts = pc.if_else(pc.ends_with(texts, source.strip_suffix), rest, texts)
    return pc.utf8_lpad(texts, source.pad, "0") if source.pad else texts


def as_text(values: Any) -> Any:
    """Any flat values as texts: whole numbers without a point, truth values as true and false."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_string(values.type):
        return values
    if pa.types.is_nested(values.type):
        return pa.nulls(len(values), pa.string())
    if pa.types.is_floating(values.type):
        texts = values.cast(pa.string())
        return pc.replace_substring_regex(texts, r"\.0$", "")
    return values.cast(pa.string())


def _first(columns: list[Any]) -> Any:
    kinds = {column.type for column in columns}
    if len(kinds) > 1 or any(is_text(column) for column in columns):
        columns = [_no_blanks(as_text(column)) for column in columns]
    return pc.coalesce(*columns)


def _joined(source: FieldSource, rows: ShapedRows, nulls: Collection[str], separator: str) -> Any:
    parts: list[Any] = []
    for part in source.join:
        one = JoinedColumn(part) if isinstance(part, str) else part
        texts = _no_blanks(as_text(emptied(rows.columns[one.column], nulls)))
        texts = pc.utf8_lpad(texts, one.pad, "0") if one.pad else texts
        if one.start or one.length:
            end = one.start + one.length if one.length else None
            texts = _no_blanks(pc.utf8_slice_codeunits(texts, one.start, end))
        parts.append(texts)
    between = separator if source.separator is None else source.separator
    return pc.binary_join_element_wise(*parts, between)


def _no_blanks(texts: Any) -> Any:
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def chosen(
    columns: dict[str, Any], record: MappedRecord, nulls: Collection[str], count: int
) -> NDArray[np.bool_]:
    """Rows that a record takes."""
    rows = np.ones(count, bool)
    for column, wanted in record.only.items():
        rows &= one_of(columns[column], [wanted] if isinstance(wanted, str) else wanted)
    for column, unwanted in record.excluding.items():
        if column in columns:
            rows &= ~one_of(columns[column], [unwanted] if isinstance(unwanted, str) else unwanted)
    for names, wanted_there in ((record.has, True), (record.lacks, False)):
        for name in names:
            rows &= _holds(columns[name], nulls) == wanted_there if name in columns else not wanted_there
    return rows


def _holds(values: Any, nulls: Collection[str]) -> NDArray[np.bool_]:
    """Which values say something."""
    told = emptied(values, nulls)
    told = _no_blanks(told.cast(pa.string())) if is_text(told) else told
    found: NDArray[np.bool_] = told.is_valid().to_numpy(zero_copy_only=False)
    return found


def one_of(values: Any, wanted: Iterable[str]) -> NDArray[np.bool_]:
    """Which values are one of these texts."""
    found: NDArray[np.bool_] = pc.is_in(
        as_text(values), value_set=pa.array(list(wanted), pa.string())
    ).to_numpy(zero_copy_only=False)
    return found
