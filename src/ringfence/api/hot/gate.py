"""Who may still wait: bounded by number, and under overload by how long an answer takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.api.http.problems import overloaded

if TYPE_CHECKING:
    from ringfence.api.hot.outcomes import Ticket

_FEWEST: Final = 32
"""Records that may always wait: a step of fewer takes as long."""

_CALM_SECONDS: Final = 1.0  # without a refusal, after which overload is over
_PART: Final = 8  # what is taken from the room or given back at once: one of so many


class Gate:
    """Counts the records that wait or are under way; on the event loop only.

    While nobody is refused there is room for `most`. From then on every step that takes longer than
    `patience_seconds` from its first request to its answers makes the room smaller, every quicker one
    larger: what does not fit into that time is refused instead of kept waiting. A second without a refusal
    restores the whole.

    Where there is no room left, a caller may still come who has less than its part of it waiting: who sends
    too much is refused, and not whoever comes next. No more than twice the room wait that way.

    A step's time is read from `clock`, which stands still while a row of requests is refused: deciding does
    not become slower by that, and a smaller room would refuse more still.
    """

    def __init__(self, most: int, patience_seconds: float) -> None:
        self._most = most
        self._patience = patience_seconds
        self._refused_at = -_CALM_SECONDS
        self._refused = False  # since the last step was answered
        self._shut_at: float | None = None  # when the row under way began, later by what was decided in it
        self._lost = 0.0  # seconds of all rows before
        self.room = most
        self.waiting = 0
        self._of: dict[str, int] = {}  # who has how many of them waiting

    @property
    def is_shut(self) -> bool:
        """Whether a row is being refused."""
        return self._shut_at is not None

    def shut(self, now: float) -> None:
        """A row of refusals begins."""
        self._shut_at = now

    def went_on(self, seconds: float) -> None:
        """So much of the row under way went into deciding and answering after all."""
        assert self._shut_at is not None
        self._shut_at += seconds

    def open(self, now: float) -> None:
        """The row is over."""
        assert self._shut_at is not None
        self._lost += now - self._shut_at
        self._shut_at = None

    def clock(self, now: float) -> float:
        """Seconds, of which none went into refusing."""
        return (now if self._shut_at is None else self._shut_at) - self._lost

    def check(self, count: int, now: float, caller: str = "") -> None:
        """`Refusal` (503) where `refuses` says so."""
        if self.refuses(count, now, caller):
            raise overloaded()

    def spares(self, count: int, caller: str) -> bool:
        """Whether a caller has less than its part waiting, with so many more; nobody unknown has."""
        if not caller:
            return False
        own = self._of.get(caller, 0)
        callers = len(self._of) + (not own)
        if callers < 2 or self.waiting + count > 2 * self.room:
            return False
        return (own + count) * callers <= self.room

    def refuses(self, count: int, now: float, caller: str = "") -> bool:
        """Whether so many more records of a caller find no room at this moment."""
        waiting = self.waiting + count
        if waiting <= self.room:
            return False
        if now - self._refused_at >= _CALM_SECONDS:
            self.room = self._most
            if waiting <= self.room:
                return False
        if self.spares(count, caller):
            return False
        self._refused_at = now
        self._refused = True
        return True

    def enter(self, ticket: Ticket, now: float) -> None:
        """It waits from now on."""
        self.waiting += len(ticket.lines)
        self._of[ticket.caller] = self._of.get(ticket.caller, 0) + len(ticket.lines)
        ticket.entered = self.clock(now)

    def leave(self, ticket: Ticket) -> None:
        """It waits no longer, whatever became of it."""
        self.waiting -= len(ticket.lines)
        left = self._of[ticket.caller] - len(ticket.lines)
        if left:
            self._of[ticket.caller] = left
        else:
            del self._of[ticket.caller]

    def served(self, seconds: float) -> None:
        """A step has been answered, so long after the first of its requests came by `clock`."""
        if not self._refused:
            return
        self._refused = False
        part = self.room // _PART
        if seconds > self._patience:
            self.room = max(min(_FEWEST, self._most), self.room - part)
        else:
            self.room = min(self._most, self.room + max(1, part))
