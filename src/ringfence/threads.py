"""Two threads beside the one that decides: one reads ahead, one commits behind.

What either runs into is raised here.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

T = TypeVar("T")
_TICK_S = 0.1  # how long a thread may take to notice that the other has stopped


class Behind(Generic[T]):
    """A thread that is handed items in order and acts on as many at once as have gathered.

    On leaving the block all that was handed over has been acted on.
    """

    def __init__(self, act: Callable[[list[T]], None], waiting: int, at_once: int) -> None:
        """`put` waits while `waiting` items are; `act` gets at most `at_once`."""
        self._act = act
        self._at_once = at_once
        self._queue: queue.Queue[T | None] = queue.Queue(waiting)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._loop, name="ringfence-commit", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def put(self, item: T) -> None:
        """Hand over."""
        while self._failure is None:
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=_TICK_S)
                return
        raise self._failure

    def __exit__(self, *_: object) -> None:
        while self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=_TICK_S)
                break
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _loop(self) -> None:
        try:
            while items := self._gather():
                self._act(items)
        except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
            self._failure = error

    def _gather(self) -> list[T]:
        """The next item and those behind it; empty at the end."""
        items: list[T] = []
        while len(items) < self._at_once and (not items or not self._queue.empty()):
            item = self._queue.get()
            if item is None:
                if items:
                    self._queue.put(None)
                break
            items.append(item)
        return items


class _Reader(Generic[T]):
    def __init__(
        self,
        source: Iterable[T],
        waiting: int,
        spent: Callable[[float], None],
        stopwatch: Callable[[], float],
    ) -> None:
        self._source, self._spent, self._stopwatch = source, spent, stopwatch
        self.items: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(waiting)
        self.stopped = threading.Event()

    def loop(self) -> None:
        begin = self._stopwatch()
        try:
            for item in self._source:
                self._spent(self._stopwatch() - begin)
                if not self._offer(item, None):
                    return
                begin = self._stopwatch()
        except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
            self._offer(None, error)
        else:
            self._offer(None, None)

    def _offer(self, item: T | None, error: BaseException | None) -> bool:
        while not self.stopped.is_set():
            with contextlib.suppress(queue.Full):
                self.items.put((item, error), timeout=_TICK_S)
                return True
        return False


def ahead(
    source: Iterable[T], waiting: int, spent: Callable[[float], None], stopwatch: Callable[[], float]
) -> Generator[T]:
    """The items of `source`, at most `waiting` of them read before they are asked for.

    `spent` hears the seconds of each.
    """
    reader = _Reader(source, waiting, spent, stopwatch)
    thread = threading.Thread(target=reader.loop, name="ringfence-read", daemon=True)
    thread.start()
    try:
        while True:
            item, error = reader.items.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        reader.stopped.set()
        thread.join()
