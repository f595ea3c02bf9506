"""How long to wait before the next attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

FIRST_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 60.0


def wait_seconds(failures: int, random: Random) -> float:
    """After so many failures in a row: twice as long each time, up to a minute, at least half of it.

    The rest is left to chance, so that those who failed together do not come back together.

    >>> from random import Random
    >>> [round(wait_seconds(n, Random(1)), 2) for n in (1, 2, 3, 50)]
    [0.28, 0.57, 1.13, 34.03]
    """
    longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(failures - 1, 16))
    return longest / 2 + random.random() * longest / 2
