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
