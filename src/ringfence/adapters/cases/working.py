"""`ringfence.cases.book.Work`: what happens inside one transaction on the file of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.adapters.cases.schema import ANY, BEST, FREE, OWN
from ringfence.adapters.cases.urgency import most_urgent
from ringfence.cases.errors import StaleCaseError, UnknownCaseError
from ringfence.cases.fold import apply
from ringfence.cases.model import (
    Alerted,
    Case,
    CaseEvent,
    Joined,
    Payment,
    Reported,
    Totals,
    decode_case,
    decode_change,
    encode,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from ringfence.cases.book import Outgoing
    from ringfence.cases.model import AnyChange, Subject

FOR_EVER_MS: Final = 1 << 53
_AT_ONCE: Final = 64  # candidates for an analyst, of whom some may have been passed
_RANKED: Final = 200  # of the most urgent ones, of whom some are held or rest
_PREFIX: Final = "C-"
_LEAVE: Final = "DELETE FROM subject WHERE entity_type = ? AND entity_id = ? AND number = ?"
_ADD: Final = """
INSERT INTO standing VALUES (:number, :case_id, :state, :queue, :assignee, :lease_until_ms, :ready_ms,
  :opened_ms, :due_ms, :changed_ms, :closed_ms, :closed_by, :escalated, :proposed_by, :loss, :amount,
  :disposition, :body)
"""


def case_number(case_id: str) -> int | None:
    """The number in a case's id; None where it is none.

    >>> case_number("C-17"), case_number("c-17"), case_number("17"), case_number("C-x")
    (17, 17, 17, None)
    """
    digits = case_id.upper().removeprefix(_PREFIX)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None


class SqliteWork:
    """One transaction. Use it on the thread that opened it, until it ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._latest: dict[str, Case] = {}  # as they were found for whoever goes on to append, or as appended

    def case(self, case_id: str, seen: int | None = None) -> Case:
        """See `Work.case`."""
        row = self._one("SELECT body FROM standing WHERE case_id = ?", case_id)
        if row is None:
            raise UnknownCaseError(f"there is no case {case_id!r}: `ringfence cases list` shows them")
        case = decode_case(row[0])
        if seen is not None and seen != case.version:
            missed = self.events(case_id, seen)
            events = [one for one in missed if not isinstance(one.change, Reported)]  # not for all eyes
            raise StaleCaseError(_stale(case, seen, events), case, events)
        return case

    def events(self, case_id: str, after: int = 0) -> list[CaseEvent]:
        """See `Work.events`; those since a version."""
        rows = self.connection.execute(
            "SELECT version, at_ms, by_whom, change FROM event WHERE case_id = ? AND version > ? "
            "ORDER BY version",
            (case_id, after),
        )
        return [
            CaseEvent(case=case_id, version=version, at_ms=at_ms, by=by, change=decode_change(change))
            for version, at_ms, by, change in rows
        ]

    def new_id(self) -> str:
        """See `Work.new_id`."""
        row = self._one("SELECT coalesce(max(number), 0) + 1 FROM standing")
        assert row is not None
        return f"{_PREFIX}{row[0]}"

    def append(self, case_id: str, change: AnyChange, by: str, at_ms: int) -> Case:
        """See `Work.append`."""
        before = self._latest.get(case_id)
        if before is None:
            row = self._one("SELECT body FROM standing WHERE case_id = ?", case_id)
            before = decode_case(row[0]) if row else None
        version = 1 if before is None else before.version + 1
        after = apply(before, CaseEvent(case=case_id, version=version, at_ms=at_ms, by=by, change=change))
        self.connection.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?)", (case_id, version, at_ms, by, encode(change))
        )
        self.connection.execute("INSERT INTO feed (case_id, version) VALUES (?, ?)", (case_id, version))
        if isinstance(change, Alerted):
            self.connection.execute("INSERT INTO alert VALUES (?, ?)", (change.alert, case_id))
        if isinstance(change, Joined):
            payment = change.payment
            self.connection.execute(
                "INSERT INTO payment VALUES (?, ?, ?, ?, ?)",
                (payment.transaction_id, case_id, case_id, payment.event_time_ms, encode(payment)),
            )
        self._save(before, after)
        self._latest[case_id] = after
        return after

    def live_case_of(self, subject: Subject) -> Case | None:
        """See `Work.live_case_of`."""
        text = (
            "SELECT s.body FROM subject t JOIN standing s USING (number) "
            "WHERE t.entity_type = ? AND t.entity_id = ? AND t.is_live = 1"
        )
        row = self._one(text, subject.entity_type, subject.entity_id)
        if row is None:
            return None
        case = decode_case(row[0])
        self._latest[case.id] = case
        return case

    def latest_closed_of(self, subject: Subject) -> Case | None:
        """See `Work.latest_closed_of`."""
        text = (
            "SELECT s.body FROM subject t JOIN standing s USING (number) WHERE t.entity_type = ? "
            "AND t.entity_id = ? AND s.state = 'closed' ORDER BY s.closed_ms DESC LIMIT 1"
        )
        row = self._one(text, subject.entity_type, subject.entity_id)
        return decode_case(row[0]) if row else None

    def has_payment(self, transaction_id: str) -> bool:
        """See `Work.has_payment`."""
        return self._one("SELECT 1 FROM payment WHERE transaction_id = ?", transaction_id) is not None

    def has_alert(self, alert: str) -> bool:
        """See `Work.has_alert`."""
        return self._one("SELECT 1 FROM alert WHERE alert = ?", alert) is not None

    def case_of_alert(self, alert: str) -> Case | None:
        """See `Work.case_of_alert`."""
        case, row = None, self._one("SELECT case_id FROM alert WHERE alert = ?", alert)
        while row is not None:  # more than once where it was merged before alerts moved along
            body = self._one("SELECT body FROM standing WHERE case_id = ?", *row)
            case = decode_case(body[0]) if body else case
            row = (case.merged_into,) if body and case is not None and case.merged_into else None
        return case

    def move_alerts(self, target: str, alerts: Iterable[str]) -> None:
        """See `Work.move_alerts`."""
        self.connection.executemany(
            "UPDATE alert SET case_id = ? WHERE alert = ?", [(target, one) for one in alerts]
        )

    def case_of(self, transaction_id: str) -> Case | None:
        """See `Work.case_of`."""
        row = self._one(
            "SELECT s.body FROM payment p JOIN standing s USING (case_id) WHERE p.transaction_id = ?",
            transaction_id,
        )
        return decode_case(row[0]) if row else None

    def payments(self, case_id: str) -> Sequence[Payment]:
        """See `Work.payments`."""
        rows = self.connection.execute(
            "SELECT body FROM payment WHERE case_id = ? ORDER BY event_time_ms, transaction_id", (case_id,)
        )
        return [msgspec.json.decode(body, type=Payment) for (body,) in rows]

    def move(self, source: str, target: str, transaction_ids: Iterable[str] | None = None) -> int:
        """See `Work.move`."""
        if transaction_ids is None:
            text = "UPDATE payment SET case_id = ? WHERE case_id = ?"
            return self.connection.execute(text, (target, source)).rowcount
        text = "UPDATE payment SET case_id = ?, origin = ? WHERE case_id = ? AND transaction_id = ?"
        rows = [(target, target, source, one) for one in transaction_ids]
        return self.connection.executemany(text, rows).rowcount

    def move_back(self, source: str, origin: str) -> int:
        """See `Work.move_back`."""
        found = self.connection.execute("SELECT DISTINCT origin FROM payment WHERE case_id = ?", (source,))
        rows = [(origin, source, one) for (one,) in found.fetchall() if self._came_by(one, origin)]
        text = "UPDATE payment SET case_id = ? WHERE case_id = ? AND origin = ?"
        return self.connection.executemany(text, rows).rowcount if rows else 0

    def _came_by(self, case_id: str, origin: str) -> bool:
        """Whether a case is `origin`, or was merged into it, directly or by way of others."""
        at: str | None = case_id
        while at is not None and at != origin:
            at = self.case(at).merged_into
        return at is not None

    def totals(self, case_id: str) -> Totals:
        """See `Work.totals`."""
        found = Totals()
        for payment in self.payments(case_id):
            found = found.plus(payment)
        return found

    def post(self, outgoing: Iterable[Outgoing]) -> None:
        """See `Work.post`."""
        self.connection.executemany(
            "INSERT INTO outgoing (id, body) VALUES (?, ?)", [(one.id, encode(one)) for one in outgoing]
        )

    def keep_file(self, sha256: str, body: bytes) -> None:
        """See `Work.keep_file`."""
        self.connection.execute("INSERT OR IGNORE INTO attachment VALUES (?, ?)", (sha256, body))

    def best(self, queue: str | None, analyst: str, now_ms: int) -> Case | None:
        """See `Work.best`."""
        values: dict[str, Any] = {"now": now_ms, "queue": queue, "analyst": analyst}
        own = self.connection.execute(OWN, values).fetchall()
        ranked = most_urgent(self.connection, now_ms, _RANKED) or []
        for text, chosen in ((ANY, [one for (one,) in own]), (FREE, ranked)):
            for one in chosen:
                row = self._one(text, {**values, "one": one})
                if row is not None and (case := decode_case(row[0])).passed.get(analyst, 0) <= now_ms:
                    return case
        values |= {"limit": _AT_ONCE, "skip": 0}  # of all: those that come first are not for this analyst
        while numbers := self.connection.execute(BEST, values).fetchall():
            for (number,) in numbers:
                case = decode_case(self._one("SELECT body FROM standing WHERE number = ?", number)[0])
                if case.passed.get(analyst, 0) <= now_ms:
                    return case
            values["skip"] += _AT_ONCE
        return None

    def due(self, now_ms: int, limit: int) -> list[Case]:
        """Open and proposed cases that are overdue and not escalated, the oldest first."""
        text = (
            "SELECT body FROM standing WHERE state IN ('open', 'proposed') "
            "AND due_ms <= ? AND escalated = 0 ORDER BY due_ms LIMIT ?"
        )
        return [decode_case(body) for (body,) in self.connection.execute(text, (now_ms, limit))]

    def reach(self, topic: str, position: int) -> None:
        """The follower has come so far."""
        self.connection.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", (topic, position))

    def forget_untouched(self) -> None:
        """Take away every case that nobody but the follower has changed, and how far that has come."""
        mine = "SELECT case_id FROM event GROUP BY case_id HAVING max(by_whom <> 'system') = 0"
        self.connection.execute(f"CREATE TEMP TABLE gone AS {mine}")
        self._latest.clear()
        try:
            for statement in (
                "DELETE FROM subject WHERE number IN (SELECT number FROM standing WHERE case_id IN gone)",
                "DELETE FROM payment WHERE case_id IN gone",
                "DELETE FROM alert WHERE case_id IN gone",
                "DELETE FROM standing WHERE case_id IN gone",
                "DELETE FROM event WHERE case_id IN gone",
                "DELETE FROM progress",
            ):
                self.connection.execute(statement)
        finally:
            self.connection.execute("DROP TABLE gone")

    def _save(self, before: Case | None, case: Case) -> None:
        number, row = case_number(case.id), _row(case)
        if before is None:
            self.connection.execute(_ADD, row)
        else:  # an index of columns that are not named is left alone, and there are ten
            was = _row(before)
            names = ", ".join(f"{name} = :{name}" for name in row if row[name] != was[name])
            self.connection.execute(f"UPDATE standing SET {names} WHERE number = :number", row)  # noqa: S608 (constants)
            if before.subjects == case.subjects and before.is_live == case.is_live:
                return
            gone = [(one.entity_type, one.entity_id, number) for one in before.subjects]
            self.connection.executemany(_LEAVE, gone)
        rows = [(one.entity_type, one.entity_id, number, int(case.is_live)) for one in case.subjects]
        self.connection.executemany("INSERT INTO subject VALUES (?, ?, ?, ?)", rows)

    def _one(self, text: str, *values: Any) -> Any:
        named = values[0] if values and isinstance(values[0], dict) else values
        return self.connection.execute(text, named).fetchone()


def _row(case: Case) -> dict[str, Any]:
    """What stands of a case in `standing`."""
    finding = case.finding
    return {
        "number": case_number(case.id),
        "case_id": case.id,
        "state": case.state.value,
        "queue": case.queue,
        "assignee": case.assignee,
        "lease_until_ms": case.lease_until_ms or FOR_EVER_MS,
        "ready_ms": max(case.available_ms, case.snoozed_until_ms or 0),
        "opened_ms": case.opened_ms,
        "due_ms": case.due_ms,
        "changed_ms": case.changed_ms,
        "closed_ms": finding.at_ms if finding else None,
        "closed_by": finding.by if finding else None,
        "escalated": int(case.escalated),
        "proposed_by": case.proposed_by,
        "loss": case.totals.loss,
        "amount": case.totals.amount,
        "disposition": finding.disposition.value if finding else None,
        "body": encode(case),
    }


def _stale(case: Case, seen: int, missed: Sequence[CaseEvent]) -> str:
    if not missed:
        return f"case {case.id} is at version {case.version}, not {seen}: load it again"
    told = ", ".join(dict.fromkeys(f"{type(one.change).__name__.lower()} by {one.by}" for one in missed))
    return f"case {case.id} has changed since you saw it ({told}): look at it again, then repeat"
