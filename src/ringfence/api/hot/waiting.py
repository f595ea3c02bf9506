"""What waits for a step: small requests, which share one, and what has a step of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.api.hot.outcomes import Ticket

if TYPE_CHECKING:
    from collections import deque

    from ringfence.api.hot.orders import Look, Order
    from ringfence.api.hot.shares import Shares

MOST_ROWS: Final = 1024
"""Records of one step on the event loop, about: more would hold up those who come next."""

MOST_BYTES: Final = 64 << 10
"""Likewise, of all its records."""


_LONGEST_SECONDS: Final = 0.1  # for which single payments have the right of way, once a large step is over


class RightOfWay:
    """Which kind of step comes next where both kinds wait: that of single payments, or a large one.

    After a large step single payments go on until their steps have taken as long as it did, so that a
    payment waits for one large step, and seldom for a second one.

    >>> turns = RightOfWay()
    >>> turns.took_large(0.010), turns.large_is_due, turns.took_small(0.004), turns.large_is_due
    (None, False, None, False)
    >>> turns.took_small(0.006), turns.large_is_due
    (None, True)
    """

    def __init__(self) -> None:
        self._large = self._small = 0.0
        self._any_small = True  # since the last large step

    @property
    def large_is_due(self) -> bool:
        """Whether a large step goes before single payments."""
        return self._any_small and self._small >= self._large

    def took_large(self, seconds: float) -> None:
        """A large step is over."""
        self._large, self._small, self._any_small = min(seconds, _LONGEST_SECONDS), 0.0, False

    def took_small(self, seconds: float) -> None:
        """A step of single payments is over."""
        self._small += seconds
        self._any_small = True


def next_small(line: deque[Ticket]) -> list[Ticket]:
    """Takes those of the next step, first come first served."""
    tickets: list[Ticket] = []
    rows = size = 0
    while line and rows < MOST_ROWS and size < MOST_BYTES:
        ticket = line.popleft()
        tickets.append(ticket)
        rows += len(ticket.lines)
        size += sum(map(len, ticket.lines))
    return tickets


def next_whole(line: deque[Ticket | Order | Look], shares: Shares, now: float) -> Ticket | Order | Look:
    """Takes the first one of those whose callers owe least; the server's own work owes nothing."""

    def owed(place: int) -> float:
        item = line[place]
        return shares.owed(item.caller, now) if isinstance(item, Ticket) else 0.0

    place = min(range(len(line)), key=owed)
    item = line[place]
    del line[place]
    return item
