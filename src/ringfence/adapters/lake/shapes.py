"""What a batch of the log looks like as rows of a table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from ringfence.adapters.lake.free import ATTRIBUTES, objects_of
from ringfence.decisions.decision import DECISION_FIELDS, DecisionBatch
from ringfence.errors import CorruptError
from ringfence.events import codec
from ringfence.events.model import EVENT_SCHEMA
from ringfence.ports import DECISIONS, EVENTS, FLAG_MATCHES
from ringfence.scoring.reference.recent import FLAG_MATCH_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.ports import LogBatch

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


def event_rows(batch: LogBatch) -> pa.Table:
    """Events with their offset, their amount in major units, and their attributes as one JSON object."""
    return rows_of(codec.decode(batch.payload), np.arange(batch.base_offset, batch.next_offset))


def rows_of(events: EventBatch, offsets: NDArray[np.int64]) -> pa.Table:
    """The same of any events at these offsets."""
    fields = [name for name in events.table.schema.names if name in EVENT_SCHEMA.names]
    rows = pa.Table.from_batches([events.table.select(fields)]).add_column(0, "offset", pa.array(offsets))
    rows = rows.append_column("amount", pa.array(events.amount, from_pandas=True))
    return _plain(rows.append_column(ATTRIBUTES, objects_of(events)))


def decision_rows(batch: LogBatch) -> pa.Table:
    """Decisions with their features and versions as columns."""
    decisions = DecisionBatch.decode(batch.payload)
    constants = {
        "features_digest": decisions.versions.get("features"),
        "rules_digest": decisions.versions.get("rules"),
        "versions": json.dumps(decisions.versions),
        "feature_names": json.dumps(decisions.feature_names),
        "challenger_names": json.dumps(decisions.challenger_names),
    }
    rows = pa.Table.from_batches([decisions.table]).replace_schema_metadata(None)
    first = pa.array(np.zeros(len(rows), np.int32))
    for name, value in constants.items():
        rows = rows.append_column(name, pa.DictionaryArray.from_arrays(first, pa.array([value], pa.string())))
    return rows


def flag_match_rows(batch: LogBatch) -> pa.Table:
    """Matches of late flags as they were stored."""
    try:
        with pa.ipc.open_stream(batch.payload) as reader:
            return reader.read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptError(f"stored flag matches cannot be read ({error}): restore the store") from error


ROWS: Final[dict[str, Callable[[LogBatch], pa.Table]]] = {
    EVENTS: event_rows,
    DECISIONS: decision_rows,
    FLAG_MATCHES: flag_match_rows,
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
