"""Alerts in the file of the bus: what people see of them, and what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.alerts.book import AlertVerdict, Answered, Mute
from ringfence.alerts.model import Alert
from ringfence.alerts.policy import Severity
from ringfence.errors import InputError
from ringfence.ports import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from sqlite3 import Connection

    from ringfence.adapters.outbox.database import OutboxDatabase

_FROM: Final = "FROM alert LEFT JOIN seen ON seen.id = alert.id LEFT JOIN joined ON joined.id = alert.id"
_SELECT: Final = (
    "SELECT alert.body, coalesce(seen.by, ''), coalesce(seen.at_ms, 0), coalesce(joined.case_id, '') " + _FROM
)
_STATES: Final = {
    "open": "seen.id IS NULL AND joined.id IS NULL",
    "in_case": "seen.id IS NULL AND joined.id IS NOT NULL",
    "acknowledged": "seen.id IS NOT NULL",
}
_IN_CASE: Final = "count(CASE WHEN seen.id IS NULL THEN joined.id END)"
_ALL_IN_CASE: Final = (
    "SELECT count(*) FROM joined JOIN alert ON alert.id = joined.id "
    "WHERE NOT EXISTS (SELECT 1 FROM seen WHERE seen.id = joined.id)"
)
_OF_DIGEST: Final = """
alert.id IN (
  SELECT capped.alert FROM digest_span AS span JOIN capped_alert AS capped USING (destination, bucket)
  WHERE span.id = ? AND capped.n BETWEEN span.first AND span.last)
"""

_KEEP_MS: Final = 3_600_000


class AlertBook:
    """The alerts of one data folder. Any thread and any process may use it."""

    def __init__(self, database: OutboxDatabase) -> None:
        self._database = database

    def alerts(
        self,
        *,
        state: str | None = None,
        severity: str | None = None,
        entity_id: str | None = None,
        digest: str | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> list[Alert]:
        """See `Alerts.alerts`."""
        where: list[str] = ["1"]
        arguments: list[Any] = []
        if state is not None:
            where.append(_STATES[state])
        if severity is not None:
            where.append("alert.severity = ?")
            arguments.append(Severity[severity.upper()])
        if entity_id is not None:
            where.append("alert.entity_id = ?")
            arguments.append(entity_id)
        if digest is not None:
            self._check_digest(digest)
            where.append(_OF_DIGEST)
            arguments.append(digest)
        if before is not None:
            where.append("alert.number < ?")
            arguments.append(str(before))
        text = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY alert.number DESC LIMIT ?"
        return [_alert(row) for row in self._database.rows(text, (*arguments, limit))]

    def alert(self, alert_id: str) -> Alert:
        """One alert; `InputError` where there is none."""
        rows = self._database.rows(f"{_SELECT} WHERE alert.id = ?", (alert_id,))
        if not rows:
            raise InputError(f"there is no alert {alert_id[:80]!r}: `ringfence alerts list` shows them")
        return _alert(rows[0])

    def is_gone(self, alert_id: str) -> bool:
        """See `Alerts.is_gone`: the outbox is past the decision that opened it."""
        text = (
            "SELECT 1 FROM position WHERE topic = ? AND next_offset > ? "
            "AND NOT EXISTS (SELECT 1 FROM alert WHERE id = ?)"
        )
        number = alert_id.removeprefix("alert-")
        asked = DECISIONS, int(number) if number.isdecimal() else -1, alert_id
        return bool(self._database.rows(text, asked))

    def opened(self, begin: int, end: int, limit: int = 2000) -> list[tuple[int, Alert]]:
        """Alerts that decisions from one offset to another opened, in order, with the offset of each."""
        text = f"SELECT number, {_SELECT.strip().removeprefix('SELECT ')} WHERE number >= ? AND number < ? "
        rows = self._database.rows(f"{text} ORDER BY number LIMIT ?", (begin, end, limit))
        return [(number, _alert(tuple(row))) for number, *row in rows]

    def counts(self, digest: str | None = None) -> dict[str, int]:
        """See `Alerts.counts`."""
        if digest is not None:
            self._check_digest(digest)
            text = f"SELECT count(*), count(seen.id), {_IN_CASE} {_FROM} WHERE {_OF_DIGEST}"
            ((total, seen, joined),) = self._database.rows(text, (digest,))
        else:
            ((total,),) = self._database.rows("SELECT count(*) FROM alert")
            ((seen,),) = self._database.rows("SELECT count(*) FROM alert JOIN seen ON seen.id = alert.id")
            ((joined,),) = self._database.rows(_ALL_IN_CASE)
        return {"open": total - seen - joined, "in_case": joined, "acknowledged": seen}

    def _check_digest(self, digest: str) -> None:
        if not self._database.rows("SELECT 1 FROM digest_span WHERE id = ?", (digest,)):
            raise InputError(f"there is no digest {digest[:80]!r}: its message names it")

    def acknowledge(self, alert_id: str, by: str, now_ms: int) -> Alert:
        """Somebody looks at it: it is not escalated. The first one counts."""
        self.alert(alert_id)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO seen VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (alert_id, by, now_ms)
            )
        return self.alert(alert_id)

    def answer(self, alert_id: str, answer: str, now_ms: int) -> Answered:
        """What the customer said first: this, unless there was another answer before."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO answer VALUES (?, ?, ?, 0) ON CONFLICT DO NOTHING", (alert_id, answer, now_ms)
            )
            row = connection.execute(
                "SELECT answer, at_ms, done FROM answer WHERE id = ?", (alert_id,)
            ).fetchone()
        return Answered(row[0], row[1], bool(row[2]))

    def has_answer(self, alert_id: str) -> bool:
        """Whether the customer has answered, and the log has it."""
        return bool(self._database.rows("SELECT 1 FROM answer WHERE id = ? AND done", (alert_id,)))

    def answered(self, alert_id: str) -> None:
        """The log has the answer."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE answer SET done = 1 WHERE id = ?", (alert_id,))

    def judge(self, alert_id: str, transaction_id: str, answer: str, by: str, now_ms: int) -> AlertVerdict:
        """What somebody of the team said first of an alert's payment; `InputError` without such an alert."""
        self.alert(alert_id)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO judgement VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING",
                (alert_id, transaction_id, answer, by, now_ms),
            )
            row = connection.execute(
                "SELECT answer, by, at_ms, done FROM judgement WHERE id = ? AND transaction_id = ?",
                (alert_id, transaction_id),
            ).fetchone()
        return AlertVerdict(row[0], row[1], row[2], bool(row[3]))

    def notices(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """See `Alerts.notices`."""
        text = "SELECT seq, event FROM notice WHERE seq > ? ORDER BY seq LIMIT ?"
        return [(seq, event) for seq, event in self._database.rows(text, (after, limit))]

    def last_notice(self) -> int:
        """See `Alerts.last_notice`."""
        ((found,),) = self._database.rows(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'notice'"
        )
        return int(found)

    def judged(self, alert_id: str, transaction_id: str) -> None:
        """The log has the verdict."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE judgement SET done = 1 WHERE id = ? AND transaction_id = ?",
                (alert_id, transaction_id),
            )

    def use(self, mark: str, now_ms: int) -> bool:
        """Whether something that may be used once is used for the first time. Marks are kept for an hour."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM used WHERE at_ms < ?", (now_ms - _KEEP_MS,))
            return (
                connection.execute(
                    "INSERT INTO used VALUES (?, ?) ON CONFLICT DO NOTHING", (mark, now_ms)
                ).rowcount
                > 0
            )

    def mute(self, mute: Mute) -> Mute | None:
        """See `Alerts.mute`."""
        with self._database.transaction() as connection:
            before = _mute(connection, mute.typology, mute.entity_id)
            connection.execute(
                "INSERT INTO mute VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
                (mute.typology, mute.entity_id, msgspec.json.encode(mute).decode()),
            )
        return before

    def unmute(self, typology: str, entity_id: str) -> Mute | None:
        """See `Alerts.unmute`."""
        with self._database.transaction() as connection:
            before = _mute(connection, typology, entity_id)
            connection.execute("DELETE FROM mute WHERE typology = ? AND entity_id = ?", (typology, entity_id))
        return before

    def mutes(self) -> list[Mute]:
        """All of them, those that have ended too."""
        rows = self._database.rows("SELECT body FROM mute ORDER BY 1")
        return [msgspec.json.decode(body, type=Mute) for (body,) in rows]


def _mute(connection: Connection, typology: str, entity_id: str) -> Mute | None:
    asked = "SELECT body FROM mute WHERE typology = ? AND entity_id = ?"
    row = connection.execute(asked, (typology, entity_id)).fetchone()
    return msgspec.json.decode(row[0], type=Mute) if row else None


def near(database: OutboxDatabase, subject: tuple[str, str, str], most: int = 20) -> list[Alert]:
    """The latest alerts on a subject, newest first."""
    rows = database.rows(
        "SELECT body FROM alert WHERE entity = ? AND entity_id = ? AND typology = ? "
        "ORDER BY number DESC LIMIT ?",
        (*subject, most),
    )
    return [msgspec.json.decode(body, type=Alert) for (body,) in rows]


def put(connection: Connection, alerts: list[Alert]) -> None:
    """Write alerts as they are now."""
    connection.executemany(
        "INSERT INTO alert (id, number, entity, entity_id, typology, severity, raised_ms, body) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET body = excluded.body, severity = excluded.severity, "
        "raised_ms = excluded.raised_ms",
        [
            (
                *(one.id, int(one.id.removeprefix("alert-")), one.entity, one.entity_id, one.typology),
                *(Severity[one.severity.upper()], one.raised_ms, msgspec.json.encode(one).decode()),
            )
            for one in alerts
        ],
    )


def mark_joined(connection: Connection, cases: Iterable[tuple[str, str | None]]) -> None:
    """Alerts and the cases that they joined; None where an alert is in none."""
    for alert, case in cases:
        if case is None:
            connection.execute("DELETE FROM joined WHERE id = ?", (alert,))
        else:
            connection.execute("INSERT OR REPLACE INTO joined VALUES (?, ?)", (alert, case))


def keep(connection: Connection, now_ms: int, told: list[tuple[str, bytes]]) -> None:
    """Keep events about alerts, by their ids, for those who pull; once, however often they are made."""
    connection.executemany(
        "INSERT INTO notice (id, at_ms, event) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING",
        [(event_id, now_ms, event) for event_id, event in told],
    )


def _alert(row: tuple[Any, ...]) -> Alert:
    body, by, at_ms, case = row
    state = "acknowledged" if at_ms else "in_case" if case else "open"
    found = msgspec.json.decode(body, type=Alert)
    return msgspec.structs.replace(found, state=state, by=by, acknowledged_ms=at_ms, case=case)
