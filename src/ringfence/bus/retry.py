"""When to try again, and when to leave a destination alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_MS: Final = 1_000
LONGEST_MS: Final = 3_600_000
DEAD_AFTER_MS: Final = 3 * 86_400_000
"""A message that has been tried for so long becomes a dead letter."""

_TRIPPED_BY: Final = 5  # failures in a row
_LONGEST_OPEN_MS: Final = 300_000
_LONGEST_ASKED_MS: Final = 86_400_000


def wait_ms(attempts: int, asked_seconds: float | None, chance: Callable[[], float]) -> int:
    """After so many attempts: twice as long each time, up to an hour, at least half of it.

    The rest is left to `chance`, in [0, 1).

    Where the destination said when, not before that, and not more than a day later.

    >>> from random import Random
    >>> [wait_ms(n, None, Random(1).random) for n in (1, 2, 12, 60)]
    [567, 1134, 1161589, 2041856]
    >>> wait_ms(1, 30, Random(1).random)
    30567
    """
    longest = min(LONGEST_MS, FIRST_MS * 2 ** min(attempts - 1, 20))
    asked = min(max(0, round((asked_seconds or 0) * 1000)), _LONGEST_ASKED_MS)
    return asked + round(longest / 2 + chance() * longest / 2)


class Breaker:
    """Leaves a destination alone after failures in a row; then one message tries, whether it is well."""

    def __init__(self) -> None:
        self.failing = 0
        self.open_until_ms = 0

    def allows(self, now_ms: int) -> int:
        """How many attempts may be made at once: none, one on trial, or any number (-1)."""
        if now_ms < self.open_until_ms:
            return 0
        return 1 if self.failing >= _TRIPPED_BY else -1

    def succeeded(self) -> None:
        """It is well."""
        self.failing = 0
        self.open_until_ms = 0

    def failed(self, now_ms: int, asked_seconds: float | None, chance: Callable[[], float]) -> None:
        """It is not; `asked_seconds` is for how long it wants to be left alone, if it said so."""
        self.failing += 1
        pause = 0
        if self.failing >= _TRIPPED_BY:
            pause = min(_LONGEST_OPEN_MS, FIRST_MS * 2 ** min(self.failing - _TRIPPED_BY, 20))
            pause = round(pause / 2 + chance() * pause / 2)
        asked = min(max(0, round((asked_seconds or 0) * 1000)), _LONGEST_ASKED_MS)
        self.open_until_ms = max(self.open_until_ms, now_ms + max(pause, asked))


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
