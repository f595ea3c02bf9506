"""Who may still wait: bounded by number, and by how long the first in line has waited."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from ringfence.api.problems import overloaded

if TYPE_CHECKING:
    from ringfence.api.outcomes import Ticket


_FEW: Final = 128
"""Records that may wait however long the first has waited: a burst, not an overload."""


class Gate:
    """Counts the records that wait or are under way; on the event loop only.

    A number alone says nothing of time: behind a slow disk a short queue is a long wait. So nobody is let in
    either while the first in line waits longer than `patience_seconds`: more arrives than is decided then.
    """

    def __init__(self, most: int, patience_seconds: float) -> None:
        self._most = most
        self._patience = patience_seconds
        self._line: deque[Ticket] = deque()
        self.waiting = 0

    def check(self, count: int, now: float) -> None:
        """`Refusal` (503) where `refuses` says so."""
        if self.refuses(count, now):
            raise overloaded()

    def refuses(self, count: int, now: float) -> bool:
        """Whether so many more records would wait too long at this moment."""
        waiting = self.waiting + count
        return waiting > self._most or (waiting > _FEW and self._age(now) > self._patience)

    def _age(self, now: float) -> float:
        return now - self._line[0].since if self._line else 0.0

    def enter(self, ticket: Ticket) -> None:
        """The last in line."""
        self._line.append(ticket)
        self.waiting += len(ticket.lines)

    def leave(self, ticket: Ticket) -> None:
        """It waits no longer, whatever became of it."""
        ticket.settled = True
        self.waiting -= len(ticket.lines)
        while self._line and self._line[0].settled:
            self._line.popleft()
