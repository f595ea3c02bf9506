"""How late it is in a stream: the time that lateness and forgetting go by.

It follows the transactions' event times, and no sender with a wrong clock. A time more than `MOST_AHEAD_MS`
after its receipt counts as that. One more than `STRIDE_MS` ahead of the stream is held back until the next
transaction is as far ahead too: after a quiet week the second payment moves the clock, and one row that is
dated a year ahead moves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch

STRIDE_MS: Final = 86_400_000
MOST_AHEAD_MS: Final = 300_000
_NONE: Final = int(np.iinfo(np.int64).min) // 2


class StreamClock:
    """The clock of one stream: a deterministic function of its transactions, in order."""

    def __init__(self, stride_ms: int = STRIDE_MS) -> None:
        """A time further ahead than `stride_ms` is held back until the next transaction is, too."""
        self._stride = stride_ms
        self._now = _NONE
        self._held = _NONE  # the time of the last transaction, where that has not moved the clock
        self._alone = False  # one transaction so far: the next may show that its time was the wrong one

    @property
    def now_ms(self) -> int | None:
        """The time; None before the first transaction."""
        return None if self._now == _NONE else self._now

    def advance(self, transactions: EventBatch) -> NDArray[np.int64]:
        """The clock after each of these transactions, which it now has seen, int64 (n,).

        >>> from ringfence.events.batch import EventBatch
        >>> import pyarrow as pa
        >>> days = [10, 10, 375, 11, 12, 30, 31]
        >>> times = [day * STRIDE_MS for day in days]
        >>> columns = {"kind": pa.array([0] * 7, pa.uint8()), "event_time_ms": times}
        >>> clock = StreamClock()
        >>> (clock.advance(EventBatch(pa.RecordBatch.from_pydict(columns))) // STRIDE_MS).tolist()
        [10, 10, 10, 11, 12, 12, 31]
        """
        return self.advance_by(believed_times(transactions))

    def advance_by(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """As `advance`, of transactions with these `believed_times`."""
        if not len(times):
            return times
        if self._now != _NONE and not self._alone and self._held == _NONE:
            clock = np.maximum.accumulate(np.append(self._now, times))
            if (times - clock[:-1] <= self._stride).all():
                self._now = int(clock[-1])
                return clock[1:]
        return np.array([self._after(time) for time in times.tolist()], np.int64)

    def _after(self, time: int) -> int:
        """The clock after one more transaction."""
        if self._now == _NONE or (self._alone and time < self._now - self._stride):
            self._alone = self._now == _NONE
            self._now = time
            return time
        self._alone = False
        before, self._held = self._held, _NONE
        if before != _NONE and time > self._now + self._stride:
            self._now = min(before, time)
        if time > self._now + self._stride:
            self._held = time
        else:
            self._now = max(self._now, time)
        return self._now

    def copy(self) -> StreamClock:
        """Another that has seen the same."""
        return StreamClock.from_array(self.to_array(), self._stride)

    def to_array(self) -> NDArray[np.int64]:
        """All that it knows, for a snapshot."""
        return np.array([self._now, self._held, self._alone], np.int64)

    @classmethod
    def from_array(cls, array: NDArray[np.int64], stride_ms: int = STRIDE_MS) -> StreamClock:
        """The clock whose `to_array` this was."""
        clock = cls(stride_ms)
        clock._now, clock._held, clock._alone = int(array[0]), int(array[1]), bool(array[2])
        return clock

    @classmethod
    def at(cls, now_ms: int, stride_ms: int = STRIDE_MS) -> StreamClock:
        """One that shows this time."""
        return cls.from_array(np.array([now_ms, _NONE, 0], np.int64), stride_ms)


def believed_times(transactions: EventBatch) -> NDArray[np.int64]:
    """Event times, none of them later than its receipt allows, int64 (n,)."""
    times = transactions.event_time_ms
    received = transactions.column("ingest_time_ms")
    if received.null_count == len(received):
        return times
    limit = received.fill_null(0).to_numpy(zero_copy_only=False) + MOST_AHEAD_MS
    ahead = (times > limit) & (limit > MOST_AHEAD_MS)
    return np.where(ahead, limit, times) if ahead.any() else times
