"""Windows of one key in plain Python: what a stateful step of csp or Bytewax holds per key."""

from __future__ import annotations

from math import nan, sqrt

from benchmarks.contestants import WINDOWS_MS

WIDTHS_MS = tuple(WINDOWS_MS.values())
COMPACT_AT = 1024


class KeyWindows:
    """Times and amounts of one key, with a tail and exact running sums per window."""

    __slots__ = ("amounts", "squares", "sums", "tails", "times")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.amounts: list[int] = []
        self.tails = [0] * len(WIDTHS_MS)
        self.sums = [0] * len(WIDTHS_MS)
        self.squares = [0] * len(WIDTHS_MS)

    def add(self, time_ms: int, amount: int) -> list[float]:
        """Take the key's next event; count, sum, mean, std of each window."""
        times, amounts = self.times, self.amounts
        times.append(time_ms)
        amounts.append(amount)
        answers: list[float] = []
        for window, width_ms in enumerate(WIDTHS_MS):
            tail, total, squares = (
                self.tails[window],
                self.sums[window] + amount,
                self.squares[window] + amount * amount,
            )
            while times[tail] <= time_ms - width_ms:
                gone = amounts[tail]
                total -= gone
                squares -= gone * gone
                tail += 1
            self.tails[window], self.sums[window], self.squares[window] = tail, total, squares
            count = len(times) - tail
            std = sqrt((count * squares - total * total) / (count * (count - 1))) if count > 1 else nan
            answers += (count, total, total / count, std)
        if self.tails[-1] >= COMPACT_AT and 2 * self.tails[-1] >= len(times):
            self._compact()
        return answers

    def _compact(self) -> None:
        gone = self.tails[-1]
        del self.times[:gone], self.amounts[:gone]
        self.tails = [tail - gone for tail in self.tails]
