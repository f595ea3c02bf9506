"""Questions about events, decisions and features, answered in SQL without touching the pipeline."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict
from threading import Event, Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self

import duckdb
import pyarrow as pa

from ringfence.adapters.lake import free_attributes, statement_guard, views
from ringfence.adapters.lake.files import FILE_ROWS, FOLDERS, LakeFollower
from ringfence.adapters.lake.tables import TopicTable
from ringfence.adapters.links import SCHEMAS, news_stamp, tables_of
from ringfence.adapters.questions import VIEWS
from ringfence.decisions.decision import DECISION_FIELDS, Decision, decision_of
from ringfence.errors import InputError, StoreError
from ringfence.events.attributes import told_attributes
from ringfence.features.spec import ENTITY_KEYS
from ringfence.follow import catch_up
from ringfence.ports import DECISIONS, EVENTS, FLAG_MATCHES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ringfence.decisions.index import DecisionQuery
    from ringfence.store import DataFolder

LIVE_ROWS: Final = 2 * FILE_ROWS
"""Records of a topic that no file holds yet, which are read from the log at most."""

TABLES: Final = (
    *("events", "transactions", "labels", "lifecycle"),
    *("decisions", "features", "flag_matches", "quarantine"),
    *SCHEMAS,
)
_QUARANTINE_ROWS: Final = 10_000  # the newest, that a statement sees
_QUARANTINE_BYTES: Final = 4096  # of each
_AGAIN_SECONDS: Final = 0.1  # DuckDB forgets an interrupt that comes before the statement has begun

_QUARANTINE = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("position", pa.int64()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("original", pa.binary()),
        ("original_format", pa.string()),
        ("mapping", pa.string()),
        ("received_ms", pa.int64()),
        ("replayed_ms", pa.int64()),
        ("outcome", pa.string()),
    ]
)


class Lake:
    """Views of a store, read-only: `events`, `transactions`, `labels`, `decisions`, `features` and more.

    Every question first takes in what the log has gained: files that `files.LakeFollower` has put into the
    store's `tables` folder since, which may be deleted at any time, and the log's end from the log itself.
    Any thread may ask, one at a time.
    """

    def __init__(
        self,
        store: DataFolder,
        writer: LakeFollower | None = None,
        memory: str | None = None,
        label_sources: Sequence[str] = (),
        patience: float | None = None,
    ) -> None:
        """With a `writer`, files that are due are written before each question: where nobody else does it.

        With `patience`, a question waits about so many seconds for what the log has gained, and is then
        answered from what there is: see `behind`.

        `memory`, such as 512MB, bounds what a statement may take: see `guard.connect`. `label_sources` tells
        whose label counts in `known_labels` where two differ, the strongest first.
        """
        self._store = store
        self._label_sources = label_sources
        self._memory = memory
        self._patience = patience
        self._writer = writer
        self._topics = {
            topic: TopicTable(store.tables / FOLDERS[topic], store.log, topic, LIVE_ROWS)
            for topic in (EVENTS, DECISIONS, FLAG_MATCHES)
        }
        self._quarantine_state: object = None
        self._links_state: object = None
        self._shown: dict[str, str] = {}  # attributes by name in the views, and their SQL types
        self._lock = Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._has_views = False  # of each topic and each question: a refresh that fails leaves some out

    def sql(self, text: str, most: int | None = None, seconds: float | None = None) -> pa.Table:
        """The answer to one reading statement, at most its first `most` rows.

        `InputError` with DuckDB's words where it cannot be answered, or where that takes longer than
        `seconds`: the wait for other statements does not count.
        """
        with self._lock:
            statement_guard.check_only_reads(self._connection or self._refresh(self._patience), text)
            try:
                return self._answer(text, most=most, seconds=seconds)
            except (duckdb.InterruptException, duckdb.OutOfMemoryException) as error:
                raise self._too_much(error, seconds) from None
            except duckdb.Error as error:
                if not self._mend():
                    raise _refused(error) from None
            try:
                return self._answer(text, most=most, seconds=seconds)
            except (duckdb.InterruptException, duckdb.OutOfMemoryException) as error:
                raise self._too_much(error, seconds) from None
            except duckdb.Error as error:
                raise _refused(error) from None

    def step(self, seconds: float) -> bool:
        """Take in what the log has gained for about so many seconds; whether there is more."""
        with self._lock:
            self._refresh(seconds)
            return bool(self.behind())

    def behind(self) -> dict[str, tuple[int, int]]:
        """What the last answer lacks by topic: the offset that it ends before, and how many follow."""
        return {topic: (table.end, table.behind) for topic, table in self._topics.items() if table.behind}

    def find_transaction(self, transaction_id: str) -> dict[str, Any] | None:
        """The transaction with this id, by field."""
        found = self._ask(
            "SELECT * FROM transactions WHERE transaction_id = $id LIMIT 1", {"id": transaction_id}
        )
        rows: list[dict[str, Any]] = found.to_pylist()
        return rows[0] | {"attributes": told_attributes(rows[0]["attributes"]) or None} if rows else None

    def find_decision(self, transaction_id: str) -> Decision | None:
        """The decision on this transaction with all that it knew."""
        found = self._ask(
            "SELECT * FROM raw_decisions WHERE transaction_id = $id LIMIT 1", {"id": transaction_id}
        )
        return _decision(found.to_pylist()[0]) if len(found) else None

    def labels_of(self, transaction_id: str) -> list[dict[str, Any]]:
        """What labels say of this transaction, oldest first: `event_time_ms`, `label`, `label_source`."""
        found: list[dict[str, Any]] = self._ask(
            "SELECT event_time_ms, label, label_source FROM labels "
            'WHERE transaction_id = $id ORDER BY "offset"',
            {"id": transaction_id},
        ).to_pylist()
        return found

    def decisions(self, query: DecisionQuery) -> pa.Table:
        """Decisions with amount, currency and main ids of their transactions, newest first."""
        if query.entity is not None and query.entity not in ENTITY_KEYS:
            raise InputError(f"no entity {query.entity!r}: one of {', '.join(ENTITY_KEYS)}")
        if (query.entity is None) != (query.entity_id is None):
            raise InputError("an entity goes with its id: give both, such as card and its token")
        filters = {name: value for name, value in asdict(query).items() if value is not None}
        if query.entity_id is not None:
            filters.setdefault("or_id", query.entity_id)
        if query.before is not None:
            del filters["before"]
            filters["before_ms"], filters["before_offset"] = query.before
        column = ENTITY_KEYS[filters.pop("entity", "card")]
        return self._ask(views.decision_query(filters, column), filters)

    @classmethod
    def alone(cls, store: DataFolder, label_sources: Sequence[str] = ()) -> Self:
        """For a command, which has the files written that its questions need."""
        return cls(store, LakeFollower(store.log, store.tables), label_sources=label_sources)

    def close(self) -> None:
        """Release the memory; the store stays open."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
                self._has_views = False

    def _ask(self, text: str, arguments: dict[str, Any]) -> pa.Table:
        with self._lock:
            try:
                return self._answer(text, arguments)
            except duckdb.Error as error:
                if not self._mend():
                    raise StoreError(f"{self._store.tables} cannot be read: {error}") from error
            return self._answer(text, arguments)

    def _answer(
        self,
        text: str,
        arguments: dict[str, Any] | None = None,
        most: int | None = None,
        seconds: float | None = None,
    ) -> pa.Table:
        connection = self._refresh(self._patience)
        if "quarantine" in text.lower():
            self._refresh_quarantine(connection)
        if "graph_" in text.lower():
            self._refresh_links(connection)
        names = free_attributes.mentioned(text)
        if list(self._shown) != names:
            self._shown = free_attributes.types_of(connection, names) if names else {}
            for statement in views.event_views(self._shown):
                connection.sql(statement)
        with _ended_after(connection, seconds):
            found = connection.sql(text, params=arguments)
            return (found if most is None else found.limit(most)).to_arrow_table()

    def _too_much(self, error: duckdb.Error, seconds: float | None) -> InputError:
        if isinstance(error, duckdb.InterruptException) and seconds is not None:
            return InputError(f"this took longer than {seconds:g} s and was stopped: ask for less")
        if isinstance(error, duckdb.OutOfMemoryException) and self._memory is not None:
            return InputError(f"this needs more than {self._memory} of memory: ask for less")
        return _refused(error)

    def _mend(self) -> bool:
        """Whether a file was damaged, which the next `_refresh` makes again."""
        return sum(table.mend() for table in self._topics.values()) > 0  # all of them are looked at

    def _refresh(self, seconds: float | None) -> duckdb.DuckDBPyConnection:
        connection = self._connection
        if connection is None:
            connection = self._connection = statement_guard.connect(self._store.tables, self._memory)
            connection.register("quarantine", _QUARANTINE.empty_table())
            for name, schema in SCHEMAS.items():
                connection.register(name, schema.empty_table())
        first = not self._has_views
        make: dict[str, Callable[[Sequence[str]], list[str]]] = {
            EVENTS: lambda _: views.event_views(),
            DECISIONS: views.decision_views,
            FLAG_MATCHES: views.flag_match_views,
        }
        if self._writer is not None:
            catch_up(self._store.log, self._writer)
        until = None if seconds is None else monotonic() + seconds
        for place, (topic, table) in enumerate(self._topics.items()):
            share = None if until is None else max(0.0, until - monotonic()) / (len(self._topics) - place)
            if table.refresh(share) or first:
                connection.register(f"tail_{topic}", table.tail)
                connection.sql(views.raw_view(topic, table.files))
                columns = [row[0] for row in connection.sql(f"DESCRIBE raw_{topic}").fetchall()]
                for statement in make[topic](columns):
                    connection.sql(statement)
                if topic == EVENTS:
                    self._shown = {}
        if first:
            for statement in views.question_views(self._label_sources):
                connection.sql(statement)
            self._has_views = True
        return connection

    def _refresh_quarantine(self, connection: duckdb.DuckDBPyConnection) -> None:
        state = self._store.quarantine.counts()
        if state == self._quarantine_state:
            return
        newest = self._store.quarantine.beginnings(_QUARANTINE_ROWS, _QUARANTINE_BYTES)
        rows = [asdict(record) for record in newest]
        connection.register("quarantine", pa.Table.from_pylist(rows, _QUARANTINE))
        self._quarantine_state = state

    def _refresh_links(self, connection: duckdb.DuckDBPyConnection) -> None:
        if self._links_state == news_stamp(self._store.folder):
            return
        self._links_state, tables = tables_of(self._store.folder)
        for name, table in tables.items():
            connection.register(name, table)


@contextmanager
def _ended_after(connection: duckdb.DuckDBPyConnection, seconds: float | None) -> Iterator[None]:
    """End whatever the connection does in the block after so long, and nothing that it does later."""
    if seconds is None:
        yield
        return
    done = Event()

    def watch() -> None:
        is_done = done.wait(seconds)
        while not is_done:
            connection.interrupt()
            is_done = done.wait(_AGAIN_SECONDS)

    watcher = Thread(target=watch, name="ringfence-statement-limit", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _refused(error: duckdb.Error) -> InputError:
    unknown = isinstance(error, duckdb.CatalogException) and "Table with name" in str(error)
    return InputError(
        f"{error}\nThe tables are {', '.join(TABLES)}; business questions are in {', '.join(VIEWS)}"
        if unknown
        else str(error)
    )


def _decision(row: dict[str, Any]) -> Decision:
    fields = {field.name: row[field.name] for field in DECISION_FIELDS}
    features = {name: row[name] for name in json.loads(row["feature_names"])}
    return decision_of(fields, features, json.loads(row["versions"]), json.loads(row["challenger_names"]))
