"""When an answer is due at the latest: one timer for all that wait, who have the same patience."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ringfence.api.hot.outcomes import Ticket


class Deadlines:
    """Hands tickets without an answer to `expire`, all that are due at once; on the event loop only."""

    def __init__(
        self, seconds: float, expire: Callable[[list[Ticket]], None], now: Callable[[], float]
    ) -> None:
        """`now` is the clock of the tickets' `since`."""
        self._seconds = seconds
        self._expire = expire
        self._now = now
        self._line: deque[Ticket] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._armed = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tickets are handed over on this loop."""
        self._loop = loop

    def watch(self, ticket: Ticket) -> None:
        """Due so many seconds after its `since`; tickets come in that order."""
        self._line.append(ticket)
        if not self._armed:
            self._arm()

    def _arm(self) -> None:
        assert self._loop is not None
        self._armed = True
        left = self._line[0].since + self._seconds - self._now()
        self._loop.call_later(max(0.0, left), self._look)

    def _look(self) -> None:
        self._armed = False
        line, late = self._line, self._now() - self._seconds
        due: list[Ticket] = []
        while line and (line[0].answered or line[0].since <= late):
            ticket = line.popleft()
            if not ticket.answered:
                due.append(ticket)
        if due:
            self._expire(due)
        if line:
            self._arm()
