"""Each caller's share of the time in which payments are decided, while somebody else pays one by one.

A batch, a body that unfolds to much and a book of rules cost seconds where a payment costs a millisecond.
What a caller's requests take is charged to it; whoever has taken more than its share waits behind the others,
and is refused once it owes too much. While nobody else pays, nothing is charged and nobody waits.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any, Final

from ringfence.api.http.problems import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

SHARE: Final = 0.5
"""Seconds a second that all who owe may take together, while others pay."""

FREE_SECONDS: Final = 0.05
"""What a caller may owe before it waits."""

MOST_OWED_SECONDS: Final = 2.0
"""What a caller may owe before its further requests are refused."""

_REMEMBERED_SECONDS: Final = (
    5.0  # of what a caller owes: a batch of an hour is not held against it for another
)
_RECENT_SECONDS: Final = 1.0  # for which a payment counts as somebody who pays
_LONGEST_WAIT_SECONDS: Final = 0.25  # then it is looked again who pays


@dataclass(slots=True)
class _Account:
    """Seconds that a caller has taken beyond its share, at a time."""

    owed: float
    at: float


class Shares:
    """Who owes how much; on the event loop only. Times are seconds of any clock.

    >>> shares = Shares()
    >>> shares.paid("till", now=9.0)
    >>> shares.spend("batches", 0.3, now=9.0)
    >>> shares.wait("till", now=9.0), shares.wait("batches", now=9.0)
    (0.0, 0.5)
    >>> shares.wait("batches", now=11.0)  # nobody else has paid for a while
    0.0
    """

    def __init__(
        self, now: Callable[[], float] = perf_counter, cpu: Callable[[], float] = thread_time
    ) -> None:
        """`now` and `cpu` are the clocks of what `work` does: a turn costs what its thread works in it."""
        self._now, self._cpu = now, cpu
        self._accounts: dict[str, _Account] = {}  # of those who owe anything
        # Who paid last, and when somebody else did: of the two, one is never the caller who is asked about.
        self._latest, self._latest_at = "", float("-inf")
        self._other_at = float("-inf")
        self._looked_at = float("-inf")

    def paid(self, caller: str, now: float) -> None:
        """A caller asks about one payment."""
        if caller != self._latest:
            self._latest, self._other_at = caller, self._latest_at
        self._latest_at = now

    def spend(self, caller: str, seconds: float, now: float) -> None:
        """A caller's requests have taken so long, where somebody else might have been served."""
        if not self._others_pay(caller, now):
            return
        account = self._settled(caller, now)
        if account is None:
            account = self._accounts[caller] = _Account(0.0, now)
        account.owed = min(account.owed + seconds, _REMEMBERED_SECONDS)

    def owed(self, caller: str, now: float) -> float:
        """Seconds that a caller has taken beyond its share."""
        account = self._settled(caller, now)
        return 0.0 if account is None else account.owed

    def wait(self, caller: str, now: float) -> float:
        """Seconds after which a caller's requests may go on, 0 where they may now."""
        if now - self._looked_at > _RECENT_SECONDS:  # who does not come back owes nothing for ever
            self._looked_at = now
            for one in tuple(self._accounts):
                self._settled(one, now)
        owed = self.owed(caller, now)
        return 0.0 if owed <= FREE_SECONDS else (owed - FREE_SECONDS) * len(self._accounts) / SHARE

    async def work(self, caller: str, task: Coroutine[Any, Any, None]) -> None:
        """Do what a caller's request asks for, with waits in between where its share is spent.

        `Refusal` (429) where it owes too much to begin.
        """
        try:
            while left := self.wait(caller, self._now()):
                if self.owed(caller, self._now()) > MOST_OWED_SECONDS:
                    raise _spent(left)
                await asyncio.sleep(min(left, _LONGEST_WAIT_SECONDS))
            await _Charged(task, self, caller, self._now, self._cpu)
        finally:
            task.close()

    def _others_pay(self, caller: str, now: float) -> bool:
        at = self._latest_at if caller != self._latest else self._other_at
        return now - at < _RECENT_SECONDS

    def _settled(self, caller: str, now: float) -> _Account | None:
        """A caller's account at a time, None where it owes nothing."""
        account = self._accounts.get(caller)
        if account is None:
            return None
        account.owed -= SHARE * (now - account.at) / len(self._accounts)
        account.at = now
        if account.owed <= 0.0 or not self._others_pay(caller, now):
            del self._accounts[caller]
            return None
        return account


class _Charged:
    """Awaits a task; each turn of the loop that it takes is charged to a caller, who may wait after it."""

    __slots__ = ("_caller", "_cpu", "_now", "_shares", "_task")

    def __init__(
        self,
        task: Coroutine[Any, Any, None],
        shares: Shares,
        caller: str,
        now: Callable[[], float],
        cpu: Callable[[], float],
    ) -> None:
        self._task, self._shares, self._caller, self._now, self._cpu = task, shares, caller, now, cpu

    def __await__(self) -> Generator[Any, Any, None]:
        task, shares, caller, now, cpu = self._task, self._shares, self._caller, self._now, self._cpu
        error: BaseException | None = None
        while True:
            begin = cpu()
            try:
                asked = task.send(None) if error is None else task.throw(error)
            except StopIteration:
                return
            finally:
                shares.spend(caller, cpu() - begin, now())
            error = None
            try:
                yield asked
                if left := shares.wait(caller, now()):
                    yield from asyncio.sleep(min(left, _LONGEST_WAIT_SECONDS)).__await__()
            except BaseException as raised:  # noqa: BLE001 (the task's own to handle, also that it is cancelled)
                error = raised


def _spent(seconds: float) -> Refusal:
    return Refusal(
        429,
        "share_spent",
        "this caller's requests take too much of the server's time while others pay: send fewer or smaller "
        "ones, and try again after the time in Retry-After",
        headers=[(b"retry-after", str(max(1, round(seconds + 0.5))).encode())],
    )
