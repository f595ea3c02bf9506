"""Which batch requests may run: a few at a time, and no single caller takes all the places."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from ringfence.access.principal import LOCAL
from ringfence.api.http.bodies import ClientGoneError
from ringfence.api.http.problems import Refusal, overloaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ringfence.access.principal import Principal
    from ringfence.api.http.bodies import Receive, Send
    from ringfence.api.http.connections import Line

_FIRST_SECONDS: Final = 15.0  # in which any body may come, however slowly
_PATIENCE_SECONDS: Final = 1.0  # with a slow one while others wait for its place
_SLOWEST: Final = 16 << 10  # bytes a second from then on, on average


class Slot:
    """A place for one batch request, and how quickly its body comes, or its answers are read."""

    def __init__(self, caller: str) -> None:
        self.caller = caller
        self.came = 0  # bytes
        self.waited = 0.0  # seconds for the peer, without what we took ourselves
        self.since: float | None = None  # when the wait that is going on began
        self.timer: asyncio.Timeout | None = None
        self.lost = False

    def is_slow(self, now: float) -> bool:
        """Whether it is waiting, and was too slow so far for others to wait for it."""
        if self.since is None or self.timer is None:
            return False
        waited = self.waited + now - self.since
        return waited > _PATIENCE_SECONDS and self.came < _SLOWEST * waited


class Slots:
    """Places for batch requests; on the event loop only.

    Where all are taken, the one whose body comes, or whose answers are read, most slowly makes room, if it is
    too slow.
    """

    def __init__(self, most: int, now: Callable[[], float] = perf_counter) -> None:
        self._most = most
        self._now = now
        self._taken: list[Slot] = []

    @contextmanager
    def take(self, caller: Principal) -> Iterator[Slot]:
        """Hold a place; `Refusal` (503) where none is left, or none for this caller."""
        own = self._most if caller is LOCAL else max(1, self._most - 1)
        if self._has(caller.name) >= own:
            self._evict([slot for slot in self._taken if slot.caller == caller.name])
        elif len(self._taken) >= self._most:
            self._evict(self._taken)
        if len(self._taken) >= self._most or self._has(caller.name) >= own:
            raise overloaded()
        slot = Slot(caller.name)
        self._taken.append(slot)
        try:
            yield slot
        finally:
            if not slot.lost:
                self._taken.remove(slot)

    def _has(self, caller: str) -> int:
        return sum(slot.caller == caller for slot in self._taken)

    def _evict(self, slots: list[Slot]) -> None:
        now = self._now()
        slow = [slot for slot in slots if slot.is_slow(now)]
        if not slow:
            return
        slowest = min(slow, key=lambda slot: slot.came)
        slowest.lost = True
        self._taken.remove(slowest)
        if slowest.timer is not None:
            slowest.timer.reschedule(asyncio.get_running_loop().time())


def in_time(receive: Receive, slot: Slot | None = None) -> Receive:
    """The same messages; `Refusal` (408) where the body comes too slowly for others to wait for its place."""
    begun, slot = perf_counter(), slot or Slot("")

    async def receive_in_time() -> Any:
        slot.since = perf_counter()
        left = begun + _FIRST_SECONDS + slot.came / _SLOWEST - slot.since
        try:
            async with asyncio.timeout(max(0.0, left)) as slot.timer:
                message = await receive()
        except TimeoutError:
            raise Refusal(
                408,
                "too_slow",
                f"the body came at less than {_SLOWEST >> 10} KiB a second: send smaller batches",
            ) from None
        finally:
            slot.waited += perf_counter() - slot.since
            slot.since = slot.timer = None
        slot.came += len(message.get("body", b""))
        return message

    return receive_in_time


def read_in_time(send: Send, slot: Slot, line: Line | None) -> Send:
    """The same for answers: whoever leaves a piece unread for as long as others wait is hung up on.

    Each piece counts by itself: what the buffers of both systems took in one moment earns no time.
    """

    async def send_in_time(message: Any) -> None:
        slot.came, slot.waited, slot.since = 0, 0.0, perf_counter()
        try:
            async with asyncio.timeout(None) as slot.timer:
                await send(message)
        except TimeoutError:
            if line is not None:
                line.hang_up()
            raise ClientGoneError from None
        finally:
            slot.since = slot.timer = None

    return send_in_time
