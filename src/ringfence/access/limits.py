"""How often each caller may ask: a bucket of tokens that fills at a steady rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ringfence.access.principal import Principal


class Bucket:
    """Holds up to `burst` tokens, filled at `rate` a second; `now` is any clock in seconds.

    >>> bucket = Bucket(rate=10, burst=2, now=0.0)
    >>> bucket.take(2, now=0.0), bucket.take(1, now=0.0), bucket.take(1, now=0.1)
    (0.0, 0.1, 0.0)
    """

    __slots__ = ("burst", "rate", "seen", "tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = burst
        self.seen = now

    def take(self, count: int, now: float) -> float:
        """Take tokens and return 0, or take none and return the seconds until there are enough.

        More than `burst` at once pass when the bucket is full, and are paid for afterwards.
        """
        self.tokens = min(self.burst, self.tokens + (now - self.seen) * self.rate)
        self.seen = now
        needed = min(float(count), self.burst)
        if self.tokens < needed:
            return (needed - self.tokens) / self.rate
        self.tokens -= count
        return 0.0


class Limits:
    """A bucket for each caller that has a limit."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def take(self, caller: Principal, count: int, now: float) -> float:
        """Seconds to wait, 0 when the request may pass."""
        if not caller.rate:
            return 0.0
        bucket = self._buckets.get(caller.name)
        if bucket is None or (bucket.rate, bucket.burst) != (caller.rate, caller.burst):
            bucket = self._buckets[caller.name] = Bucket(caller.rate, caller.burst, now)
        return bucket.take(count, now)
