"""Puts into the outbox what subscribers want, with the position, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import numpy as np

from ringfence.adapters.outbox.alerting import Alerting, MuteInForce, OutboxRow
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
from ringfence.bus.subscription import Subscription
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import StoreError
from ringfence.ports import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path
    from sqlite3 import Connection

    from ringfence.bus.table import EventTable
    from ringfence.ports import EventLog, LogBatch
    from ringfence.scoring.rulesets.ruleset import RuleSet

DEFAULT_POLICY: Final = AlertPolicy()
_OF_NO_ALERT: Final = (FEATURES_PATH, ("id",), ("time",), ("subject",), ("partitionkey",))
"""What of a decision no alert needs to be made."""

_ATTEMPTS: Final = 3  # to make a portion's messages while nobody changes what they go by

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
DELETE FROM capped_alert WHERE (destination, bucket) IN (SELECT destination, bucket FROM cap) AND n > (
  SELECT coalesce(max(told), 0) FROM digest
  WHERE digest.destination = capped_alert.destination AND digest.bucket = capped_alert.bucket);
DELETE FROM cap;
DELETE FROM asked;
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
        self._contacts = Contacts(self.bus.database, log)

    def positions(self) -> Mapping[str, int]:
        """See `Follower.positions`."""
        return dict(self.bus.database.rows("SELECT topic, next_offset FROM position"))

    def take(self, topic: str, batches: Iterable[LogBatch]) -> None:
        """See `Follower.take`.

        The messages are made before the transaction that writes them: whoever delivers waits for it. Where
        people keep changing what these go by, they are made within it.
        """
        portion = list(batches)
        if not portion:
            return
        self._check_log()
        if topic == DECISIONS and self._policy.customer and self._policy.contacts == "profile":
            self._contacts.reach(int(DecisionBatch.decode(portion[-1].payload).numbers("offset")[-1]))
        if fresh := self._put(topic, portion):
            self._made(fresh)

    def begin_at(self, offsets: Mapping[str, int]) -> None:
        """In a new file: what is before these offsets of the topics was told."""
        with self.bus.database.transaction() as connection:
            begun = [(topic, offset, offset) for topic, offset in offsets.items()]
            connection.executemany("INSERT INTO position VALUES (?, ?, ?)", begun)

    def reset(self) -> None:
        """See `Follower.reset`."""
        with self.bus.database.transaction() as connection:
            for statement in filter(str.strip, _RESET.split(";")):
                connection.execute(statement)

    def close(self) -> None:
        """See `Follower.close`."""
        self.bus.close()

    def _put(self, topic: str, portion: list[LogBatch]) -> set[str]:
        """Put in what a portion makes; where messages go."""
        database = self.bus.database
        for _ in range(_ATTEMPTS):
            found = self._make(topic, portion)
            with database.transaction(at_leisure=True) as connection:
                if _ground(database.rows, topic) == found.ground:
                    return self._write(connection, topic, portion, found)
        with database.transaction(at_leisure=True) as connection:
            return self._write(connection, topic, portion, self._make(topic, portion))

    def _make(self, topic: str, portion: list[LogBatch]) -> _Made:
        database = self.bus.database
        ground = _ground(database.rows, topic)
        end = portion[-1].next_offset
        wanting = [one for one in ground.subscriptions() if one.start.get(topic, 0) < end]
        alerting = Alerting(
            database,
            self._policy,
            self._log_id,
            self._now_ms(),
            ground.mutes(),
            wanting,
            self._rules,
            self._contacts,
        )
        rows: list[OutboxRow] = []
        if wanting or topic == DECISIONS:
            for offsets, table in tables(topic, portion, self._log, f"/ringfence/{self._log_id}"):
                rows += self._rows(wanting, topic, offsets, table, ground.begin)
                if topic == DECISIONS:
                    self._alert(alerting, offsets, table, ground.begin)
        return _Made(ground, alerting, [*rows, *alerting.rows])

    def _write(self, connection: Connection, topic: str, portion: list[LogBatch], made: _Made) -> set[str]:
        made.alerting.write(connection)
        _insert(connection, made.rows, made.ground.told, self._now_ms())
        connection.execute(_MOVE, (topic, portion[-1].next_offset))
        return {row.destination for row in made.rows}

    def _rows(
        self, wanting: list[Subscription], topic: str, offsets: Any, table: EventTable, begin: int
    ) -> list[OutboxRow]:
        """Messages for the events from `begin` on."""
        due = {
            one.name: table.matching(one.parsed()) & (offsets >= max(begin, one.start.get(topic, 0)))
            for one in wanting
        }
        places = np.flatnonzero(np.logical_or.reduce(list(due.values()))) if due else np.empty(0, np.int64)
        if not len(places):
            return []
        encoder = msgspec.json.Encoder()
        found: list[OutboxRow] = []
        for row, event in zip(places.tolist(), table.events(places.tolist()), strict=True):
            body, offset = encoder.encode(event), int(offsets[row])
            found += [
                OutboxRow(
                    id=f"{self._log_id}:{topic}:{offset}:{one.name}",
                    subscription=one.name,
                    destination=one.to,
                    key=event["partitionkey"],
                    event=body,
                    due_ms=0,
                    offset=offset,
                    ordered=one.ordered,
                )
                for one in wanting
                if due[one.name][row]
            ]
        return found

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

    def _check_log(self) -> None:
        text = "SELECT value FROM meta WHERE name = 'log'"
        known = self.bus.database.rows(text)
        if not known:
            with self.bus.database.transaction(at_leisure=True) as connection:
                connection.execute(
                    "INSERT INTO meta VALUES ('log', ?) ON CONFLICT DO NOTHING", (self._log_id,)
                )
            known = self.bus.database.rows(text)
        if known != [(self._log_id,)]:
            raise StoreError(
                f"{self.bus.database.path} belongs to another log: remove it, and subscribe again"
            )


class _Ground(NamedTuple):
    """What a take goes by, as the file has it.

    Where somebody changes it before the take is written, a subscription that is gone would get messages that
    nobody delivers any more, and what was erased would be written once more.
    """

    begin: int
    told: int
    wishes: list[tuple[str]]
    muted: list[tuple[str, str, str]]
    erased: list[tuple[str]]

    def subscriptions(self) -> list[Subscription]:
        """All of them, by name."""
        return [msgspec.json.decode(body, type=Subscription) for (body,) in self.wishes]

    def mutes(self) -> dict[tuple[str, str], MuteInForce]:
        """By typology and entity."""
        return {
            (typology, entity): msgspec.json.decode(body, type=MuteInForce)
            for typology, entity, body in self.muted
        }


class _Made(NamedTuple):
    """What a portion makes, and what it went by."""

    ground: _Ground
    alerting: Alerting
    rows: list[OutboxRow]


def _ground(rows: Callable[..., list[Any]], topic: str) -> _Ground:
    found = rows("SELECT next_offset, told FROM position WHERE topic = ?", (topic,))
    begin, told = found[0] if found else (0, 0)
    return _Ground(
        begin,
        told,
        rows("SELECT body FROM subscription ORDER BY name"),
        rows("SELECT typology, entity_id, body FROM mute"),
        rows("SELECT value FROM meta WHERE name = 'erased'"),
    )


def _insert(connection: Connection, rows: Iterable[OutboxRow], told: int, now_ms: int) -> None:
    """Put messages into the outbox. What is before `told` was sent, unless it is owed."""
    messages = []
    for row in rows:
        is_told = row.offset < told and not _takes_owed(connection, row.id)
        messages.append(
            (
                *(
                    row.id,
                    row.subscription,
                    row.destination,
                    row.key,
                    int(row.ordered),
                    row.event,
                    row.due_ms,
                ),
                *(("delivered" if is_told else "waiting"), now_ms, now_ms if is_told else 0),
            )
        )
    connection.executemany(_INSERT, messages)


def _takes_owed(connection: Connection, message_id: str) -> bool:
    """Whether a message is owed; its row in the outbox says so from now on, until it is delivered."""
    return connection.execute("DELETE FROM owed WHERE id = ?", (message_id,)).rowcount > 0
