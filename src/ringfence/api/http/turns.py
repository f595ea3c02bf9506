"""Long work on the event loop, cut in slices: everybody else gets a turn in between, however many work."""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

SLICE_SECONDS: Final = 0.001
"""Work of one slice, about: one is worked off between two looks at what else is due, whoever's it is."""


class Turns:
    """`await turns.give()` between two pieces of work that take no longer than a slice each.

    A payment passes the loop three or four times on its way. If every piece of long work had its slice each
    time, eight callers with large bodies would cost it thirty slices.
    """

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = perf_counter()

    async def give(self) -> None:
        """Let others go first where this slice has lasted long enough: also others with long work."""
        if perf_counter() - self._since >= SLICE_SECONDS:
            await _line_of(asyncio.get_running_loop()).wait()
            self._since = perf_counter()


def in_turn(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Have something of about a slice done once it is its turn; not in this turn of the loop."""
    turn = loop.create_future()
    turn.add_done_callback(lambda _turn: act())
    _line_of(loop).add(turn)


class _SliceQueue:
    """Who waits for a slice, on one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_due = False

    async def wait(self) -> None:
        turn = self._loop.create_future()
        self.add(turn)
        await turn

    def add(self, turn: asyncio.Future[None]) -> None:
        self._waiting.append(turn)
        self._look()

    def _look(self) -> None:
        if self._waiting and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        self._is_due = False
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # who has given up needs none
                turn.set_result(None)
                break
        self._look()


_LINES: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _SliceQueue]] = WeakKeyDictionary()


def _line_of(loop: asyncio.AbstractEventLoop) -> _SliceQueue:
    line = _LINES.get(loop)
    if line is None:
        line = _LINES[loop] = _SliceQueue(loop)
    return line
