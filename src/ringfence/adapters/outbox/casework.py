"""Between alerts and cases: alerts join cases, and what happens to cases goes to whoever subscribes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.adapters.cases import SqliteCases
from ringfence.adapters.cases.follower import ALERTS
from ringfence.adapters.outbox.alert_book import AlertBook, mark_joined
from ringfence.alerts.case_events import case_event, is_told
from ringfence.alerts.model import topic
from ringfence.bus.pattern import matches
from ringfence.cases.actions import take_alert
from ringfence.cases.model import Raised, Subject
from ringfence.features.spec import ENTITY_KEYS
from ringfence.ports import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ringfence.adapters.outbox.bus import Bus
    from ringfence.alerts.model import Alert
    from ringfence.cases.model import Case
    from ringfence.cases.policy import CasePolicy

_CASES: Final = "cases"  # how far subscribers have heard of cases, in the file of the bus
_JOINED: Final = "joined"  # that the list of alerts knows which are in a case
_INSERT: Final = """
INSERT INTO message (id, subscription, destination, key, ordered, event, state, due_ms, made_ms)
VALUES (?, ?, ?, ?, ?, ?, 'waiting', 0, ?) ON CONFLICT (id) DO NOTHING
"""
# Nobody wants these events, and each note of how far they are holds up the process of the messages.
_EVENTS_BETWEEN_NOTES: Final = 1000


class Casework:
    """Looks from one file to the other. Each position is kept in the file that is written."""

    def __init__(
        self,
        bus: Bus,
        folder: Path,
        policy: CasePolicy,
        log_id: str,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`check` as of `SqliteCases`."""
        self._bus = bus
        self._folder = folder
        self._policy = policy
        self._log_id = log_id
        self._cases = SqliteCases(folder, check)
        self._knows_joined = False

    def look(self, now_ms: int) -> int:
        """Do what there is to do; how many alerts joined a case, and messages were made."""
        if not SqliteCases.are_in(self._folder):
            return 0
        if not self._knows_joined:
            self._mark_all(self._cases)
            self._knows_joined = True
        return self._join(self._cases) + self._tell(self._cases, now_ms)

    def close(self) -> None:
        """Release the file of cases."""
        self._cases.close()

    def _join(self, cases: SqliteCases) -> int:
        """Alerts whose payments the cases have seen: so a case is there before its alert comes."""
        positions = cases.positions()
        seen, begin = positions.get(DECISIONS, 0), positions.get(ALERTS, 0)
        found = AlertBook(self._bus.database).opened(begin, seen)
        if not found:
            return 0
        with cases.work() as work:
            joined = [take_alert(work, self._policy, raised(alert)) for _, alert in found]
            work.reach(ALERTS, found[-1][0] + 1)
            # Before the cases are sure of it: after a crash between the two, the same is found again.
            self._mark([(alert.id, work.case_of_alert(alert.id)) for _, alert in found])
        return len([case for case in joined if case is not None])

    def _mark(self, found: Iterable[tuple[str, Case | None]]) -> None:
        """Have the list of alerts say which are in a case."""
        with self._bus.database.transaction(at_leisure=True) as connection:
            mark_joined(connection, [(alert, case.id if case else None) for alert, case in found])

    def _mark_all(self, cases: SqliteCases) -> None:
        """Once, for alerts that joined cases before the list of alerts knew."""
        if self._bus.database.rows("SELECT 1 FROM meta WHERE name = ?", (_JOINED,)):
            return
        known = cases.joined_alerts()
        if not known:  # what joins from now on is marked as it joins
            return
        with self._bus.database.transaction() as connection:
            mark_joined(connection, known)
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, '1')", (_JOINED,))

    def _tell(self, cases: SqliteCases, now_ms: int) -> int:
        ((at,),) = self._bus.database.rows(
            "SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE name = ?", (_CASES,)
        )
        wanting = [(one, one.parsed()) for one in self._bus.subscriptions()]
        if not wanting:  # whoever subscribes later hears of what comes later, wherever this has come to
            last = cases.last_event()
            return self._reach(at, last, []) if last - at >= _EVENTS_BETWEEN_NOTES else 0
        found = cases.feed(at)
        if not found:
            return 0
        encoder, rows = msgspec.json.Encoder(), []
        for _, event, case in found:
            if not is_told(event):
                continue
            told = case_event(event, case, f"/ringfence/{self._log_id}")
            body = encoder.encode(told)
            rows += [
                (
                    *(f"{self._log_id}:{told['id']}:{one.name}", one.name, one.to, case.id),
                    *(int(one.ordered), body, now_ms),
                )
                for one, pattern in wanting
                if event.at_ms >= one.created_ms and matches(pattern, told)
            ]
        return self._reach(at, found[-1][0], rows)

    def _reach(self, before: int, after: int, rows: list[tuple[Any, ...]]) -> int:
        """Keep messages, and how far subscribers have heard; how many they are."""
        if after != before:
            with self._bus.database.transaction(at_leisure=True) as connection:  # lost, they are made again
                connection.executemany(_INSERT, rows)
                connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_CASES, str(after)))
        return len(rows)


def raised(alert: Alert) -> Raised:
    """An alert as cases see it."""
    subject = Subject(alert.entity, alert.entity_id) if alert.entity in ENTITY_KEYS else None
    title = f"{topic(alert.typology)}, {alert.severity}"
    return Raised(
        id=alert.id, title=title, payment=alert.payments[0], subject=subject, at_ms=alert.decided_ms
    )
