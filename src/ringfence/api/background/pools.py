"""Threads for each kind of work: what one kind has too much of, no other waits for.

A payment's way needs none of them, unless it is large. What is not done by its deadline is refused; its
thread goes on to the end, and counts as busy until then.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ringfence.api.http.problems import Refusal
from ringfence.compose.deciding.checks import DEADLINE_SECONDS
from ringfence.compose.folder.inquiries import GRACE_SECONDS, PATTERN_SECONDS, PERSON_SECONDS
from ringfence.compose.folder.inquiries import START_SECONDS as INQUIRY_START_SECONDS
from ringfence.compose.worker_process import START_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

T = TypeVar("T")

CHECK_SECONDS: Final = START_SECONDS + DEADLINE_SECONDS + 10.0
"""How long whoever asks for a check of rules waits: longer than the process beside the server may take."""

SEARCH_SECONDS: Final = INQUIRY_START_SECONDS + PERSON_SECONDS + GRACE_SECONDS + 10.0
"""Likewise for personal data: the process that looks for it may have to start first."""

TRIAL_SECONDS: Final = INQUIRY_START_SECONDS + PATTERN_SECONDS + 10.0
"""Likewise for a pattern that is tried."""


class Pool:
    """A few threads, a short queue, and how long the caller waits."""

    def __init__(self, kind: str, threads: int, most: int, seconds: float) -> None:
        """At most `most` pieces of work wait or are under way."""
        self._kind = kind
        self._threads = ThreadPoolExecutor(threads, f"ringfence-{kind.replace(' ', '-')}")
        self._most = most
        self._seconds = seconds
        self._lock = Lock()
        self.busy = 0

    async def run(self, act: Callable[..., T], *given: Any) -> T:
        """What `act` gives, or raises; `Refusal` (503) where too much is under way, or it takes too long."""
        with self._lock:
            if self.busy >= self._most:
                raise Refusal(
                    503,
                    "overloaded",
                    f"too many requests for {self._kind} are under way: try again after the time in "
                    "Retry-After",
                    headers=[(b"retry-after", b"2")],
                )
            self.busy += 1
        work = self._threads.submit(act, *given)
        work.add_done_callback(self._left)
        promise = asyncio.wrap_future(work)
        try:
            async with asyncio.timeout(self._seconds):
                return await promise
        except TimeoutError:
            if not promise.cancelled():
                raise  # the work's own
            raise Refusal(
                503,
                "timed_out",
                f"this took longer than {self._seconds:g} s, the most for {self._kind}: try again in a "
                "moment, or ask for less at once; if it was a change, look first whether it took effect",
                headers=[(b"retry-after", b"5")],
            ) from None

    def close(self) -> None:
        """Take nothing more; what is under way goes on to its end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _left(self, _work: Future[Any]) -> None:
        with self._lock:
            self.busy -= 1


@dataclass(frozen=True, slots=True)
class Pools:
    """One for each kind of work that a server does beside deciding."""

    reading: Pool = field(default_factory=lambda: Pool("reading", 2, 64, 20.0))
    links: Pool = field(default_factory=lambda: Pool("the entity graph", 1, 32, 20.0))
    topics: Pool = field(default_factory=lambda: Pool("events of the bus", 2, 256, 20.0))  # streams, too
    cases: Pool = field(default_factory=lambda: Pool("cases", 2, 64, 60.0))
    personal: Pool = field(default_factory=lambda: Pool("personal data", 1, 4, SEARCH_SECONDS))
    originals: Pool = field(default_factory=lambda: Pool("originals", 2, 16, 20.0))
    patterns: Pool = field(default_factory=lambda: Pool("patterns", 1, 8, TRIAL_SECONDS))
    pages: Pool = field(default_factory=lambda: Pool("pages", 4, 64, 30.0))
    figures: Pool = field(default_factory=lambda: Pool("figures", 1, 16, 30.0))  # one statement at a time
    rules: Pool = field(default_factory=lambda: Pool("the rule book", 2, 8, 60.0))
    models: Pool = field(default_factory=lambda: Pool("models", 1, 8, 60.0))
    checks: Pool = field(default_factory=lambda: Pool("checks of rules", 1, 8, CHECK_SECONDS))
    batches: Pool = field(default_factory=lambda: Pool("batches", 2, 64, 60.0))
    payments: Pool = field(default_factory=lambda: Pool("large payments", 1, 16, 10.0))
    signing_in: Pool = field(default_factory=lambda: Pool("sign-in", 2, 16, 30.0))  # anybody may
    buttons: Pool = field(default_factory=lambda: Pool("buttons in messages", 2, 32, 20.0))
    replies: Pool = field(default_factory=lambda: Pool("replies to buttons", 2, 32, 20.0))
    sql: Pool = field(default_factory=lambda: Pool("SQL", 1, 4, 45.0))  # 10 s each

    def close(self) -> None:
        """Close each."""
        asked = (self.reading, self.pages, self.figures, self.rules, self.models, self.checks, self.sql)
        kept = (self.links, self.topics, self.cases, self.personal, self.originals, self.patterns)
        for pool in (*asked, *kept, self.signing_in, self.batches, self.payments, self.buttons, self.replies):
            pool.close()
