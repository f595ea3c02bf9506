"""Cases of a server: opened on payments, tended by the clock, and told to the log once they are closed."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from ringfence.api.http.problems import Refusal
from ringfence.compose.folder.cases import open_cases, payment_of
from ringfence.compose.folder.index import index_rows
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import RingfenceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.api.hot.stored import Stored
    from ringfence.cases.model import Case
    from ringfence.compose.deciding.session import Session
    from ringfence.events.batch import EventBatch
    from ringfence.rulebook.desk import Who


class Caseload:
    """Off the event loop. `put` appends events to the log, durable on return; `person` as of `CaseDesk`."""

    def __init__(
        self,
        session: Session,
        stored: Stored,
        put: Callable[[EventBatch], int],
        person: Callable[[str], str],
    ) -> None:
        self._session, self._stored, self._put = session, stored, put
        self._delivering = Lock()
        self.book = open_cases(session.store.folder)
        self.desk = replace(session.case_desk(self.book), person=person)

    def open(self, transaction_id: str, who: Who) -> Case | None:
        """A case on a payment; None where there is no decision on it. Errors as of `CaseDesk.open`."""
        found = self._stored.decision_of(transaction_id)
        if found is None:
            return None
        decision = DecisionBatch(found.batch.table.slice(found.row, 1))
        [row] = index_rows(decision, self._session.store.log)
        return self.desk.open(payment_of(row), who)

    def tend(self) -> None:
        """Do what overdue cases call for, and deliver what other processes closed."""
        self.desk.sweep(self._session.clock.now_ms())
        if self.book.outgoing(1):
            self.deliver()

    def deliver(self) -> None:
        """Have the log take what closed cases say; what it cannot take now stays due."""
        with self._delivering, contextlib.suppress(RingfenceError, Refusal):
            self._session.deliver(self.desk, self._put)
