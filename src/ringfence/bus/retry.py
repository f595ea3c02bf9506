"""When to try again, and when to leave a destination alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_MS: Final = 1_000
LONGEST_MS: Final = 3_600_000
DEAD_AFTER_MS: Final = 3 * 86_400_000
"""A message that has been tried for so long becomes a dead letter."""

TRIPPED_BY: Final = 5
"""Failures in a row after which a destination counts as ill."""
_LONGEST_OPEN_MS: Final = 60_000  # a destination that is back waits no longer for the message that finds out
_LONGEST_ASKED_MS: Final = 86_400_000


RATES: Final[dict[str, float]] = {"slack": 1.0, "mail": 5.0, "sms": 1.0, "apprise": 1.0}
"""Messages a second, by kind of destination; as many as there are to others."""


def is_tripped(failing: int) -> bool:
    """Whether a destination counts as ill after so many failures in a row."""
    return failing >= TRIPPED_BY


def wait_ms(attempts: int, asked_seconds: float | None, chance: Callable[[], float]) -> int:
    """How long a message waits after so many attempts: twice as long each time, up to an hour.

    `chance`, in [0, 1), shortens the wait by up to half. Where the destination asked for a pause, the wait
    begins after that pause, of which a day counts at most.

    >>> from random import Random
    >>> [wait_ms(n, None, Random(1).random) for n in (1, 2, 12, 60)]
    [567, 1134, 1161589, 2041856]
    >>> wait_ms(1, 30, Random(1).random)
    30567
    """
    longest = min(LONGEST_MS, FIRST_MS * 2 ** min(attempts - 1, 20))
    return _asked_ms(asked_seconds) + round(longest / 2 + chance() * longest / 2)


class Breaker:
    """Leaves a destination alone after failures in a row; then one message at a time tries it.

    The wait before each trial is twice as long as the one before, up to a minute; chance shortens it by up to
    half.

    Attributes:
        failing: attempts that failed in a row.
        since_ms: when the first of them did, 0 where none has, 1 where that was not noted.
        open_until_ms: no attempt is made before.
    """

    def __init__(self, failing: int = 0, since_ms: int = 0, open_until_ms: int = 0) -> None:
        self.failing = failing
        self.since_ms = since_ms or min(failing, 1)
        self.open_until_ms = open_until_ms
        self._asked_until_ms = open_until_ms
        self._trials = 0

    @property
    def is_tripped(self) -> bool:
        """Whether the destination counts as ill."""
        return is_tripped(self.failing)

    def allows(self, now_ms: int) -> int:
        """How many attempts may be made at once: none, one on trial, or any number (-1)."""
        if now_ms < self.open_until_ms:
            return 0
        return 1 if self.is_tripped else -1

    def succeeded(self) -> None:
        """It is well; what it asked for before still holds."""
        self.failing = self.since_ms = self._trials = 0
        self.open_until_ms = self._asked_until_ms

    def failed(self, now_ms: int, asked_seconds: float | None, chance: Callable[[], float]) -> None:
        """It is not; `asked_seconds` is for how long it wants to be left alone, if it said so.

        Attempts that were under way when it was tripped say nothing new.
        """
        self.failing += 1
        self.since_ms = self.since_ms or now_ms
        pause = 0
        if self.is_tripped and now_ms >= self.open_until_ms:
            pause = min(_LONGEST_OPEN_MS, FIRST_MS * 2 ** min(self._trials, 20))
            pause = round(pause / 2 + chance() * pause / 2)
            self._trials += 1
        self._asked_until_ms = max(self._asked_until_ms, now_ms + _asked_ms(asked_seconds))
        self.open_until_ms = max(self.open_until_ms, now_ms + pause, self._asked_until_ms)

    def try_now(self) -> None:
        """Somebody says that it is worth a trial."""
        self.open_until_ms = self._asked_until_ms = 0


class AttemptBucket:
    """So many messages a second on average, a second's worth at once; any number where the rate is 0."""

    def __init__(self, rate: float, now_ms: int) -> None:
        self._rate = rate
        self._full = max(1.0, rate)
        self._there = self._full
        self._at_ms = now_ms

    def take(self, wanted: int, now_ms: int) -> int:
        """How many of these may go now."""
        if not self._rate:
            return wanted
        gained = max(0, now_ms - self._at_ms) * self._rate / 1000
        self._there = min(self._full, self._there + gained)
        self._at_ms = now_ms
        granted = min(wanted, int(self._there))
        self._there -= granted
        return granted


def _asked_ms(seconds: float | None) -> int:
    return min(max(0, round((seconds or 0) * 1000)), _LONGEST_ASKED_MS)
