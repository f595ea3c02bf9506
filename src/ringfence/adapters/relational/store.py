"""The relational store as a follower: each portion of the log in one transaction with its position."""

from __future__ import annotations

import contextlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg import sql

from ringfence.adapters.questions import ROLLUPS
from ringfence.adapters.relational.copying import copy_into
from ringfence.adapters.relational.known_rows import KNOWN, KnownRows
from ringfence.adapters.relational.partitions import add_partitions
from ringfence.adapters.relational.portion import DecisionPortion, EventPortion
from ringfence.adapters.relational.problems import explained, target_of
from ringfence.adapters.relational.schema import PARTITIONED, SCHEMA, label_order, log_source, metadata
from ringfence.adapters.relational.statements import SQL
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import StoreError
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ringfence.ports import EventLog, LogBatch
    from ringfence.ports.secrets import SecretValue

_ROLLUP_KEYS: Final = {
    "payment_hours": ("hour", "currency"),
    "payment_days": ("day", "currency", "dimension", "value"),
    "payment_months": ("month", "currency", "dimension", "value"),
}
_COUNTED: Final = ("payments", "amount", "frauds", "fraud_amount")
_STAGED: Final = (
    *("customers", "cards", "accounts", "merchants", "devices", "addresses", "known_labels"),
    *("outcome_hours", *_ROLLUP_KEYS),
)
_CONNECT_SECONDS: Final = 10
_PAYMENT_BATCHES: Final = 16  # at a time, where decisions come before their payments


class RelationalStore:
    """Customers, cards, merchants, payments, decisions, labels and rollups in a PostgreSQL schema.

    A `ringfence.follow.Follower`. The tables must be there (`migrate.upgrade`). A transaction of PostgreSQL
    holds a portion and its position; after a crash of either side it goes on from the position that the
    database has, so that nothing is lost or doubled.

    Args:
        log: the log that is followed.
        url: `postgresql://user@host/database` or a libpq connection string.
        log_id: identity of the log; a store made from another one is refused.
        label_sources: whose label counts where two differ, the strongest first. A store that ranked them
            otherwise ranks all its labels anew.
        password: of the user, where the address has none; looked up again at once if it is refused.
    """

    name = "relational"
    topics = (EVENTS, DECISIONS)
    least = 1
    most = 131_072

    def __init__(
        self,
        log: EventLog,
        url: str,
        log_id: str,
        label_sources: Sequence[str] = (),
        password: SecretValue | None = None,
    ) -> None:
        self.url = url
        self._password = password
        self._log = log
        self.target = target_of(url)
        self._log_id = log_id
        self._connection: psycopg.Connection[Any] | None = None
        self._label_sources = list(label_sources)
        self._known = KnownRows()
        self._written = -1  # end of the events that this process has put there last

    def positions(self) -> Mapping[str, int]:
        """End of what the store holds, by topic; `StoreError` where it cannot be asked."""
        with self._transaction() as cursor:
            return {topic: end for topic, _, end in cursor.execute(SQL["positions"]).fetchall()}

    def take(self, topic: str, batches: Iterable[LogBatch]) -> None:
        """Put a portion into the store; payments go before the decisions on them."""
        portion = list(batches)
        if not portion:
            return
        with self._transaction() as cursor:
            if topic == DECISIONS:
                self._put_payments(cursor, _last_offset(portion[-1]) + 1)
            self._put(cursor, topic, portion)

    def _put_payments(self, cursor: psycopg.Cursor[Any], end: int) -> None:
        """Have the events before `end` in the store."""
        while (begin := self._event_end(cursor)) < end:
            events = self._log.read(EVENTS, begin, end)
            self._put(cursor, EVENTS, list(itertools.islice(events, _PAYMENT_BATCHES)))

    def _event_end(self, cursor: psycopg.Cursor[Any]) -> int:
        known = self._position(cursor, EVENTS)
        return max(self._log.start_offset(EVENTS), 0 if known is None else known.next_offset)

    def _put(self, cursor: psycopg.Cursor[Any], topic: str, portion: Sequence[LogBatch]) -> None:
        known = self._position(cursor, topic)
        first = portion[0].base_offset if known is None else known.first_offset
        if known is not None and portion[0].base_offset < known.next_offset:
            raise StoreError(
                f"{self.target} holds {topic} to {known.next_offset:,} already: another process loads it"
            )
        if topic == EVENTS:
            if known is None or known.next_offset != self._written:
                self._known.forget()
            events = EventPortion(portion, self._label_sources)
            _put_events(cursor, events, self._known)
            _put_labels(cursor, events, portion[0].base_offset, portion[-1].next_offset)
        else:
            payments = self._position(cursor, EVENTS)
            _put_decisions(cursor, portion, 0 if payments is None else payments.first_offset)
        position = {"topic": topic, "first": first, "next": portion[-1].next_offset}
        cursor.execute(SQL["set_position"], position)
        if topic == EVENTS:
            self._written = portion[-1].next_offset

    def reset(self) -> None:
        """Empty all tables; their definitions stay."""
        names = [table.name for table in metadata.sorted_tables if table not in (log_source, label_order)]
        with self._transaction() as cursor:
            tables = sql.SQL(", ").join(map(sql.Identifier, names))
            cursor.execute(sql.SQL("TRUNCATE {}").format(tables))
        self._known.forget()

    def close(self) -> None:
        """End the connection; the next call begins another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._known.forget()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[psycopg.Cursor[Any]]:
        with explained(self.url):
            connection = self._connected()
            with self._known.kept(), connection.transaction(), connection.cursor() as cursor:
                yield cursor

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        connection = connect(self.url, self._password)
        try:
            self._begin(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _begin(self, connection: psycopg.Connection[Any]) -> None:
        """Look whose store it is, and make the tables that a portion passes through."""
        # A foreign key's check plans a scan of a table that is empty now and grows within the transaction.
        connection.execute("SET enable_seqscan = off")
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            # What a portion refers to is put in before it; to check it row by row takes most of the time.
            connection.execute("SET session_replication_role = replica")
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(SQL["set_log_source"], {"log_id": self._log_id})
            if _sources(cursor) != [self._log_id]:
                raise StoreError(
                    f"{self.target} was made from another log: give this one a database of its own, or empty "
                    "that one with `ringfence store drop`"
                )
            for name in _STAGED:
                cursor.execute(
                    sql.SQL(
                        "CREATE TEMPORARY TABLE {} (LIKE {} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
                    ).format(sql.Identifier(f"incoming_{name}"), sql.Identifier(name))
                )
            if cursor.execute(SQL["label_order"]).fetchone() != (self._label_sources,):
                _rank_labels_anew(cursor, self._label_sources)

    @staticmethod
    def _position(cursor: psycopg.Cursor[Any], topic: str) -> _Position | None:
        row = cursor.execute(SQL["position"], {"topic": topic}).fetchone()
        return None if row is None else _Position(*row)


class _Position(NamedTuple):
    """What the store holds of a topic; what retention had taken before it began is not there."""

    first_offset: int
    next_offset: int


def connect(url: str, password: SecretValue | None = None) -> psycopg.Connection[Any]:
    """A connection whose names are the store's and whose zone is UTC.

    A password that the server refuses is looked up again at once.

    A commit does not wait for PostgreSQL's disk: what a crash of its machine takes away, rows and position
    together, is loaded again from the log.
    """
    secret = None if password is None else password.value()
    try:
        connection = _connect(url, secret)
    except psycopg.OperationalError as error:
        renewed = password.renewed(secret or "") if password and "password" in str(error) else None
        if renewed is None:
            raise
        connection = _connect(url, renewed)
    connection.prepare_threshold = None
    return connection


def _connect(url: str, password: str | None) -> psycopg.Connection[Any]:
    return psycopg.connect(
        url,
        password=password,
        autocommit=True,
        connect_timeout=_CONNECT_SECONDS,
        application_name="ringfence",
        options=f"-c search_path={SCHEMA} -c TimeZone=UTC -c synchronous_commit=off",
    )


def _sources(cursor: psycopg.Cursor[Any]) -> list[str]:
    return [row[0] for row in cursor.execute(SQL["log_source"]).fetchall()]


def _last_offset(batch: LogBatch) -> int:
    return int(DecisionBatch.decode(batch.payload).numbers("offset")[-1])


def _put_events(cursor: psycopg.Cursor[Any], portion: EventPortion, known_rows: KnownRows) -> None:
    add_partitions(cursor, portion.months(), PARTITIONED)
    dimensions = {name: portion.summary(name) for name in (*KNOWN, "addresses")}
    with ThreadPoolExecutor(1) as counting:  # while the server takes in the facts
        rollups = counting.submit(lambda: {name: portion.rollup(name) for name in _ROLLUP_KEYS})
        for name, rows in dimensions.items():
            _add(cursor, name, known_rows.new_of(name, rows))
        for name in ("transactions", "labels", "lifecycle", "list_entries", "flags"):
            copy_into(cursor, name, portion.facts(name))
        for name, counted in rollups.result().items():
            staged = sql.Identifier(f"incoming_{name}")
            copy_into(cursor, f"incoming_{name}", counted)
            _add_to_rollup(cursor, name, sql.SQL("SELECT * FROM {}").format(staged))


def _put_labels(cursor: psycopg.Cursor[Any], portion: EventPortion, begin: int, end: int) -> None:
    _count_labels(cursor, "payments_labelled_before", {"begin": begin, "end": end})
    known = portion.summary("known_labels")
    if len(known):
        copy_into(cursor, "incoming_known_labels", known)
        cursor.execute(SQL["drop_weaker_labels"])
        _count_labels(cursor, "payments_labelled_now", {})
        cursor.execute(SQL["add_known_labels"])


def _put_decisions(cursor: psycopg.Cursor[Any], batches: Sequence[LogBatch], first_payment: int) -> None:
    portion = DecisionPortion(batches, first_payment)
    with ThreadPoolExecutor(1) as asking:
        fired = asking.submit(portion.facts, "fired_rules")
        hours = asking.submit(portion.summary, "outcome_hours")
        copy_into(cursor, "decisions", portion.facts("decisions"))
        copy_into(cursor, "fired_rules", fired.result())
        _add(cursor, "outcome_hours", hours.result())


def _rank_labels_anew(cursor: psycopg.Cursor[Any], sources: list[str]) -> None:
    """Have labels count in this order, and the rollups count frauds accordingly."""
    stale = ("label_order", "known_labels", *_ROLLUP_KEYS)
    cursor.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(map(sql.Identifier, stale))))
    cursor.execute(SQL["set_label_order"], {"sources": sources})
    cursor.execute(SQL["rank_labels_anew"], {"sources": sources})
    cursor.execute(SQL["payments_counted_anew"])
    for name, counted in ROLLUPS.items():
        cursor.execute(sql.SQL("INSERT INTO {} {}").format(sql.Identifier(name), sql.SQL(counted)))
    cursor.execute(SQL["forget_payments"])


def _add(cursor: psycopg.Cursor[Any], name: str, rows: Any) -> None:
    if len(rows):
        copy_into(cursor, f"incoming_{name}", rows)
        cursor.execute(SQL[f"add_{name}"])


def _count_labels(cursor: psycopg.Cursor[Any], statement: str, arguments: dict[str, int]) -> None:
    """Add or take back the frauds that labels make of payments that are counted."""
    cursor.execute(SQL[statement], arguments)
    if cursor.rowcount:
        for name, counted in ROLLUPS.items():
            _add_to_rollup(cursor, name, sql.SQL(counted))
    cursor.execute(SQL["forget_payments"])


def _add_to_rollup(cursor: psycopg.Cursor[Any], name: str, rows: sql.Composable) -> None:
    table = sql.Identifier(name)
    added = [
        sql.SQL("{0} = {1}.{0} + excluded.{0}").format(sql.Identifier(column), table) for column in _COUNTED
    ]
    cursor.execute(
        sql.SQL("INSERT INTO {} {} ON CONFLICT ({}) DO UPDATE SET {}").format(
            table,
            rows,
            sql.SQL(", ").join(map(sql.Identifier, _ROLLUP_KEYS[name])),
            sql.SQL(", ").join(added),
        )
    )
