"""Answers that take longer than a page: worked out in the background, kept, and renewed as the log grows."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ringfence.errors import RingfenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

FRESH_SECONDS: Final = 3.0
SHARE: Final = 0.05  # of a core, at most, that goes into renewing one answer
_MOST: Final = 64
_LOOKS, _LOOK_SECONDS = 12, 0.01  # a page waits for an eighth of a second


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """What came out, or the problem that stood in the way; `at` is on the clock of `AnswerCache`."""

    value: Any
    at: float
    state: Hashable
    took: float
    problem: str = ""

    def is_fresh(self, state: Hashable, now: float) -> bool:
        """Whether it need not be renewed: nothing has changed, or it is too dear to be renewed so soon."""
        return self.state == state or now - self.at < max(FRESH_SECONDS, self.took / SHARE)


class AnswerCache:
    """The latest answers of one server, one worked out at a time. `now` is in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ringfence-kept")
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, CachedAnswer] = OrderedDict()
        self._begun: set[Hashable] = set()

    def ask(self, question: Hashable, state: Hashable, work: Callable[[], Any]) -> CachedAnswer | None:
        """The latest answer, None while the first is worked out.

        One that is of another `state` (of the log, say) and no longer fresh is renewed meanwhile.
        """
        with self._lock:
            known = self._answers.get(question)
            fresh = known is not None and known.is_fresh(state, self._now())
            if not fresh and question not in self._begun:
                self._begun.add(question)
                self._pool.submit(self._work, question, state, work)
            return known

    async def soon(self, question: Hashable, state: Hashable, work: Callable[[], Any]) -> CachedAnswer | None:
        """An answer of this state, or a fresh one; None where it takes longer than a page: ask again then."""
        for _ in range(_LOOKS):
            known = self.ask(question, state, work)
            if known is not None and known.is_fresh(state, self._now()):
                return known
            await asyncio.sleep(_LOOK_SECONDS)
        return None

    def stop(self) -> None:
        """What is being worked out is finished, nothing else begins."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _work(self, question: Hashable, state: Hashable, work: Callable[[], Any]) -> None:
        problem, value = "Something went wrong; the server's log has the details.", None
        begun = self._now()
        try:
            value, problem = work(), ""
        except RingfenceError as error:
            problem = str(error)
        finally:
            with self._lock:
                self._begun.discard(question)
                now = self._now()
                self._answers[question] = CachedAnswer(value, now, state, now - begun, problem)
                self._answers.move_to_end(question)
                while len(self._answers) > _MOST:
                    self._answers.popitem(last=False)
