"""Rows of the index: a decision beside its payment, without the features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ringfence.decisions.index import LISTS, salt
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.events.ids.hashing import hash_column
from ringfence.events.model import BIN_FIELDS, CATEGORY_FIELDS, ID_FIELDS
from ringfence.features.spec import ENTITY_KEYS
from ringfence.ports import EVENTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.decisions.decision import DecisionBatch
    from ringfence.ports import EventLog

_TEXTS: Final = pa.list_(pa.string())
_OF_DECISIONS: Final = pa.schema(
    [
        ("offset", pa.int64()),
        ("transaction_id", pa.string()),
        ("event_time_ms", pa.int64()),
        ("decided_at_ms", pa.int64()),
        ("outcome", pa.string()),
        ("score", pa.float64()),
        ("probability", pa.float64()),
        *((column, _TEXTS) for column in LISTS.values()),
        ("latency_us", pa.int64()),
    ]
)
_OF_PAYMENTS: Final = (*ID_FIELDS, "card_last4", *CATEGORY_FIELDS, *BIN_FIELDS)
SCHEMA: Final = pa.schema(
    [
        *_OF_DECISIONS,
        ("amount", pa.float64()),
        *((name, pa.string()) for name in _OF_PAYMENTS),
    ]
)
"""Columns of a row; null where the payment does not have the field."""


def leading(decisions: DecisionBatch) -> pa.Table:
    """What a row takes from a decision, as it is stored."""
    stored = frozenset(decisions.table.schema.names)
    there = [name for name in _OF_DECISIONS.names if name in stored]
    return pa.Table.from_batches([decisions.table.select(there)]).replace_schema_metadata(None)


def rows_of(tables: list[pa.Table], log: EventLog) -> pa.Table:
    """Rows of decisions (`leading`, in order); of payments that retention has taken only that is left."""
    table = pa.concat_tables(tables, promote_options="default")
    gone = int(np.searchsorted(table.column("offset").to_numpy(), log.start_offset(EVENTS)))
    if 0 < gone < len(table):
        return pa.concat_tables([rows_of([part], log) for part in (table.slice(0, gone), table.slice(gone))])
    columns: dict[str, Any] = {
        field.name: table.column(field.name).cast(field.type)
        if field.name in table.schema.names
        else pa.nulls(len(table), field.type)
        for field in _OF_DECISIONS
    }
    payments = _payments(log, columns["offset"].to_numpy())
    columns["amount"] = pa.array(payments.amount, from_pandas=True)
    for name in _OF_PAYMENTS:
        columns[name] = payments.column(name).cast(pa.string())
    return pa.table(columns, SCHEMA)


def _payments(log: EventLog, offsets: NDArray[np.int64]) -> EventBatch:
    """The payments at these ascending offsets, null where they are gone."""
    first, after = int(offsets[0]), int(offsets[-1]) + 1
    batches = list(log.read(EVENTS, first, after)) if first >= log.start_offset(EVENTS) else []
    events = EventBatch.concat([codec.decode(batch.payload) for batch in batches]) if batches else None
    if events is None:
        return EventBatch(pa.RecordBatch.from_pydict({"kind": pa.nulls(len(offsets), pa.uint8())}))
    return events.take(offsets - batches[0].base_offset)


def terms_of(rows: pa.Table, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Every term of every row: keys, and the rows that they stand for, ascending for each key."""
    keys: list[Any] = []
    places: list[Any] = []
    for kind, column in ENTITY_KEYS.items():
        hashes = hash_column(_whole(rows, column), seed)
        there = np.flatnonzero(hashes)
        keys.append(hashes[there] ^ salt(kind, seed))
        places.append(there.astype(np.int32))
    for kind, column in LISTS.items():
        lists = _whole(rows, column)
        keys.append(hash_column(lists.flatten(), seed) ^ salt(kind, seed))
        counts = np.diff(lists.offsets.to_numpy()) if len(lists) else np.empty(0, np.int64)
        places.append(np.repeat(np.arange(len(lists), dtype=np.int32), counts))
    return np.concatenate(keys), np.concatenate(places)


def _whole(rows: pa.Table, column: str) -> Any:
    return rows.column(column).combine_chunks()
