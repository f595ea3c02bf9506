"""Threads that make the attempts to one destination: as few as its answers need."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event, Lock
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Asked = TypeVar("Asked")
Given = TypeVar("Given")

AT_ONCE: Final = 8
"""Messages under way to one destination."""

_A_LANE: Final = 8  # messages one after another: waking a thread costs more than an attempt that is answered
_SOON_SECONDS: Final = 0.02  # an answer that takes longer shall not hold up those behind it


class AttemptLanes(Generic[Asked, Given]):
    """Makes attempts beside each other; one thread at a time may ask.

    Args:
        attempt: makes one. It raises nothing.
        soon_seconds: how long one thread may take before others help.
    """

    def __init__(self, attempt: Callable[[Asked], Given], soon_seconds: float = _SOON_SECONDS) -> None:
        self._attempt = attempt
        self._soon_seconds = soon_seconds
        self._threads = ThreadPoolExecutor(AT_ONCE, "ringfence-attempt")
        self._waiting: deque[Asked] = deque()
        self._ended: deque[tuple[Asked, Given]] = deque()
        self._lock = Lock()
        self._open = 0
        self._all_ended = Event()

    def begin(self, asked: Sequence[Asked]) -> None:
        """Attempt these, in about this order."""
        with self._lock:
            self._open += len(asked)
            self._all_ended.clear()
        self._waiting.extend(asked)
        self._hire(-(-len(asked) // _A_LANE))

    def wait(self, seconds: float) -> None:
        """Until all that was begun has ended, or so many seconds."""
        if self._all_ended.wait(min(seconds, self._soon_seconds)):
            return
        self._hire(len(self._waiting))
        self._all_ended.wait(max(0.0, seconds - self._soon_seconds))

    def ended(self) -> list[tuple[Asked, Given]]:
        """What has ended since the last call."""
        return [self._ended.popleft() for _ in range(len(self._ended))]

    def withdraw(self) -> list[Asked]:
        """What waits and has not been begun; it is not."""
        found: list[Asked] = []
        with suppress(IndexError):  # a lane was faster
            while self._waiting:
                found.append(self._waiting.popleft())
        self._close(len(found))
        return found

    def stop(self) -> None:
        """Let what is under way end; what waits is not begun."""
        self._waiting.clear()
        self._threads.shutdown(cancel_futures=True)

    def _hire(self, count: int) -> None:
        for _ in range(min(count, AT_ONCE)):
            self._threads.submit(self._work)

    def _work(self) -> None:
        while self._waiting:
            try:
                asked = self._waiting.popleft()
            except IndexError:  # another lane was faster
                return
            self._ended.append((asked, self._attempt(asked)))
            self._close(1)

    def _close(self, count: int) -> None:
        with self._lock:
            self._open -= count
            if not self._open:
                self._all_ended.set()
