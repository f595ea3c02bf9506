"""What looks for news beside requests, for as long as a server lives."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod


class Watcher(ABC):
    """One task on the event loop, from `start` to `stop`."""

    _task: asyncio.Task[None] | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to look; on the event loop."""
        self._task = loop.create_task(self._keep_looking())

    async def stop(self) -> None:
        """What is under way ends; what was not told waits for the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @abstractmethod
    async def _keep_looking(self) -> None:
        """For ever."""
