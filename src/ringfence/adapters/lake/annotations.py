"""What the log holds beside payments, profiles and flags: list entries, activations and labels, in memory.

They are few, and pages ask for them all the time: no file is opened for an answer.
"""

from __future__ import annotations

import itertools
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from ringfence.adapters.lake import statement_guard, views
from ringfence.adapters.lake.shapes import concat, rows_of
from ringfence.errors import InputError
from ringfence.events import codec
from ringfence.events.ids.hashing import hash_column
from ringfence.events.model import Kind
from ringfence.events.truth import source_ranks
from ringfence.ports import EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.ports import EventLog

_TOLD: Final = (int(Kind.LIST_ENTRY), int(Kind.ACTIVATION))
_MOST_PARTS: Final = 64


class LogAnnotations:
    """Every question first takes in what the log has gained. Any thread may ask, one at a time."""

    def __init__(self, log: EventLog, tables: Path, seed: int, label_sources: Sequence[str] = ()) -> None:
        """`label_sources`: whose label counts where two differ, the strongest first."""
        self._log = log
        self._tables = tables
        self._seed = seed
        self._lock = Lock()
        self._end = 0
        self._gained = False  # list entries or activations that the views lack
        self._told: list[pa.Table] = []
        self._labels = LabelTable(label_sources)
        self._connection: duckdb.DuckDBPyConnection | None = None

    def step(self, most: int) -> bool:
        """Take in `most` batches of what the log has gained; whether there may be more."""
        with self._lock:
            return self._read(most)

    def sql(self, text: str) -> pa.Table:
        """As `Lake.sql`, over list entries and activations alone: the view `events` has no others."""
        with self._lock:
            connection = self._refresh()
            try:
                return connection.sql(text).to_arrow_table()
            except duckdb.Error as error:
                raise InputError(str(error)) from None

    def labels_of(self, transaction_id: str) -> list[dict[str, Any]]:
        """What labels say of this transaction, oldest first: `event_time_ms`, `label`, `label_source`."""
        return self.labels_of_each([transaction_id])[0]

    def labels_of_each(self, transaction_ids: Sequence[str]) -> list[list[dict[str, Any]]]:
        """Likewise of several, in their order."""
        with self._lock:
            self._read()
            return self._labels.of_each(hash_column(pa.array(transaction_ids, pa.string()), self._seed))

    def fraud(self, keys: NDArray[np.int64]) -> NDArray[np.int8]:
        """What the label in force says, by keyed hashes of transactions: 1 fraud, 0 none, -1 no label."""
        with self._lock:
            self._read()
            return self._labels.latest(keys)

    def close(self) -> None:
        """Release the memory."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _refresh(self) -> duckdb.DuckDBPyConnection:
        self._read()
        if self._connection is None:
            self._connection, self._gained = statement_guard.connect(self._tables), True
        if self._gained:
            self._gained = False
            table = concat(EVENTS, self._told)
            self._told = [table]
            self._connection.register("raw_events", table)
            for statement in views.event_views():
                self._connection.sql(statement)
        return self._connection

    def _read(self, most: int | None = None) -> bool:
        gained = self._log.read(EVENTS, max(self._end, self._log.start_offset(EVENTS)))
        for number, batch in enumerate(gained, start=1):
            self._gained |= self._take(codec.decode(batch.payload), batch.base_offset)
            self._end = batch.next_offset
            if number == most:
                return True
        return False

    def _take(self, events: EventBatch, base: int) -> bool:
        kind = events.kind
        if not kind.any():
            return False
        labels = np.flatnonzero(kind == Kind.LABEL)
        if len(labels):
            self._labels.add(events.take(labels), self._seed)
        told = np.flatnonzero(np.isin(kind, _TOLD))
        if len(told):
            self._told.append(rows_of(events.take(told), base + told))
        return bool(len(told))


class LabelTable:
    """Labels in the order of the log, by the keyed hash of their transaction's id."""

    def __init__(self, sources: Sequence[str] = ()) -> None:
        """`sources` of labels, from the one that counts most."""
        self._sources = sources
        self._parts: list[pa.Table] = []
        self._order: NDArray[np.int64] | None = None
        self._keys = np.empty(0, np.int64)
        self._table: pa.Table | None = None

    def add(self, labels: EventBatch, seed: int) -> None:
        """Labels that come after those known so far."""
        columns = {
            "key": pa.array(hash_column(labels.column("transaction_id"), seed)),
            "event_time_ms": pa.array(labels.event_time_ms),
            "label": labels.column("label").cast(pa.bool_()),
            "label_source": labels.column("label_source").cast(pa.string()),
        }
        self._parts.append(pa.table(columns))
        if len(self._parts) > _MOST_PARTS:
            self._parts = [pa.concat_tables(self._parts).combine_chunks()]
        self._table = None

    def of_each(self, keys: NDArray[np.int64]) -> list[list[dict[str, Any]]]:
        """All labels of each of some transactions, in the order of the log."""
        table, ranked = self._whole(), self._ranked()
        spans = zip(self._keys.searchsorted(keys), self._keys.searchsorted(keys, "right"), strict=True)
        rows = [np.sort(ranked[low:high]) if low < high else ranked[:0] for low, high in spans]
        taken = table.take(pa.array(np.concatenate([np.empty(0, np.int64), *rows])))
        found = iter(taken.drop_columns(["key"]).to_pylist())
        return [list(itertools.islice(found, len(one))) for one in rows]

    def latest(self, keys: NDArray[np.int64]) -> NDArray[np.int8]:
        """1, 0, or -1 where there is none; a label that does not say counts as none."""
        table = self._whole()
        said = np.append(table.column("label").cast(pa.int8()).fill_null(-1).to_numpy(), np.int8(-1))
        after = self._keys.searchsorted(keys, "right")  # of equal keys the last counts
        known = np.append(self._keys, np.int64(0))[np.maximum(after - 1, 0)] == keys
        row = np.append(self._ranked(), len(table))[np.where(known & (after > 0), after - 1, -1)]
        return said[row].astype(np.int8)

    def _ranked(self) -> NDArray[np.int64]:
        assert self._order is not None
        return self._order

    def _whole(self) -> pa.Table:
        """All labels as one table, with its rows by key, of one key the strongest label last."""
        if self._table is None:
            self._table = pa.concat_tables(self._parts) if self._parts else _NONE
            self._parts = [self._table]
            keys = self._table.column("key").to_numpy()
            ranks = source_ranks(self._table.column("label_source"), self._sources)
            times = self._table.column("event_time_ms").to_numpy()
            self._order = np.lexsort((times, -ranks, keys))
            self._keys = keys[self._order]
        return self._table


_NONE: Final = pa.schema(
    [("key", pa.int64()), ("event_time_ms", pa.int64()), ("label", pa.bool_()), ("label_source", pa.string())]
).empty_table()
