"""Rings that the follower of links has found: their members are flagged in the log, and each has a case.

payment reviewed ──► follower (another process): ring, score ──► links.sqlite: news
                                                                    │ looked for ten times a second
next payment of a member: `account.flagged` ◄── flags in the log ◄──┘──► case, alert
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from ringfence.api.http.problems import Refusal
from ringfence.api.monitoring.watcher import Watcher
from ringfence.cases.model import Subject
from ringfence.compose.folder.links import delivered, flags_of, news_stamp, undelivered
from ringfence.errors import RingfenceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ringfence.desks.cases import CaseDesk
    from ringfence.events.batch import EventBatch
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.graph.rings import RingNews
    from ringfence.ports import Clock

_SECONDS: Final = 0.1
_MOST_SECONDS: Final = 60.0
_MOST_FAILURES: Final = 3  # before anything goes well
_LOGGER: Final = logging.getLogger(__name__)


class _Wait(NamedTuple):
    """For how long, from when on, news that failed is left alone."""

    since_ms: int = 0
    seconds: float = 0.0

    def is_over(self, now_ms: int) -> bool:
        return not 0 <= now_ms - self.since_ms < 1000 * self.seconds  # over, too, if the clock was set back

    def longer(self, now_ms: int) -> _Wait:
        return _Wait(now_ms, min(max(2 * self.seconds, 1.0), _MOST_SECONDS))


class RingWatcher(Watcher):
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
        self._waits: dict[int, _Wait] = {}  # by number of the news
        self.told = 0

    async def _keep_looking(self) -> None:
        seconds = _SECONDS
        while True:
            try:
                is_well = await asyncio.shield(asyncio.to_thread(self.deliver))
            except Exception:
                _LOGGER.exception("news of rings waits")
                is_well = False
            seconds = _SECONDS if is_well else min(2 * seconds, _MOST_SECONDS)
            await asyncio.sleep(seconds)

    def deliver(self) -> bool:
        """Flags and cases of what is new, off the event loop; False where a few failed and nothing went well.

        News that fails waits, twice as long each time, and holds up no other. Flags have ids that never
        change, and an alert joins a case once: what a crash makes come twice changes nothing. What was
        closed as a false positive is not told again as long as a flag would hold. `StoreError` where what is
        new cannot be read: it stays new.
        """
        stamp, now_ms = news_stamp(self._folder), self._clock.now_ms()
        if stamp == self._stamp and not any(one.is_over(now_ms) for one in self._waits.values()):
            return True
        after, failures, waits, told = 0, 0, {}, self.told
        while waiting := undelivered(self._folder, after):
            for news in waiting:
                after = news.number
                wait = self._waits.get(after, _Wait())
                if wait.is_over(now_ms):
                    failed = self._failed(news)
                    wait = wait.longer(now_ms)
                    failures += failed
                    self.told += not failed
                    if not failed:
                        continue
                waits[after] = wait
                if failures == _MOST_FAILURES and self.told == told:  # it is not the rings
                    self._waits |= waits
                    return False
        self._stamp, self._waits = stamp, waits
        return self.told > told or not failures

    def _failed(self, news: RingNews) -> bool:
        try:
            members = [Subject(node.kind, node.id) for node in news.members]
            now_ms = self._clock.now_ms()
            if not self._cases.is_cleared(members, news.alert, now_ms - (news.until_ms - news.at_ms)):
                flags = flags_of(news, self._tokenizer)
                if len(flags):
                    self._put(flags)
                self._cases.ring(members, news.alert, news.title, now_ms)
            delivered(self._folder, [news.number])
        except (RingfenceError, Refusal) as error:
            _LOGGER.warning("news of %s waits: %s", news.alert, error)
            return True
        except Exception:
            _LOGGER.exception("news of %s waits", news.alert)
            return True
        return False
