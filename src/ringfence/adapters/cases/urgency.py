"""The most urgent cases without looking at all that wait: from two indexes, by loss and by when they are due.

An urgency is loss over time left, so it changes by itself and no index has it. Both indexes are gone down
side by side: whatever neither has come to has less loss than the last row of the one, and more time than that
of the other, so its urgency is below what these two make (Fagin's threshold algorithm). Once enough cases are
above that, they are the most urgent ones.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from ringfence.adapters.cases.schema import BY_DUE, BY_LOSS

if TYPE_CHECKING:
    import sqlite3

_AT_ONCE: Final = 64  # rows of each index
_MOST: Final = 64  # times: where loss and time say little, reading all of them in order is quicker
_MINUTE_MS: Final = 60_000.0


def most_urgent(connection: sqlite3.Connection, now_ms: int, most: int) -> list[int] | None:
    """Numbers of the live cases that come first by `ORDERS["urgency"]`, so many at most.

    Fewer are all there are. None where it takes too long. The connection has to see one state throughout.
    """
    found: list[int] = []
    for escalated in (1, 0):
        if len(found) < most:
            group = _of_group(connection, now_ms, most - len(found), escalated)
            if group is None:
                return None
            found += group
    return found


def _of_group(connection: sqlite3.Connection, now_ms: int, most: int, escalated: int) -> list[int] | None:
    by_loss, by_due = (connection.execute(text, {"escalated": escalated}) for text in (BY_LOSS, BY_DUE))
    seen: set[int] = set()
    best: list[tuple[float, int]] = []  # a heap: the least urgent first, of equal ones the latest
    for _ in range(_MOST):
        losses, dues = by_loss.fetchmany(_AT_ONCE), by_due.fetchmany(_AT_ONCE)
        for number, loss, due_ms in (*losses, *dues):
            if number not in seen:
                seen.add(number)
                one = (_urgency(loss, due_ms, now_ms), -number)
                if len(best) < most:
                    heapq.heappush(best, one)
                else:
                    heapq.heappushpop(best, one)
        is_end = len(losses) < _AT_ONCE
        if is_end or (len(best) == most and best[0][0] > _urgency(losses[-1][1], dues[-1][2], now_ms)):
            return [-number for _, number in sorted(best, reverse=True)]
    return None


def _urgency(loss: float, due_ms: int, now_ms: int) -> float:
    return loss / max(1.0, (due_ms - now_ms) / _MINUTE_MS)
