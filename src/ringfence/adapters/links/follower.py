"""The follower that keeps the live links in a file."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.adapters.links.macro import look_around
from ringfence.adapters.links.news import is_ours
from ringfence.adapters.links.schema import opened
from ringfence.adapters.sqlite.transactions import writing
from ringfence.decisions.decision import DecisionBatch
from ringfence.events import codec
from ringfence.events.batch import NULL_INT
from ringfence.events.clock import StreamClock
from ringfence.events.model import Kind
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ringfence.events.batch import EventBatch
    from ringfence.features.links import Graph, Link
    from ringfence.graph.rings import Node
    from ringfence.ports import LogBatch

_STOPPED: Final = pa.array(["review", "decline"])
_PAIR: Final = """
INSERT INTO pair VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
  first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms),
  count = count + excluded.count, amount = amount + excluded.amount
"""


_LABEL: Final = """
UPDATE payment SET fraud = ?, stopped = CASE WHEN ? THEN stopped ELSE -1 END WHERE id = ?
"""
_SUSPECT: Final = """
INSERT INTO suspect (id, due) VALUES (?, 1) ON CONFLICT DO UPDATE SET due = 1, came_ms = NULL
"""


class LinkFollower:
    """`ringfence.follow.Follower`. Links, payments and the position commit together.

    Another declaration of the graph begins again from the start of the log.
    """

    name: Final = "links"
    topics: Final = (EVENTS, DECISIONS)
    least: Final = 1
    most: Final = 65_536

    def __init__(self, folder: Path, graph: Graph) -> None:
        self._folder = folder
        self.graph = graph
        self._digest = json.dumps(graph.data, sort_keys=True)
        self._connection: sqlite3.Connection | None = None

    def positions(self) -> dict[str, int]:
        """See `Follower.positions`."""
        ours = self._is_ours()
        return {topic: int(self._meta(topic, "0")) if ours else 0 for topic in self.topics}

    def take(self, topic: str, batches: Iterable[LogBatch]) -> None:
        """See `Follower.take`."""
        with self._work() as connection:
            if not self._is_ours():
                _empty(connection)
                _set(connection, "graph", self._digest)
            clock = StreamClock.from_array(
                np.array(json.loads(self._meta("clock", json.dumps(StreamClock().to_array().tolist()))))
            )
            end = None
            for batch in batches:
                if topic == DECISIONS:
                    _note(connection, DecisionBatch.decode(batch.payload))
                else:
                    self._put(connection, codec.decode(batch.payload), clock)
                end = batch.next_offset
            if end is None:
                return
            self._forget(connection, clock.now_ms)
            _set(connection, "clock", json.dumps(clock.to_array().tolist()))
            _set(connection, topic, str(end))
        done: set[Node] = set()
        more = True
        while more:
            with self._work() as connection:
                more = look_around(connection, done)
                if not more:  # who is left although the events were read has been forgotten, or was trimmed
                    events = int(self._meta(EVENTS, "0"))
                    connection.execute("DELETE FROM pending WHERE event_offset < ?", (events,))

    def reset(self) -> None:
        """See `Follower.reset`."""
        with self._work() as connection:
            _empty(connection)

    def close(self) -> None:
        """See `Follower.close`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _put(self, connection: sqlite3.Connection, events: EventBatch, clock: StreamClock) -> None:
        self._suspect(connection, events.take(events.kind == Kind.FLAG))
        labels = events.take(events.kind == Kind.LABEL)
        payments = events.take(events.is_transaction)
        if len(payments):
            clocks = clock.advance(payments)
            for number, link in enumerate(self.graph.links):
                connection.executemany(_PAIR, _pairs(number, link, payments, clocks))
            self._remember(connection, payments, clocks)
        if len(labels):
            ids = labels.column("transaction_id").to_pylist()
            said = [
                (bool(one), name) for one, name in zip(labels.column("label").to_pylist(), ids, strict=True)
            ]
            for fraud, name in said:
                if not connection.execute(_LABEL, (fraud, fraud, name)).rowcount:
                    connection.execute("INSERT OR REPLACE INTO early VALUES (?, ?, NULL)", (name, fraud))

    def _suspect(self, connection: sqlite3.Connection, flags: EventBatch) -> None:
        """Whom others flag: what is around them will be looked at, once they have links.

        Our own flags come from such a look.
        """
        if not len(flags):
            return
        rows = zip(
            *(flags.column(name).to_pylist() for name in ("entity_type", "entity_id", "event_id", "removed")),
            strict=True,
        )
        found = [
            (name,)
            for kind, name, event, removed in rows
            if kind == self.graph.subject and name and not removed and not is_ours(event)
        ]
        connection.executemany(_SUSPECT, found)

    def _remember(self, connection: sqlite3.Connection, payments: EventBatch, clocks: Any) -> None:
        graph = self.graph
        subject = next(link.source_field for link in graph.links if link.source == graph.subject)
        ids = payments.column("transaction_id").to_pylist()
        nobody = [None] * len(ids)
        same = graph.flow is not None and graph.flow.target == graph.subject
        payees = payments.column(graph.flow.target_field).to_pylist() if same and graph.flow else nobody
        payers = payments.column(subject).to_pylist()
        rows = zip(ids, payers, payees, clocks.tolist(), strict=True)
        connection.executemany("INSERT OR IGNORE INTO payment VALUES (?, ?, ?, ?, 0, 0)", rows)
        if connection.execute("SELECT 1 FROM suspect LIMIT 1").fetchone():
            here = [(name,) for name in {*payers, *payees} - {None}]
            connection.executemany("UPDATE suspect SET due = 1 WHERE id = ?", here)
        if connection.execute("SELECT 1 FROM early LIMIT 1").fetchone():
            connection.execute(
                "UPDATE payment SET fraud = early.fraud, "
                "stopped = CASE WHEN early.fraud THEN stopped ELSE -1 END "
                "FROM early WHERE early.id = payment.id"
            )
            connection.execute("DELETE FROM early WHERE id IN (SELECT id FROM payment)")

    def _forget(self, connection: sqlite3.Connection, now_ms: int | None) -> None:
        if now_ms is None:
            return
        for number, link in enumerate(self.graph.links):
            connection.execute(
                "DELETE FROM pair WHERE link = ? AND last_ms <= ?", (number, now_ms - link.ttl_ms)
            )
        for table in ("early", "suspect"):
            text = f"UPDATE {table} SET came_ms = ? WHERE came_ms IS NULL"  # noqa: S608 (names of ours)
            connection.execute(text, (now_ms,))
        connection.execute("DELETE FROM told WHERE coalesce(until_ms, 0) <= ?", (now_ms,))
        for table in ("payment", "early", "suspect"):
            text = f"DELETE FROM {table} WHERE came_ms <= ?"  # noqa: S608 (names of ours)
            connection.execute(text, (now_ms - self.graph.memory_ms,))

    def _is_ours(self) -> bool:
        return self._meta("graph", "") == self._digest

    def _meta(self, name: str, default: str) -> str:
        row = self._open().execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return default if row is None else str(row[0])

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = opened(self._folder)
        return self._connection

    @contextmanager
    def _work(self) -> Iterator[sqlite3.Connection]:
        connection = self._open()
        with writing(connection):
            yield connection


def _pairs(number: int, link: Link, payments: EventBatch, clocks: Any) -> list[tuple[Any, ...]]:
    """What the payments say of one link type, a row for each pair."""
    times = np.minimum(payments.event_time_ms, clocks)
    amounts = payments.amount_fixed
    amounts = np.where(amounts == NULL_INT, 0, amounts)
    alive = times + link.ttl_ms > clocks
    found: dict[tuple[str, str], list[int]] = {}
    for source, target, time, amount, lives in zip(
        payments.column(link.source_field).to_pylist(),
        payments.column(link.target_field).to_pylist(),
        times.tolist(),
        amounts.tolist(),
        alive.tolist(),
        strict=True,
    ):
        if not (source and target and lives) or (source == target and link.source == link.target):
            continue
        known = found.get((source, target))
        if known is None:
            found[source, target] = [time, time, 1, amount]
        else:
            known[0], known[1] = min(known[0], time), max(known[1], time)
            known[2] += 1
            known[3] += amount
    return [(number, *ends, *facts) for ends, facts in found.items()]


def _note(connection: sqlite3.Connection, decisions: DecisionBatch) -> None:
    """Payments that were stopped: what is around those who made them will be looked at."""
    outcomes = decisions.table.column("outcome").cast("string")
    stopped = decisions.table.filter(pc.is_in(outcomes, value_set=_STOPPED))
    rows = zip(
        stopped.column("transaction_id").to_pylist(), stopped.column("offset").to_pylist(), strict=True
    )
    connection.executemany("INSERT OR IGNORE INTO pending VALUES (?, ?)", rows)


def _empty(connection: sqlite3.Connection) -> None:
    for table in ("pair", "payment", "early", "pending", "suspect", "ring", "member", "meta"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 (names of ours)


def _set(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
