"""Puts into the outbox what subscribers want, with the position, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from ringfence.adapters.outbox.alerting import Alerting
from ringfence.adapters.outbox.bus import Bus
from ringfence.adapters.outbox.contacts import Contacts
from ringfence.alerts.events import DIGEST, ESCALATED
from ringfence.alerts.policy import AlertPolicy
from ringfence.bus.catalog import (
    CASE_CHANGED,
    CASE_CLOSED,
    CASE_OPENED,
    FEATURES_PATH,
    TOPICS,
    tables,
)
from ringfence.bus.pattern import Exact, FieldPattern
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import StoreError
from ringfence.ports import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path
    from sqlite3 import Connection

    from ringfence.adapters.outbox.alerting import AlertRow
    from ringfence.bus.subscription import Subscription
    from ringfence.bus.table import EventTable
    from ringfence.ports import EventLog, LogBatch
    from ringfence.scoring.rulesets.ruleset import RuleSet

DEFAULT_POLICY: Final = AlertPolicy()
_OF_NO_ALERT: Final = (FEATURES_PATH, ("id",), ("time",), ("subject",), ("partitionkey",))
"""What of a decision no alert needs to be made."""

_INSERT: Final = """
INSERT INTO message (id, subscription, destination, key, ordered, event, due_ms, state, made_ms, done_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING
"""
_MOVE: Final = """
INSERT INTO position (topic, next_offset) VALUES (?, ?)
ON CONFLICT (topic) DO UPDATE SET next_offset = excluded.next_offset
"""
_OF_LOG: Final = f"""(
  json_extract(CAST(event AS TEXT), '$.type') NOT IN
    ('{DIGEST}', '{ESCALATED}', '{CASE_OPENED}', '{CASE_CHANGED}', '{CASE_CLOSED}'))"""
_RESET: Final = f"""
INSERT OR IGNORE INTO owed SELECT id FROM message WHERE state <> 'delivered' AND {_OF_LOG};
UPDATE position SET told = max(told, next_offset), next_offset = 0;
DELETE FROM message WHERE {_OF_LOG};
DELETE FROM alert;
DELETE FROM cap;
"""  # noqa: S608 (constants)


class OutboxFollower:
    """A `ringfence.follow.Follower`.

    Made again, it makes the same messages; those that were delivered before are not sent once more, and those
    that the clock has made stay.

    Args:
        log: the log that is followed.
        folder: where `bus.db` is.
        log_id: identity of the log, the beginning of each message's id.
        policy: which decisions raise alerts, and who hears of them.
        rules: the rule set of a digest, for reasons in words; None where it is not known.
        made: called once there are new messages, with the addresses of their destinations.
        check: as of `OutboxDatabase`.
    """

    name = "outbox"
    topics = TOPICS  # decisions first: their payments are read before `trim` may take these
    least = 1
    most = 16_384

    def __init__(
        self,
        log: EventLog,
        folder: Path,
        log_id: str,
        now_ms: Callable[[], int],
        policy: AlertPolicy = DEFAULT_POLICY,
        rules: Callable[[str], RuleSet | None] = lambda _digest: None,
        made: Callable[[Collection[str]], None] = lambda _addresses: None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.bus = Bus(folder, check)
        self._log = log
        self._log_id = log_id
        self._now_ms = now_ms
        self._policy = policy
        self._rules = rules
        self._made = made

    def positions(self) -> Mapping[str, int]:
        """See `Follower.positions`."""
        return dict(self.bus.database.rows("SELECT topic, next_offset FROM position"))

    def take(self, topic: str, batches: Iterable[LogBatch]) -> None:
        """See `Follower.take`."""
        portion = list(batches)
        if not portion:
            return
        contacts = Contacts(self.bus.database, self._log)
        if topic == DECISIONS and self._policy.customer and self._policy.contacts == "profile":
            with self.bus.database.transaction(at_leisure=True) as connection:
                self._check_log(connection)
            contacts.reach(int(DecisionBatch.decode(portion[-1].payload).numbers("offset")[-1]))
        with self.bus.database.transaction(at_leisure=True) as connection:
            self._check_log(connection)
            row = connection.execute(
                "SELECT next_offset, told FROM position WHERE topic = ?", (topic,)
            ).fetchone()
            begin, told = row or (0, 0)
            end = portion[-1].next_offset
            wanting = [one for one in self.bus.subscriptions() if one.start.get(topic, 0) < end]
            alerting = Alerting(
                connection, self._policy, self._log_id, self._now_ms(), wanting, self._rules, contacts
            )
            fresh: set[str] = set()
            if wanting or topic == DECISIONS:
                for offsets, table in tables(topic, portion, self._log, f"/ringfence/{self._log_id}"):
                    fresh |= self._put(connection, wanting, topic, offsets, table, begin, told)
                    if topic == DECISIONS:
                        self._alert(alerting, offsets, table, begin)
                alerting.finish()
                fresh |= self._put_rows(connection, alerting.rows, told)
            connection.execute(_MOVE, (topic, end))
        if fresh:
            self._made(fresh)

    def reset(self) -> None:
        """See `Follower.reset`."""
        with self.bus.database.transaction() as connection:
            for statement in filter(str.strip, _RESET.split(";")):
                connection.execute(statement)

    def close(self) -> None:
        """See `Follower.close`."""
        self.bus.close()

    def _put(
        self,
        connection: Connection,
        wanting: list[Subscription],
        topic: str,
        offsets: Any,
        table: EventTable,
        begin: int,
        told: int,
    ) -> set[str]:
        """Messages for the events from `begin` on; where they go.

        What is before `told` was sent, unless it is owed.
        """
        due = {
            one.name: table.matching(one.parsed()) & (offsets >= max(begin, one.start.get(topic, 0)))
            for one in wanting
        }
        rows = np.flatnonzero(np.logical_or.reduce(list(due.values()))) if due else np.empty(0, np.int64)
        if not len(rows):
            return set()
        now_ms = self._now_ms()
        encoder = msgspec.json.Encoder()
        messages: list[tuple[Any, ...]] = []
        for row, event in zip(rows.tolist(), table.events(rows.tolist()), strict=True):
            body, offset = encoder.encode(event), int(offsets[row])
            for one in wanting:
                if due[one.name][row]:
                    message_id = f"{self._log_id}:{topic}:{offset}:{one.name}"
                    is_told = offset < told and not self._takes_owed(connection, message_id)
                    messages.append(
                        (
                            *(message_id, one.name, one.to, event["partitionkey"], int(one.ordered), body, 0),
                            *(("delivered" if is_told else "waiting"), now_ms, now_ms if is_told else 0),
                        )
                    )
        connection.executemany(_INSERT, messages)
        return {one.to for one in wanting if due[one.name].any()}

    def _alert(self, alerting: Alerting, offsets: Any, table: EventTable, begin: int) -> None:
        """Alerts of the decisions from `begin` on."""
        wanted = FieldPattern(("data", "outcome"), tuple(Exact(one) for one in self._policy.outcomes))
        rows = np.flatnonzero(table.matching(wanted) & (offsets >= begin)).tolist()
        for row, event in zip(rows, table.events(rows, _OF_NO_ALERT), strict=True):
            alerting.add(row, int(offsets[row]), event)

        def feature(row: int, name: str) -> float | None:
            column = table.column((*FEATURES_PATH, name))
            return None if column is None else column[row].as_py()

        alerting.tell(feature)

    def _put_rows(self, connection: Connection, rows: list[AlertRow], told: int) -> set[str]:
        """Messages of alerts, as `_put` for events."""
        now_ms = self._now_ms()
        messages = []
        for row in rows:
            is_told = row.offset < told and not self._takes_owed(connection, row.id)
            messages.append(
                (
                    *(row.id, row.subscription, row.destination, row.key, 0, row.event, row.due_ms),
                    *(("delivered" if is_told else "waiting"), now_ms, now_ms if is_told else 0),
                )
            )
        connection.executemany(_INSERT, messages)
        return {row.destination for row in rows}

    @staticmethod
    def _takes_owed(connection: Connection, message_id: str) -> bool:
        """Whether a message is owed; its row in the outbox says so from now on, until it is delivered."""
        return connection.execute("DELETE FROM owed WHERE id = ?", (message_id,)).rowcount > 0

    def _check_log(self, connection: Connection) -> None:
        connection.execute("INSERT INTO meta VALUES ('log', ?) ON CONFLICT DO NOTHING", (self._log_id,))
        ((known,),) = connection.execute("SELECT value FROM meta WHERE name = 'log'").fetchall()
        if known != self._log_id:
            raise StoreError(
                f"{self.bus.database.path} belongs to another log: remove it, and subscribe again"
            )
