"""What a batch of the log looks like as rows of a table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from ringfence.adapters.lake.free_attributes import ATTRIBUTES, objects_of
from ringfence.decisions.decision import DECISION_FIELDS, DecisionBatch
from ringfence.errors import CorruptError
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.events.model import EVENT_SCHEMA
from ringfence.ports import DECISIONS, EVENTS, FLAG_MATCHES
from ringfence.scoring.reference.recent import FLAG_MATCH_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ringfence.ports import LogBatch

_TOGETHER: Final = 1024  # batches
_ENOUGH_ROWS: Final = 16 * 1024
_MOST_COLUMNS: Final = 160
_CONSTANT: Final = pa.dictionary(pa.int32(), pa.string())  # one value a batch, so its text is kept once

EMPTY: Final[dict[str, pa.Table]] = {
    EVENTS: pa.schema(
        [
            pa.field("offset", pa.int64()),
            *EVENT_SCHEMA,
            pa.field("amount", pa.float64()),
            pa.field(ATTRIBUTES, pa.string()),
        ]
    ).empty_table(),
    DECISIONS: pa.schema(
        [
            *DECISION_FIELDS,
            ("features_digest", _CONSTANT),
            ("rules_digest", _CONSTANT),
            ("versions", _CONSTANT),
            ("feature_names", _CONSTANT),
            ("challenger_names", _CONSTANT),
        ]
    ).empty_table(),
    FLAG_MATCHES: FLAG_MATCH_SCHEMA.empty_table(),
}
"""No rows, and every column that is always there."""


class RowsOf(NamedTuple):
    """Rows of a topic from `begin` to `end` in the log."""

    begin: int
    end: int
    table: pa.Table


class EventsOf(NamedTuple):
    """Events from `begin` to `end` in the log."""

    begin: int
    end: int
    events: EventBatch


def rows_in(topic: str, batches: Iterable[LogBatch]) -> Iterator[RowsOf]:
    """Batches of the log, which follow one another, as rows.

    Live traffic leaves batches of a few records: many of them together cost as much as one by itself.
    """
    for some in _together(batches):
        yield from _ROWS[topic](some)


def events_in(batches: Iterable[LogBatch]) -> Iterator[EventsOf]:
    """Events of batches of the log, which follow one another, many small batches as one."""
    for some in _together(batches):
        yield from _alike(some)


def _together(batches: Iterable[LogBatch]) -> Iterator[list[LogBatch]]:
    held: list[LogBatch] = []
    count = 0
    for batch in batches:
        if held and (len(held) == _TOGETHER or count + batch.count > _ENOUGH_ROWS):
            yield held
            held, count = [], 0
        held.append(batch)
        count += batch.count
    if held:
        yield held


def _event_rows(batches: Sequence[LogBatch]) -> Iterator[RowsOf]:
    """Events with their offset, their amount in major units, and their attributes as one JSON object."""
    held = [codec.decode(batch.payload) for batch in batches]
    begin, end = batches[0].base_offset, batches[-1].next_offset
    names = set[str]().union(*(events.table.schema.names for events in held))
    if len(names) <= _MOST_COLUMNS:
        yield RowsOf(begin, end, rows_of(EventBatch.concat(held), np.arange(begin, end)))
        return
    objects = pa.concat_arrays(
        [objects_of(events) for events in held]
    )  # each of callers who make up their own
    events = EventBatch.concat(list(map(_without_attributes, held)))
    yield RowsOf(begin, end, _rows(events, np.arange(begin, end), objects))


def _alike(batches: Sequence[LogBatch]) -> Iterator[EventsOf]:
    """The events of these batches together, unless they have too many columns for that."""
    held: list[EventBatch] = []
    names: set[str] = set()
    begin = end = batches[0].base_offset
    for batch in batches:
        events = codec.decode(batch.payload)
        names.update(events.table.schema.names)
        if held and len(names) > _MOST_COLUMNS:  # each of callers who make up their own
            yield EventsOf(begin, end, EventBatch.concat(held))
            held, names, begin = [], set(events.table.schema.names), end
        held.append(events)
        end = batch.next_offset
    yield EventsOf(begin, end, EventBatch.concat(held))


def rows_of(events: EventBatch, offsets: NDArray[np.int64]) -> pa.Table:
    """The same of any events at these offsets."""
    return _rows(_without_attributes(events), offsets, objects_of(events))


def _rows(events: EventBatch, offsets: NDArray[np.int64], objects: Any) -> pa.Table:
    rows = pa.Table.from_batches([events.table]).add_column(0, "offset", pa.array(offsets))
    rows = rows.append_column("amount", pa.array(events.amount, from_pandas=True))
    return _plain(rows.append_column(ATTRIBUTES, objects))


def _without_attributes(events: EventBatch) -> EventBatch:
    fields = [name for name in events.table.schema.names if name in EVENT_SCHEMA.names]
    return EventBatch(events.table.select(fields))


def _decision_rows(batches: Sequence[LogBatch]) -> Iterator[RowsOf]:
    """Decisions with their features and versions as columns."""
    held: list[DecisionBatch] = []
    begin = end = batches[0].base_offset
    for batch in batches:
        decisions = DecisionBatch.decode(batch.payload)
        schema = decisions.table.schema
        if held and not schema.equals(held[0].table.schema, check_metadata=True):
            yield RowsOf(begin, end, _rows_of_decisions(held))
            held, begin = [], end
        held.append(decisions)
        end = batch.next_offset
    yield RowsOf(begin, end, _rows_of_decisions(held))


def _rows_of_decisions(batches: Sequence[DecisionBatch]) -> pa.Table:
    """Those of one schema, so of the same versions and names."""
    first = batches[0]
    constants = {
        "features_digest": first.versions.get("features"),
        "rules_digest": first.versions.get("rules"),
        "versions": json.dumps(first.versions),
        "feature_names": json.dumps(first.feature_names),
        "challenger_names": json.dumps(first.challenger_names),
    }
    rows = pa.Table.from_batches([one.table for one in batches]).replace_schema_metadata(None)
    rows = rows.unify_dictionaries().combine_chunks()
    places = pa.array(np.zeros(len(rows), np.int32))
    for name, value in constants.items():
        column = pa.DictionaryArray.from_arrays(places, pa.array([value], pa.string()))
        rows = rows.append_column(name, column)
    return rows


def _flag_match_rows(batches: Sequence[LogBatch]) -> Iterator[RowsOf]:
    """Matches of late flags as they were stored."""
    for batch in batches:
        try:
            with pa.ipc.open_stream(batch.payload) as reader:
                yield RowsOf(batch.base_offset, batch.next_offset, reader.read_all())
        except (pa.ArrowInvalid, OSError) as error:
            raise CorruptError(f"stored flag matches cannot be read ({error}): restore the store") from error


_ROWS: Final[dict[str, Callable[[Sequence[LogBatch]], Iterator[RowsOf]]]] = {
    EVENTS: _event_rows,
    DECISIONS: _decision_rows,
    FLAG_MATCHES: _flag_match_rows,
}


def concat(topic: str, tables: Sequence[pa.Table]) -> pa.Table:
    """All rows under all columns."""
    return pa.concat_tables([EMPTY[topic], *tables], promote_options="permissive")


def _plain(table: pa.Table) -> pa.Table:
    """Without dictionaries and columns of nothing, which differ from batch to batch."""
    fields = [
        (field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
        for field in table.schema
        if not pa.types.is_null(field.type)
    ]
    return table.select([name for name, _ in fields]).cast(pa.schema(fields))
