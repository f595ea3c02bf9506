"""Answers that take longer than a page: worked out in the background, kept, and renewed as the log grows."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ringfence.api.http.problems import Refusal
from ringfence.errors import CatchingUpError, RingfenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

FRESH_SECONDS: Final = 3.0
SHARE: Final = 0.05  # of a core, at most, that goes into renewing one answer
MOST_WAITING: Final = 64
"""Questions that wait for their turn, of all callers together."""

MOST_OF_CALLER: Final = 16
"""Of one caller; the next begins to wait once one of them has had its turn."""

PATIENCE_SECONDS: Final = 10.0
"""A question that no page has asked again for so long is waited for by nobody."""

_MOST: Final = 64
_LOGGER: Final = logging.getLogger(__name__)
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


@dataclass(slots=True)
class _WaitingQuestion:
    """A question that waits for its turn: as it was asked last, and who wants to know."""

    state: Hashable
    work: Callable[[], Any]
    asked_at: float
    callers: set[str]


class AnswerCache:
    """The latest answers of one server, one worked out at a time. `now` is in seconds.

    Whoever was served longest ago is next: what one caller asks for keeps no other waiting for more than
    the question under way.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ringfence-kept")
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, CachedAnswer] = OrderedDict()
        self._waiting: dict[Hashable, _WaitingQuestion] = {}
        self._under_way: set[Hashable] = set()
        self._turn = 0
        self._served: dict[str, int] = {}  # the latest turn of those who wait for more

    def ask(
        self, question: Hashable, state: Hashable, work: Callable[[], Any], caller: str
    ) -> CachedAnswer | None:
        """The latest answer, None while the first is worked out or waits for its turn.

        None, too, while what is made of the log is too far behind it for any: ask again. An answer that is of
        another `state` (of the log, say) and no longer fresh is renewed meanwhile. `Refusal` (503) where
        there is none, and too many questions wait.
        """
        with self._lock:
            now = self._now()
            known = self._answers.get(question)
            if known is not None and known.is_fresh(state, now):
                return known
            waiting = self._waiting.get(question)
            if waiting is not None:
                waiting.state, waiting.work, waiting.asked_at = state, work, now
                waiting.callers.add(caller)
            elif question not in self._under_way:
                self._begin(question, _WaitingQuestion(state, work, now, {caller}), is_first=known is None)
            return known

    async def soon(
        self, question: Hashable, state: Hashable, work: Callable[[], Any], caller: str
    ) -> CachedAnswer | None:
        """An answer of this state, or a fresh one; None where it takes longer than a page: ask again then.

        `Refusal` as of `ask`.
        """
        for _ in range(_LOOKS):
            known = self.ask(question, state, work, caller)
            if known is not None and known.is_fresh(state, self._now()):
                return known
            await asyncio.sleep(_LOOK_SECONDS)
        return None

    def stop(self) -> None:
        """What is being worked out is finished, nothing else begins."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self, question: Hashable, asked: _WaitingQuestion, *, is_first: bool) -> None:
        self._drop(asked.asked_at)
        if len(self._waiting) >= MOST_WAITING:
            if is_first:
                raise _overloaded()
            return
        (caller,) = asked.callers
        if sum(caller in one.callers for one in self._waiting.values()) < MOST_OF_CALLER:
            self._waiting[question] = asked
            self._pool.submit(self._serve)

    def _drop(self, now: float) -> None:
        """Forget what nobody waits for any more."""
        left = [key for key, one in self._waiting.items() if now - one.asked_at > PATIENCE_SECONDS]
        for question in left:
            del self._waiting[question]

    def _serve(self) -> None:
        with self._lock:
            self._drop(self._now())
            if not self._waiting:
                return
            question = min(self._waiting, key=self._latest_turn)
            asked = self._waiting.pop(question)
            self._under_way.add(question)
            self._turn += 1
            left = set().union(*(one.callers for one in self._waiting.values()))
            served = self._served | dict.fromkeys(asked.callers, self._turn)
            self._served = {caller: turn for caller, turn in served.items() if caller in left}
        self._work(question, asked)

    def _latest_turn(self, question: Hashable) -> int:
        return min(self._served.get(caller, 0) for caller in self._waiting[question].callers)

    def _work(self, question: Hashable, asked: _WaitingQuestion) -> None:
        problem, value = "Something went wrong; the server's log has the details.", None
        begun, is_answer = self._now(), True
        try:
            value, problem = asked.work(), ""
        except CatchingUpError:
            is_answer = False
        except RingfenceError as error:
            problem = str(error)
        except Exception:  # nobody else hears of it on this thread
            _LOGGER.exception("A figure of the dashboard could not be worked out")
        finally:
            with self._lock:
                self._under_way.discard(question)
                if is_answer:
                    now = self._now()
                    self._keep(question, CachedAnswer(value, now, asked.state, now - begun, problem))

    def _keep(self, question: Hashable, answer: CachedAnswer) -> None:
        self._answers[question] = answer
        self._answers.move_to_end(question)
        while len(self._answers) > _MOST:
            self._answers.popitem(last=False)


def _overloaded() -> Refusal:
    return Refusal(
        503,
        "overloaded",
        f"{MOST_WAITING} figures wait to be worked out already: open this page again in a minute, and close "
        "pages with figures that you do not need",
        headers=[(b"retry-after", b"30")],
    )
