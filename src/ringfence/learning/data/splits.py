"""Time-ordered parts of a history: nothing is shuffled, nothing is learned from what was not known yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.errors import InputError
from ringfence.features.durations import in_words
from ringfence.scoring.artifacts.manifest import Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.learning.data.dataset import Dataset

MIN_FRAUDS: Final = 10
MIN_PAYMENTS: Final = 200
FOLDS: Final = 3
_TEST_SHARE: Final = 0.2


@dataclass(frozen=True)
class Part:
    """Payments (`rows` of a data set) in [start_ms, end_ms), and which were known as fraud at a cut-off.

    A part to learn from may hold later payments, too, up to its cut-off, that a label has settled by then.
    """

    rows: NDArray[np.int64]
    fraud: NDArray[np.bool_]
    start_ms: int
    end_ms: int
    cut_off_ms: int

    @property
    def span(self) -> Span:
        """For the manifest."""
        return Span(self.start_ms, self.end_ms, len(self.rows), int(self.fraud.sum()))


@dataclass(frozen=True)
class Fold:
    """One step of a prequential validation: learn from `train`, be judged on the later `judge`."""

    train: Part
    judge: Part


def part(
    data: Dataset,
    start_ms: int,
    end_ms: int,
    cut_off_ms: int,
    *,
    without_known_victims: bool = False,
    labelled: bool = True,
) -> Part:
    """The payments of a period with the labels known at a cut-off.

    Where labels tell good payments, too, those without one are left out unless `labelled` is false.
    """
    inside = (data.time_ms >= start_ms) & (data.time_ms < end_ms)
    if labelled and data.tells_good:
        inside &= data.told_at(cut_off_ms)
    if without_known_victims:
        inside &= ~data.of_known_victim
    rows = np.flatnonzero(inside)
    return Part(rows, data.fraud_at(cut_off_ms)[rows], start_ms, end_ms, cut_off_ms)


def period_of_test(
    data: Dataset, test_from_ms: int | None, maturity_ms: int, end_ms: int | None
) -> tuple[int, int, int]:
    """When the test period begins and ends, and when the last label became known.

    It ends where labels have had `maturity_ms` to come, and earlier where `end_ms` says so; unless said
    otherwise it is the last fifth of the payments by then.
    """
    last_ms = int(data.time_ms.max()) + 1
    known = data.fraud_known_ms[data.fraud_known_ms < np.iinfo(np.int64).max]
    known_until_ms = int(known.max(initial=last_ms - 1))
    end_ms = min(last_ms, end_ms or last_ms, max(known_until_ms - maturity_ms + 1, 1))
    if test_from_ms is None:
        test_from_ms = _default_cut(data, end_ms)
    return test_from_ms, end_ms, known_until_ms


def train_and_test(
    data: Dataset,
    test_from_ms: int | None,
    maturity_ms: int,
    end_ms: int | None = None,
    *,
    without_known_victims: bool = False,
    supervised: bool = True,
) -> tuple[Part, Part]:
    """What may be learned from at the moment the test period begins, and the test period.

    A payment is learned from only if its label, had there been one, would have come by then: of the last
    `maturity_ms` before the test period only those are taken that are settled already, by a desk that closes
    cases or where labels name good payments as a rule. The test period's labels are those known at the end.
    What is not `supervised` learns from payments of any label.

        |----- train -----|-- maturity --|---- test ----|-- maturity --| last label
    """
    test_from_ms, end_ms, known_until_ms = period_of_test(data, test_from_ms, maturity_ms, end_ms)
    start_ms = int(data.time_ms.min())
    more = {"without_known_victims": without_known_victims}
    train = part(data, start_ms, test_from_ms - maturity_ms, test_from_ms, labelled=supervised, **more)
    if supervised:
        late = part(data, train.end_ms, test_from_ms, test_from_ms, **more)
        train = _joined(data, train, late.rows)
    test = part(data, test_from_ms, end_ms, known_until_ms, **more)
    return train, test


def prequential(data: Dataset, train: Part, maturity_ms: int, count: int = FOLDS) -> list[Fold]:
    """Folds inside a training part: each learns from the past of its window, as known at its beginning.

    Windows are the last fifths of the payments, fewer where the first of them would have too little to learn
    from.
    """
    times = np.sort(data.time_ms[train.rows])
    times = times[times < train.end_ms]
    borders = [int(times[len(times) * (5 - number) // 5]) for number in range(count, 0, -1)]
    borders.append(train.end_ms)
    folds = []
    for begin, end in pairwise(borders):
        learned = _inside(data, train, train.start_ms, begin - maturity_ms, begin)
        learned = _joined(data, learned, _inside(data, train, learned.end_ms, begin, begin).rows)
        judged = _inside(data, train, begin, end, train.cut_off_ms)
        both = (learned.fraud, judged.fraud)
        if min(int(np.bincount(one, minlength=2).min()) for one in both) >= MIN_FRAUDS:
            folds.append(Fold(learned, judged))
    return folds


def check_learnable(train: Part, data: Dataset, *, supervised: bool = True) -> None:
    """`InputError` where a training part cannot teach anything."""
    frauds, rows = int(train.fraud.sum()), len(train.rows)
    if rows < MIN_PAYMENTS:
        raise InputError(
            f"only {rows:,} payments to learn from, at least {MIN_PAYMENTS} are needed (those whose label "
            "may still have come later are left out): give more history"
            f"{_late(train, data)}"
        )
    if not supervised:
        return
    if frauds == rows:
        raise InputError(
            f"all {rows:,} payments to learn from are labelled fraud: a model needs good ones, too. Check "
            "the mapping's label column"
        )
    if frauds < MIN_FRAUDS:
        raise InputError(
            f"{frauds} frauds are known among {rows:,} payments to learn from, at least {MIN_FRAUDS} are "
            "needed: give labels (a mapping's label column, a file for --labels, or label events), a longer "
            f"history, or train with --algorithm isolation_forest, which needs none{_late(train, data)}"
        )


def _late(train: Part, data: Dataset) -> str:
    """What to say where there are labels, but of other payments, or too late for this training."""
    reported = data.fraud_known_ms < np.iinfo(np.int64).max
    late = int(
        (reported & (data.fraud_known_ms > train.cut_off_ms) & (data.time_ms < train.cut_off_ms)).sum()
    )
    if not late and data.unmatched:
        return (
            f". {data.unmatched:,} labels name transactions that are not in this history: check that both "
            "are mapped to the same ids, prefix included"
        )
    if not late:
        return ""
    return (
        f". {late:,} earlier payments are labelled fraud, but only after the test period begins, as labels "
        f"come {in_words(data.maturity_ms)} after their payment: if known sooner, say "
        "--label-delay (0s: at once)"
    )


def _inside(data: Dataset, whole: Part, start_ms: int, end_ms: int, cut_off_ms: int) -> Part:
    times = data.time_ms[whole.rows]
    rows = whole.rows[(times >= start_ms) & (times < end_ms)]
    if data.tells_good:
        rows = rows[data.told_at(cut_off_ms)[rows]]
    return Part(rows, data.fraud_at(cut_off_ms)[rows], start_ms, end_ms, cut_off_ms)


def _joined(data: Dataset, learned: Part, later: NDArray[np.int64]) -> Part:
    """With those of the payments after it that are settled by its cut-off (`Dataset.settled_at`).

    What only came to be reported is none: frauds that are known soon, without the good payments beside them,
    would teach that what is recent is fraud; and what is cleared soon that it is good.
    """
    settled = later[data.settled_at(learned.cut_off_ms)[later]]
    if not len(settled):
        return learned
    rows = np.concatenate([learned.rows, settled])
    return replace(learned, rows=rows, fraud=data.fraud_at(learned.cut_off_ms)[rows])


def _default_cut(data: Dataset, end_ms: int) -> int:
    """Where the last fifth of the payments begins, at the beginning of a day if the history has many."""
    times = np.sort(data.time_ms[data.time_ms < end_ms])
    if not len(times):
        raise InputError(
            "no payment is old enough to have its label: give more history, or say "
            "with --label-delay when labels are known"
        )
    at = int(times[int(len(times) * (1 - _TEST_SHARE))])
    day_ms = 86_400_000
    return at // day_ms * day_ms if at - int(times[0]) > 10 * day_ms else at
