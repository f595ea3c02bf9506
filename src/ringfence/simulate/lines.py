"""Columns as lines of JSON, a column at a time: what is null is left out, `attributes.x` becomes a member."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.model import ATTRIBUTE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence


def json_lines(batch: pa.RecordBatch) -> pa.Array:
    """One JSON object a row, as text; every row has something outside `attributes`.

    >>> rows = pa.RecordBatch.from_pydict({"id": ["a", "b"], "attributes.age": [None, 41.0]})
    >>> json_lines(rows).to_pylist()
    ['{"id":"a"}', '{"id":"b","attributes":{"age":41}}']
    """
    columns = zip(batch.schema.names, batch.columns, strict=True)
    used = [(name, column) for name, column in columns if column.null_count < len(batch)]
    plain = [_members(name, column) for name, column in used if not name.startswith(ATTRIBUTE_PREFIX)]
    inner = [
        _members(name.removeprefix(ATTRIBUTE_PREFIX), column)
        for name, column in used
        if name.startswith(ATTRIBUTE_PREFIX)
    ]
    if inner:
        plain.append(_nested(inner))
    return _wrapped("{", _joined(plain), "}")


def _nested(inner: Sequence[Any]) -> Any:
    """The member `attributes` where a row has any; Arrow's join drops rows that have none."""
    some = np.logical_or.reduce([member.is_valid().to_numpy(zero_copy_only=False) for member in inner])
    found = _wrapped('"attributes":{', _joined([member.filter(pa.array(some)) for member in inner]), "}")
    return found.take(pa.array(np.cumsum(some) - 1, mask=~some))


def _joined(members: Sequence[Any]) -> Any:
    return pc.binary_join_element_wise(*members, pa.scalar(","), null_handling="skip")


def _wrapped(before: str, text: Any, after: str) -> Any:
    return pc.binary_join_element_wise(pa.scalar(before), text, pa.scalar(after), pa.scalar(""))


def _members(name: str, column: Any) -> Any:
    """`"name":value` per row, null where the value is."""
    head = msgspec.json.encode(name).decode() + ":"
    if pa.types.is_dictionary(column.type):
        if len(column.dictionary) > len(column):
            column = column.cast(pa.string()).dictionary_encode()
        words = [head + msgspec.json.encode(word).decode() for word in column.dictionary.to_pylist()]
        return pa.array(words, pa.string()).take(column.indices)
    if pa.types.is_timestamp(column.type):
        text = pc.utf8_replace_slice(column.cast(pa.string()), 10, 11, "T")
    elif pa.types.is_string(column.type):
        text = column
    else:
        return _wrapped(head, column.cast(pa.string()), "")
    return _wrapped(head + '"', text, '"')
