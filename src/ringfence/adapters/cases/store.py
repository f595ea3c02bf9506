"""`ringfence.cases.book.CaseBook` in SQLite: events, and what they come to, in the same transaction."""

from __future__ import annotations

import sqlite3
from collections import deque
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.adapters.cases.schema import CASE_FILE, IN_ORDER, ORDERS, QUEUES, WAITING
from ringfence.adapters.cases.urgency import most_urgent
from ringfence.adapters.cases.working import SqliteWork, case_number
from ringfence.adapters.sqlite.problems import BUSY_SECONDS, explain
from ringfence.adapters.sqlite.transactions import writing
from ringfence.adapters.sqlite.versions import check_known
from ringfence.cases.book import CaseQuery, Outgoing, QueueCount
from ringfence.cases.errors import UnknownCaseError
from ringfence.cases.model import LIVE, Case, CaseEvent, CaseState, Payment, decode_case, decode_change
from ringfence.errors import InputError
from ringfence.store import CASES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


_SPARE, _MANY = 50, 1000  # ranked beyond those that are wanted, as some do not match
_MOST_RANKED: Final = 4000
_CACHE_KIB: Final = 65_536  # a portion touches thousands of cases, and a page that spills is written twice
_CHECKPOINT_PAGES: Final = 8192  # the same pages change again and again


class SqliteCases:
    """The cases of one data folder. Any thread and any process may use it.

    The file is opened, and made if there is none, at its first use; `check` raises a `StoreError` where it
    must not be made anew.
    """

    @staticmethod
    def are_in(folder: Path) -> bool:
        """Whether a data folder has a file of cases."""
        return (folder / CASES).exists()

    def __init__(self, folder: Path, check: Callable[[], None] = lambda: None) -> None:
        self.path = folder / CASES
        self._check = check
        self._write_lock, self._opening = Lock(), Lock()
        self._idle: deque[sqlite3.Connection] = deque()
        self._open: list[sqlite3.Connection] = []
        self._opened: sqlite3.Connection | None = None

    @contextmanager
    def work(self) -> Iterator[SqliteWork]:
        """See `CaseBook.work`."""
        with self._write_lock, self._errors():
            writer = self._writer()
            with writing(writer):
                yield SqliteWork(writer)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state throughout."""
        with self._errors(), self._borrowed() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    def case(self, case_id: str) -> Case:
        """See `CaseBook.case`."""
        rows = self._fetch("SELECT body FROM standing WHERE case_id = :id", {"id": case_id})
        if not rows:
            raise UnknownCaseError(f"there is no case {case_id!r}: `ringfence cases list` shows them")
        return decode_case(rows[0][0])

    def cases(self, query: CaseQuery, now_ms: int) -> list[Case]:
        """See `CaseBook.cases`."""
        if query.order not in ORDERS:
            raise InputError(f"cases are ordered by {', '.join(ORDERS)}, not {query.order!r}")
        where, values = _conditions(query, now_ms)
        few, index = _is_of_few(query), ""
        if query.order in WAITING and {CaseState.OPEN} <= set(query.states) <= set(LIVE) and not few:
            urgent = self._urgent(query, where, values, now_ms) if query.order == "urgency" else None
            if urgent is not None:
                return urgent
            index = "INDEXED BY standing_waiting"  # it has all that is asked: no row is read to be ranked
        elif query.order in IN_ORDER and not few and set(query.states) != {CaseState.PROPOSED}:  # few, too
            index = f"INDEXED BY {IN_ORDER[query.order]}"
        order = f"ORDER BY {ORDERS[query.order]} LIMIT :limit OFFSET :skip"
        text = (
            f"WITH chosen AS (SELECT number AS which FROM standing {index} WHERE {where} {order}) "  # noqa: S608 (constants)
            f"SELECT body FROM chosen JOIN standing ON number = which ORDER BY {ORDERS[query.order]}"
        )
        found = self._fetch(text, {**values, "limit": query.limit, "skip": query.skip})
        return [decode_case(body) for (body,) in found]

    def _urgent(self, query: CaseQuery, where: str, values: dict[str, Any], now_ms: int) -> list[Case] | None:
        """A page of the most urgent ones; None where that is not the quicker way."""
        wanted = query.skip + query.limit
        text = f"SELECT body FROM standing WHERE number = :one AND {where}"  # noqa: S608 (constants)
        for most in (wanted + _SPARE, 4 * wanted + _MANY):
            if most > _MOST_RANKED:
                break
            with self.reading() as connection:
                numbers = most_urgent(connection, now_ms, most)
                if numbers is None:
                    break
                found = []
                for number in numbers:
                    row = connection.execute(text, {**values, "one": number}).fetchone()
                    if row is not None:
                        found.append(row[0])
                    if len(found) == wanted:
                        break
            if len(found) == wanted or len(numbers) < most:
                return [decode_case(body) for body in found[query.skip :]]
        return None

    def count(self, query: CaseQuery, now_ms: int) -> int:
        """See `CaseBook.count`."""
        if (waiting := self._waiting(query, now_ms)) is not None:
            return waiting
        where, values = _conditions(query, now_ms)
        all_read = not _is_of_few(query) and not set(query.states) <= set(LIVE)
        index = "INDEXED BY standing_latest" if all_read else ""  # it has all that is asked
        return int(self._fetch(f"SELECT count(*) FROM standing {index} WHERE {where}", values)[0][0])  # noqa: S608 (constants)

    def _waiting(self, query: CaseQuery, now_ms: int) -> int | None:
        """How many are wanted, where the totals of queues tell."""
        if set(query.states) != set(LIVE) or query != CaseQuery(
            states=query.states,
            queue=query.queue,
            queues=query.queues,
            ready=query.ready,
            order=query.order,
            limit=query.limit,
            skip=query.skip,
        ):
            return None
        known = [one for one in self.queues(now_ms) if query.queue in (None, one.queue)]
        known = [one for one in known if not query.queues or one.queue in query.queues]
        return sum(
            one.ready * (query.ready is not False) + one.resting * (query.ready is not True) for one in known
        )

    def events(self, case_id: str, after: int = 0) -> list[CaseEvent]:
        """See `CaseBook.events`."""
        text = (
            "SELECT version, at_ms, by_whom, change FROM event WHERE case_id = :id AND version > :after "
            "ORDER BY version"
        )
        return [
            CaseEvent(case=case_id, version=version, at_ms=at_ms, by=by, change=decode_change(change))
            for version, at_ms, by, change in self._fetch(text, {"id": case_id, "after": after})
        ]

    def feed(self, after: int, limit: int = 2000) -> list[tuple[int, CaseEvent, Case]]:
        """See `CaseBook.feed`."""
        text = (
            "SELECT f.seq, f.case_id, e.version, e.at_ms, e.by_whom, e.change, s.body FROM feed f "
            "JOIN event e USING (case_id, version) JOIN standing s USING (case_id) "
            "WHERE f.seq > :after ORDER BY f.seq LIMIT :limit"
        )
        return [
            (
                seq,
                CaseEvent(case=case_id, version=version, at_ms=at_ms, by=by, change=decode_change(change)),
                decode_case(body),
            )
            for seq, case_id, version, at_ms, by, change, body in self._fetch(
                text, {"after": after, "limit": limit}
            )
        ]

    def last_event(self) -> int:
        """See `CaseBook.last_event`."""
        text = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'feed'"
        return int(self._fetch(text, {})[0][0])

    def file(self, sha256: str) -> bytes | None:
        """See `CaseBook.file`."""
        rows = self._fetch("SELECT body FROM attachment WHERE sha256 = :sha256", {"sha256": sha256})
        return rows[0][0] if rows else None

    def payments(self, case_id: str, limit: int = 1000) -> list[Payment]:
        """See `CaseBook.payments`."""
        text = (
            "SELECT body FROM payment WHERE case_id = :id ORDER BY event_time_ms DESC, transaction_id "
            "LIMIT :limit"
        )
        rows = self._fetch(text, {"id": case_id, "limit": limit})
        return [msgspec.json.decode(body, type=Payment) for (body,) in rows]

    def case_of(self, transaction_id: str) -> Case | None:
        """See `CaseBook.case_of`."""
        text = "SELECT s.body FROM payment p JOIN standing s USING (case_id) WHERE p.transaction_id = :id"
        rows = self._fetch(text, {"id": transaction_id})
        return decode_case(rows[0][0]) if rows else None

    def queues(self, now_ms: int) -> list[QueueCount]:
        """See `CaseBook.queues`."""
        return [
            QueueCount(
                queue=queue, ready=ready, resting=resting, held=held, overdue=late, loss=loss, oldest_ms=first
            )
            for queue, ready, resting, held, late, loss, first in self._fetch(QUEUES, {"now": now_ms})
        ]

    def is_any_due(self, now_ms: int) -> bool:
        """See `CaseBook.is_any_due`."""
        text = (
            "SELECT 1 FROM standing WHERE state IN ('open', 'proposed') "
            "AND due_ms <= :now AND escalated = 0 LIMIT 1"
        )
        return bool(self._fetch(text, {"now": now_ms}))

    def closed_by(self, analyst: str, since_ms: int, limit: int) -> list[Case]:
        """See `CaseBook.closed_by`."""
        text = (
            "SELECT body FROM standing WHERE state = 'closed' AND closed_by = :analyst "
            "AND closed_ms >= :since ORDER BY closed_ms DESC, number DESC LIMIT :limit"
        )
        values = {"analyst": analyst, "since": since_ms, "limit": limit}
        return [decode_case(body) for (body,) in self._fetch(text, values)]

    def count_closed_by(self, analyst: str, since_ms: int) -> int:
        """See `CaseBook.count_closed_by`."""
        text = (
            "SELECT count(*) FROM standing WHERE state = 'closed' AND closed_by = :analyst "
            "AND closed_ms >= :since"
        )
        return int(self._fetch(text, {"analyst": analyst, "since": since_ms})[0][0])

    def outgoing(self, limit: int = 500) -> list[Outgoing]:
        """See `CaseBook.outgoing`."""
        text = "SELECT body FROM outgoing WHERE is_delivered = 0 ORDER BY number LIMIT :limit"
        return [msgspec.json.decode(body, type=Outgoing) for (body,) in self._fetch(text, {"limit": limit})]

    def delivered(self, ids: Iterable[str]) -> None:
        """See `CaseBook.delivered`."""
        with self.work() as work:
            work.connection.executemany(
                "UPDATE outgoing SET is_delivered = 1 WHERE id = ?", [(one,) for one in ids]
            )

    def empty_log(self) -> None:
        """Write changed pages back to the file, so that the write-ahead log holds none of before."""
        with self._write_lock, self._errors():
            self._writer().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def joined_alerts(self) -> list[tuple[str, str]]:
        """Every alert that joined a case, with that case."""
        return [(alert, case) for alert, case in self._fetch("SELECT alert, case_id FROM alert", {})]

    def positions(self) -> dict[str, int]:
        """How far the follower has come, by topic."""
        return dict(self._fetch("SELECT topic, position FROM progress", {}))

    def close(self) -> None:
        """See `CaseBook.close`. Closing twice is allowed."""
        with self._write_lock:
            for connection in self._open:
                connection.close()
            self._open.clear()
            self._idle.clear()
            self._opened = None

    def _fetch(self, text: str, values: dict[str, Any]) -> list[Any]:
        with self._errors(), self._borrowed() as connection:
            return connection.execute(text, values).fetchall()

    def _writer(self) -> sqlite3.Connection:
        """The connection that writes; the first one to ask has the file opened."""
        with self._opening:
            if self._opened is None:
                self._check()
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.path.touch(mode=0o600)
                writer = self._connect()
                try:
                    check_known(writer, self.path)
                    writer.execute("PRAGMA journal_mode = WAL")
                    writer.execute("PRAGMA synchronous = FULL")
                    writer.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
                    writer.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
                    CASE_FILE.bring_up_to_date(writer, self.path)
                except BaseException:
                    self._open.remove(writer)
                    writer.close()
                    raise
                self._opened = writer
            return self._opened

    @contextmanager
    def _borrowed(self) -> Iterator[sqlite3.Connection]:
        self._writer()
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            yield connection
        finally:
            self._idle.append(connection)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._open.append(connection)
        return connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise explain(error, self.path) from error


def _is_of_few(query: CaseQuery) -> bool:
    """Whether the cases are found by whose they are or whom they are about."""
    return query.assignee is not None or query.subject is not None or bool(query.text)


def _conditions(query: CaseQuery, now_ms: int) -> tuple[str, dict[str, Any]]:
    """The WHERE of a query, and its values."""
    values: dict[str, Any] = {"now": now_ms}
    states = ", ".join(f"'{state.value}'" for state in query.states) or "''"
    parts = [f"state = {states}" if len(query.states) == 1 else f"state IN ({states})"]
    if query.states == (CaseState.OPEN,):  # so that the index of those that wait is used
        parts.append("state IN ('open', 'proposed')")
    if query.queue is not None:
        parts.append("queue = :queue")
        values["queue"] = query.queue
    if query.queues:
        named = {f"queue{number}": queue for number, queue in enumerate(query.queues)}
        parts.append(f"queue IN ({', '.join(f':{name}' for name in named)})")
        values |= named
    if query.assignee is not None:
        parts.append("assignee IS NOT NULL AND assignee = :assignee AND lease_until_ms > :now")
        parts.append("state IN ('open', 'proposed')")  # what ended is nobody's: so an index is used
        values["assignee"] = query.assignee
    if query.subject is not None:
        parts.append(
            "number IN (SELECT number FROM subject WHERE entity_type = :kind AND entity_id = :entity)"
        )
        values |= {"kind": query.subject.entity_type, "entity": query.subject.entity_id}
    if query.ready is not None:
        parts.append("ready_ms <= :now" if query.ready else "ready_ms > :now")
    if query.overdue is not None:
        parts.append("due_ms <= :now" if query.overdue else "due_ms > :now")
    if query.text:
        number = case_number(query.text)
        parts.append(
            "number IN (SELECT :number UNION ALL SELECT number FROM subject WHERE entity_id >= :text AND "
            "entity_id < :text || char(1114111))"
        )
        values |= {"number": -1 if number is None else number, "text": query.text}
    return " AND ".join(parts), values
