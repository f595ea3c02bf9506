"""Which numbers of a payment are ages: days since something of the payer's own began.

An account that is 40 days old today is 43 days old in three days. Its age tells little of who pays; the day
on which it began is the same for all of its payments, and beside a card or a region it is nearly a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.features.durations import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

MOST_AGES: Final = 3
_LEAST_SAME: Final = 0.02  # of payments that follow another of the same payer on a later day
_RATHER_THAN: Final = 2.0  # times as often the start is the same as the number itself
_THAN_CHANCE: Final = 4.0  # and as a day counted ahead, which is the same by chance only
_LEAST_PAIRS: Final = 200
_ALIKE: Final = 0.9  # of payments that have both: one of them says it all


def ages(
    payers: NDArray[np.int64], time_ms: NDArray[np.int64], numbers: Iterable[tuple[str, NDArray[np.float64]]]
) -> list[str]:
    """Names of the numbers that are ages in days, the most telling first, at most `MOST_AGES`.

    Of two that begin on the same day as a rule, the one that more payments have is named. Payments are in
    order of time; a payer of 0 is unknown, a number of NaN is missing.

    >>> day = np.repeat(np.arange(300), 2)
    >>> numbers = {"age": day + 7.0, "counter": np.ones(600), "noise": (day * 7919.0) % 1000}
    >>> ages(np.tile([1, 2], 300), day * DAY_MS, numbers.items())
    ['age']
    """
    order = np.argsort(payers, kind="stable")
    order = order[payers[order] != 0]
    first, second = order[:-1], order[1:]
    day = time_ms // DAY_MS
    follows = (payers[first] == payers[second]) & (day[second] > day[first])
    first, second = first[follows], second[follows]
    found: dict[str, float] = {}
    days: dict[str, NDArray[np.float64]] = {}
    for name, number in numbers:
        known = (number[first] >= 0) & (number[second] >= 1)  # false for NaN; 0 is no age yet
        if np.count_nonzero(known) < _LEAST_PAIRS:
            continue
        one, other = first[known], second[known]
        began, ahead = np.floor(time_ms / DAY_MS - number), np.floor(time_ms / DAY_MS + number)
        same, unchanged, chance = (float((of[one] == of[other]).mean()) for of in (began, number, ahead))
        if same >= max(_LEAST_SAME, _RATHER_THAN * unchanged, _THAN_CHANCE * chance):
            found[name], days[name] = same * float(known.mean()), began
    told: list[str] = []
    for name in sorted(found, key=lambda name: -found[name]):
        if not any(_alike(days[name], days[other]) for other in told):
            told.append(name)
    return told[:MOST_AGES]


def _alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    known = ~(np.isnan(one) | np.isnan(other))
    return bool(known.any()) and float((one[known] == other[known]).mean()) >= _ALIKE
