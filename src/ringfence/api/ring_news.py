"""Rings that the follower of links has found: their members are flagged in the log, and each has a case.

payment reviewed ──► follower (another process): ring, score ──► links.sqlite: news
                                                                    │ looked for ten times a second
next payment of a member: `account.flagged` ◄── flags in the log ◄──┘──► case, alert
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from ringfence.api.problems import Refusal
from ringfence.cases.model import Subject
from ringfence.compose.links import delivered, flags_of, news_stamp, undelivered
from ringfence.errors import RingfenceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ringfence.desks.cases import CaseDesk
    from ringfence.events.batch import EventBatch
    from ringfence.events.tokens import Tokenizer
    from ringfence.ports import Clock

_SECONDS: Final = 0.1
_LOGGER: Final = logging.getLogger(__name__)


class RingTeller:
    """Delivers what a follower has found. `put` appends events to the log, durable on return."""

    def __init__(
        self,
        folder: Path,
        tokenizer: Tokenizer,
        put: Callable[[EventBatch], object],
        cases: CaseDesk,
        clock: Clock,
    ) -> None:
        self._folder = folder
        self._tokenizer = tokenizer
        self._put = put
        self._cases = cases
        self._clock = clock
        self._stamp: object = None
        self._task: asyncio.Task[None] | None = None
        self.told = 0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to look; on the event loop."""
        self._task = loop.create_task(self._keep_looking())

    async def stop(self) -> None:
        """What is under way ends; what was not delivered waits for the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep_looking(self) -> None:
        while True:
            try:
                await asyncio.shield(asyncio.to_thread(self.deliver))
            except (RingfenceError, Refusal) as error:
                _LOGGER.warning("news of a ring waits: %s", error)
            await asyncio.sleep(_SECONDS)

    def deliver(self) -> None:
        """Flags and cases of what is new, off the event loop; what the log cannot take now stays due.

        Flags have ids that never change, and an alert joins a case once: what a crash makes come twice
        changes nothing.
        """
        stamp = news_stamp(self._folder)
        if stamp == self._stamp:
            return
        while waiting := undelivered(self._folder):
            for news in waiting:
                flags = flags_of(news, self._tokenizer)
                if len(flags):
                    self._put(flags)
                members = [Subject(node.kind, node.id) for node in news.members]
                self._cases.ring(members, news.alert, news.title, self._clock.now_ms())
                delivered(self._folder, [news.number])
                self.told += 1
        self._stamp = stamp
