"""Long work on the event loop, cut in slices: everybody else gets a turn in between."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

SLICE_SECONDS: Final = 0.003
"""Work of one slice, about: four callers at once still leave the loop a turn every 15 ms."""


class Turns:
    """`await turns.give()` between two pieces of work that take no longer than a slice each."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = perf_counter()

    async def give(self) -> None:
        """Let others go first where this slice has lasted long enough."""
        if perf_counter() - self._since >= SLICE_SECONDS:
            await asyncio.sleep(0)
            self._since = perf_counter()
