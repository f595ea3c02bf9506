"""Lines of JSON objects with a source's own names as Arrow rows."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa

from ringfence.events.bad import Fault, Reason, unreadable
from ringfence.events.decoding.decode import RECORD_LIMIT
from ringfence.events.repeated import repeated_fault
from ringfence.events.values.paths import each, flat, steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ringfence.events.values.vocabulary import Mapping

FIELDS_LIMIT: Final = 4096  # of one record, and columns of a table
_CELLS_LIMIT: Final = 4 * 1024 * 1024  # of a table: its rows times the names that any of them has


def parse_lines(
    lines: Sequence[bytes], limit: int = RECORD_LIMIT, remedy: str = ""
) -> tuple[list[dict[str, Any] | None], dict[int, tuple[Fault, ...]]]:
    """An object, or None, per line, and the faults of lines that are none. Blank lines are neither.

    `remedy` says what mends a line that is longer than `limit`.
    """
    objects: list[dict[str, Any] | None] = []
    faults: dict[int, tuple[Fault, ...]] = {}
    decoder = msgspec.json.Decoder(dict[str, Any])
    for row, line in enumerate(lines):
        found: dict[str, Any] | None = None
        if len(line) > limit:
            said = f"{len(line)} bytes, at most {limit} are allowed{remedy}"
            faults[row] = (Fault(Reason.TOO_LARGE, "", said),)
        elif line and not line.isspace():
            try:
                found = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                faults[row] = (unreadable(line, error),)
            repeated = repeated_fault(line) if found is not None else None
            if repeated is not None:
                found, faults[row] = None, (repeated,)
            if found is not None and len(found) > FIELDS_LIMIT:
                said = f"{len(found):,} fields, at most {FIELDS_LIMIT:,} are allowed"
                found, faults[row] = None, (Fault(Reason.TOO_LARGE, "", said),)
        objects.append(found)
    return objects, faults


@dataclass(slots=True)
class Objects:
    """Records of some lines: flat objects, the line of each, its bytes, the faults of those that are none."""

    items: list[dict[str, Any] | None] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    originals: list[bytes] = field(default_factory=list)
    faults: dict[int, tuple[Fault, ...]] = field(default_factory=dict)


def records_in(lines: Sequence[bytes], mapping: Mapping) -> Objects:
    """The records of some lines as a mapping sees them: nested values by path, perhaps one per element."""
    # One object may hold a whole export where each of its elements is a record.
    whole = 16 * RECORD_LIMIT if mapping.file.each else RECORD_LIMIT
    remedy = f": write its records a line each (jq -c '.{mapping.file.each}[]')" if mapping.file.each else ""
    objects, faults = parse_lines(lines, whole, remedy)
    wanted = [column for column in mapping.columns if len(steps(column)) > 1]
    every = any(record.attributes == "*" for record in mapping.records)
    found = Objects()
    for line, item in enumerate(objects):
        parts = [item] if item is None or not mapping.file.each else each(item, mapping.file.each)
        for part in parts:
            if line in faults:
                found.faults[len(found.items)] = faults[line]
            found.items.append(flat(part, wanted, every=every) if part and (every or wanted) else part)
            found.lines.append(line)
            found.originals.append(lines[line] if len(parts) == 1 else msgspec.json.encode(part))
    return found


def to_table(objects: Sequence[dict[str, Any]], columns: Iterable[str]) -> pa.RecordBatch:
    """One column per name: numbers, truth values or texts as they came, texts where a column mixes them."""
    names = list(columns)
    arrays = [_column([item.get(name) for item in objects]) for name in names]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def narrow(objects: Sequence[dict[str, Any] | None], rows: Sequence[int]) -> Iterator[Sequence[int]]:
    """The rows in runs whose tables stay small, although each record may have names of its own."""
    start = 0
    names: set[str] = set()
    for at, row in enumerate(rows):
        item = objects[row] or {}
        more = names.union(item) if not names.issuperset(item) else names
        if at > start and (len(more) > FIELDS_LIMIT or (at + 1 - start) * len(more) > _CELLS_LIMIT):
            yield rows[start:at]
            start, more = at, set(item)
        names = more
    yield rows[start:]


def of_one_type(objects: Sequence[dict[str, Any] | None], rows: Sequence[int]) -> list[Sequence[int]]:
    """The rows in groups in which each name has values of one type.

    >>> of_one_type([{"a": 1}, {"a": "1"}, {"b": 2}, {"a": 2}], range(4))
    [[0, 3], [1], [2]]
    """
    items = [objects[row] or {} for row in rows]
    names = dict.fromkeys(name for item in items for name in item)
    mixed = [name for name in names if len({_kind(item.get(name)) for item in items} - {type(None)}) > 1]
    if not mixed:
        return [rows]
    groups: dict[tuple[Any, ...], list[int]] = {}
    for row, item in zip(rows, items, strict=True):
        groups.setdefault(tuple(_kind(item.get(name)) for name in mixed), []).append(row)
    return list(groups.values())


def _kind(value: Any) -> Any:
    """Its type; a whole number beyond 64 bits is of none that Arrow has."""
    return type(value) if type(value) is not int or -(2**63) <= value < 2**63 else "large"


def _column(values: list[Any]) -> Any:
    kinds = set(map(type, values)) - {type(None)}
    if kinds and kinds <= {list, dict}:  # none is a value, and Arrow takes 3 MB for each level of nesting
        return pa.array([None if value is None else [] for value in values], pa.list_(pa.null()))
    column = None
    if not kinds & {list, dict}:
        with suppress(pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            column = pa.array(values)
    # Whole numbers beside decimal ones would pass through floats, where long ones lose digits.
    is_mixed = column is not None and pa.types.is_floating(column.type) and int in kinds
    if column is None or is_mixed:
        return pa.array([_text(value) for value in values], pa.string())
    return column


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else msgspec.json.encode(value).decode()
