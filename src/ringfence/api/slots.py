"""Which batch requests may run: a few at a time, and no single caller takes all the places."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from ringfence.access.principal import LOCAL
from ringfence.api.problems import Refusal, overloaded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.access.principal import Principal
    from ringfence.api.bodies import Receive

_FIRST_SECONDS: Final = 15.0  # in which any body may come, however slowly
_SLOWEST: Final = 16 << 10  # bytes a second from then on, on average


class Slots:
    """Places for batch requests; on the event loop only."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()

    @contextmanager
    def take(self, caller: Principal) -> Iterator[None]:
        """Hold a place; `Refusal` (503) where none is left, or none for this caller."""
        own = self._most if caller is LOCAL else max(1, self._most - 1)
        if self._taken.total() >= self._most or self._taken[caller.name] >= own:
            raise overloaded()
        self._taken[caller.name] += 1
        try:
            yield
        finally:
            self._taken[caller.name] -= 1
            self._taken += Counter()  # forgets who holds none


def in_time(receive: Receive) -> Receive:
    """The same messages; `Refusal` (408) where the body comes too slowly for others to wait for its place."""
    begun, came = perf_counter(), 0

    async def receive_in_time() -> Any:
        nonlocal came
        left = begun + _FIRST_SECONDS + came / _SLOWEST - perf_counter()
        try:
            async with asyncio.timeout(max(0.0, left)):
                message = await receive()
        except TimeoutError:
            raise Refusal(
                408,
                "too_slow",
                f"the body came at less than {_SLOWEST >> 10} KiB a second: send smaller batches",
            ) from None
        came += len(message.get("body", b""))
        return message

    return receive_in_time
