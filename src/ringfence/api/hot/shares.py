"""Whose large step comes next: of the callers who wait, the one that has taken least lately.

A batch and a body that unfolds to much cost seconds where a payment costs a millisecond. What a caller's
steps take is charged to it while somebody else pays one by one. That is only an order: nobody is refused for
what it owes, and nobody waits while there is nothing else to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_SHARE: Final = 0.5  # seconds a second by which all debts together become less
_MOST_OWED_SECONDS: Final = 5.0  # a batch of an hour is not held against its caller for another
_RECENT_SECONDS: Final = 1.0  # for which a payment counts as somebody who pays


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
    >>> shares.owed("till", now=9.0), shares.owed("batches", now=9.0)
    (0.0, 0.3)
    >>> shares.owed("batches", now=11.0)  # nobody else has paid for a while
    0.0
    """

    def __init__(self) -> None:
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
        self._forget(now)
        if not self.others_pay(caller, now):
            return
        account = self._settled(caller, now)
        if account is None:
            account = self._accounts[caller] = _Account(0.0, now)
        account.owed = min(account.owed + seconds, _MOST_OWED_SECONDS)

    def owed(self, caller: str, now: float) -> float:
        """Seconds that a caller has taken beyond its share."""
        account = self._settled(caller, now)
        return 0.0 if account is None else account.owed

    def others_pay(self, caller: str, now: float) -> bool:
        """Whether somebody else has asked about a single payment lately."""
        at = self._latest_at if caller != self._latest else self._other_at
        return now - at < _RECENT_SECONDS

    def _forget(self, now: float) -> None:
        """Let go of those who owe nothing any more; once in a while."""
        if now - self._looked_at > _RECENT_SECONDS:
            self._looked_at = now
            for one in tuple(self._accounts):
                self._settled(one, now)

    def _settled(self, caller: str, now: float) -> _Account | None:
        """A caller's account at a time, None where it owes nothing."""
        account = self._accounts.get(caller)
        if account is None:
            return None
        account.owed -= _SHARE * (now - account.at) / len(self._accounts)
        account.at = now
        if account.owed <= 0.0 or not self.others_pay(caller, now):
            del self._accounts[caller]
            return None
        return account
