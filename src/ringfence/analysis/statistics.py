"""Shares with their confidence intervals."""

from __future__ import annotations

import math
from typing import Final

import msgspec

_Z95: Final = 1.959963984540054


class Estimate(msgspec.Struct, frozen=True):
    """A share with its 95 % interval, and of how many it is one; null where there is nothing to divide by."""

    value: float | None
    low: float | None
    high: float | None
    of: int

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "–"
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f}–{100 * self.high:.1f})"


def wilson(hits: float, of: float, trials: int | None = None) -> Estimate:
    """Share of hits with Wilson's score interval, which holds for few and for none.

    `trials` are the independent observations behind weighted sums, `of` itself unless given.

    >>> print(wilson(9, 10))
    90.0 % (59.6–98.2)
    >>> wilson(0, 0).value is None
    True
    """
    n = of if trials is None else trials
    if of <= 0 or n <= 0:
        return Estimate(None, None, None, round(of))
    share = min(max(hits / of, 0.0), 1.0)
    spread = _Z95**2 / n
    middle = (share + spread / 2) / (1 + spread)
    reach = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return Estimate(share, max(middle - reach, 0.0), min(middle + reach, 1.0), round(of))
