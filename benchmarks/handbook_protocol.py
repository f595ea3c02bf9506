"""The Fraud Detection Handbook's protocols A and B, and an open one, with features of this engine only.

    RINGFENCE_DATA=FOLDER python -m benchmarks.handbook_protocol      # the folder holds handbook_raw.parquet

Protocol: learn from one week, wait one, test on the next; labels are known seven days after the payment;
customers known to be compromised are taken out of the test. B repeats that in four weeks, with parameters
chosen on four earlier ones; A is the first of B's. The open protocol learns from all that was known before
the test, and tests on the same weeks.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from statistics import mean, stdev

import numpy as np
import pyarrow.parquet as pq

from benchmarks.report import machine, show, versions
from ringfence.events.batch import EventBatch
from ringfence.learning.algorithms import boosting
from ringfence.learning.algorithms.baselines import fit_isolation, fit_linear
from ringfence.learning.algorithms.parameter_search import search
from ringfence.learning.choosing.kept_inputs import lifting
from ringfence.learning.choosing.wide_features import NO_KEYS, offered, wide_spec
from ringfence.learning.data.dataset import Dataset, dataset
from ringfence.learning.data.history import Passed, collect
from ringfence.learning.data.splits import Fold, Part
from ringfence.learning.measures.metrics import DAY_MS, Ranking, auc, average_precision, card_precision
from ringfence.scoring.logistic import logistic
from ringfence.testing.handbook import DELAY_MS, HandbookPayments, log_of_payments, read_payments

VALIDATION = ("2018-06-20", "2018-06-27", "2018-07-04", "2018-07-11")
TEST = ("2018-07-25", "2018-08-01", "2018-08-08", "2018-08-15")
WEEK = 7
SPEC = wide_spec({"customer_id", "terminal_id", "amount_minor"}, DELAY_MS)
BATCH = 16_384
_RARE = 0.003  # chance of a fraud of which nothing can be known
PUBLISHED = [
    ("published: logistic regression (A)", ".871", ".606", ".291"),
    ("published: random forest (A)", ".867", ".658", ".287"),
    ("published: XGBoost (B)", ".869", ".687", ".303"),
    ("published: balanced bagging (B)", ".879", ".680", ".305"),
    ("published: neural network (B)", ".876", ".675", ".303"),
]


def main() -> int:
    options = _options()
    path = f"{options.folder}/handbook_raw.parquet"
    payments = read_payments(path)
    scenario = pq.read_table(path, columns=["TRANSACTION_ID", "TX_FRAUD_SCENARIO"]).sort_by("TRANSACTION_ID")
    begin = time.perf_counter()
    data = measured(payments)
    print(
        f"{len(data):,} payments, {len(data.names)} inputs, measured in {time.perf_counter() - begin:.0f} s"
    )
    print(f"{machine()}; {versions('lightgbm', 'optuna', 'scikit-learn')}")
    truth = Truth(data, payments, scenario["TX_FRAUD_SCENARIO"].to_numpy())
    folds = [truth.fold(start) for start in VALIDATION]
    kept = lifting(data, folds[-1], data.names, offered(SPEC, NO_KEYS), options.search_seconds)
    print("\n".join(kept.notes))
    truth.data = data = narrowed(data, kept.names)
    found = search(data, folds, data.names, options.search_seconds, _hear)
    print(f"chosen on the validation folds ({found.trials} tried, AP + AUC {found.worth:.3f}):")
    print(f"  {found.parameters}", flush=True)
    folds, act = [truth.fold(start) for start in TEST], boosted(found.parameters)
    scores = [act(data, fold) for fold in folds]
    table("Handbook protocols, means over folds", tested(truth, folds, scores), PUBLISHED)
    scenarios(truth, folds, scores)
    if not options.without_open:
        opened = [truth.fold(start, whole_past=True) for start in TEST]
        rows = [truth.figures(one, act(data, one)) for one in opened]
        table("The same test weeks, learned from the whole past", {"open: LightGBM": rows})
    return 0


def tested(truth: Truth, folds: list[Fold], scores: list[np.ndarray]) -> dict:
    """Rows of protocols A and B by contestant."""
    data = truth.data
    ours = [truth.figures(fold, score) for fold, score in zip(folds, scores, strict=True)]
    return {
        "A: LightGBM": ours[:1],
        "B: LightGBM": ours,
        "B: logistic regression": [truth.figures(fold, linear(data, fold)) for fold in folds],
        "B: isolation forest, no labels": [truth.figures(fold, isolation(data, fold)) for fold in folds],
        "B: every fraud that can be known": [truth.figures(fold, truth.knowing(fold)) for fold in folds],
        "B: cards by the chance of any fraud": [
            truth.figures(fold, truth.of_card(fold, logistic(score)))
            for fold, score in zip(folds, scores, strict=True)
        ],
        "B: all that can be known, then the busiest cards": [
            truth.figures(fold, truth.of_card(fold, np.maximum(truth.knowing(fold), _RARE))) for fold in folds
        ],
        "B: a perfect ranking": [truth.figures(fold, fold.judge.fraud.astype(float)) for fold in folds],
    }


def boosted(parameters: dict):
    """Scores a fold by boosted trees."""
    own = {name: parameters[name] for name in boosting.DEFAULTS}

    def act(data: Dataset, fold: Fold) -> np.ndarray:
        learned = boosting.sample(data, fold.train, data.names, most_good=400_000)
        boosters = boosting.fit(learned, own, boosting.members_for(int(fold.train.fraud.sum())))
        return boosting.log_odds(boosters, data.matrix(fold.judge.rows, data.names))

    return act


def linear(data: Dataset, fold: Fold) -> np.ndarray:
    fitted = fit_linear(boosting.sample(data, fold.train, data.names))
    return fitted.log_odds(data.matrix(fold.judge.rows, data.names))


def isolation(data: Dataset, fold: Fold) -> np.ndarray:
    grown = fit_isolation(data.matrix(fold.train.rows, data.names))
    return grown.novelty(data.matrix(fold.judge.rows, data.names))


def told_before(payments: HandbookPayments, scenario: np.ndarray) -> np.ndarray:
    """Payments that could be known to be fraud if they are: all but those at a terminal in its first week.

    Nothing about such a payment is unusual. Only a report of an earlier one gives it away, which takes seven
    days, and a terminal is compromised for 28.
    """
    there = np.flatnonzero(scenario == 2)
    since_ms = payments.time_ms - payments.time_ms[0]
    line = (payments.terminal * (since_ms.max() + 40 * DAY_MS) + since_ms)[there]
    reported = np.sort(line)
    known = scenario != 2
    until = np.searchsorted(reported, line - DELAY_MS, "right")
    known[there] = until > np.searchsorted(reported, line - 28 * DAY_MS, "right")
    return known


class Truth:
    """The handbook's folds over a data set, and its figures."""

    def __init__(self, data: Dataset, payments: HandbookPayments, scenario: np.ndarray) -> None:
        self.data, self.customer, self.fraud = data, payments.customer, payments.fraud
        self.scenario = scenario
        self.day = data.time_ms // DAY_MS
        self.knowable = told_before(payments, scenario)

    def fold(self, start: str, *, whole_past: bool = False) -> Fold:
        """The week that begins at `start` (or all before its end) and the week after next."""
        first = int(np.datetime64(start).astype(int))
        begin = int(self.day[0]) if whole_past else first
        end = first + WEEK
        rows = np.flatnonzero((self.day >= begin) & (self.day < end))
        tested = first + 2 * WEEK
        train = Part(rows, self.fraud[rows], begin * DAY_MS, end * DAY_MS, tested * DAY_MS)
        kept = self._not_known(first)
        return Fold(train, Part(kept, self.fraud[kept], tested * DAY_MS, (tested + WEEK) * DAY_MS, 0))

    def _not_known(self, first: int) -> np.ndarray:
        """Test payments of customers without a fraud that was known when their day began."""
        known: set[int] = set(self.customer[self.fraud & (self.day >= first) & (self.day < first + WEEK)])
        kept = []
        for day in range(first + 2 * WEEK, first + 3 * WEEK):
            late = self.fraud & (self.day >= first + WEEK) & (self.day <= day - WEEK - 1)
            known |= set(self.customer[late])
            rows = np.flatnonzero(self.day == day)
            kept.append(rows[~np.isin(self.customer[rows], list(known))])
        return np.concatenate(kept)

    def knowing(self, fold: Fold) -> np.ndarray:
        """Scores of somebody who finds every fraud of which anything can be known."""
        rows = fold.judge.rows
        return (self.fraud[rows] & self.knowable[rows]).astype(float)

    def of_card(self, fold: Fold, chance: np.ndarray) -> np.ndarray:
        """Per payment how likely any payment of its card that day is fraud, as a log-odds-like score.

        A departure from the protocol, which takes a card's highest payment: where single payments tell
        nothing, more of them are more likely to hold a fraud.
        """
        rows = fold.judge.rows
        _, place = np.unique(np.stack([self.day[rows], self.customer[rows]]), axis=1, return_inverse=True)
        return np.bincount(place, -np.log1p(-np.minimum(chance, 1 - 1e-9)))[place]

    def figures(self, fold: Fold, score: np.ndarray) -> tuple[float, float, float]:
        """AUC, average precision and card precision@100 of scores."""
        ranking = self.ranking(fold, score)
        one = ranking.ones
        return auc(ranking, one), average_precision(ranking, one), float(card_precision(ranking).mean())

    def ranking(self, fold: Fold, score: np.ndarray) -> Ranking:
        rows = fold.judge.rows
        time_ms, amount = self.data.time_ms[rows], self.data.amount[rows]
        return Ranking.of(score, fold.judge.fraud, amount, self.customer[rows] + 1, time_ms)  # 0 is nobody


def measured(payments) -> Dataset:
    """All payments with a wide set of features by the engine, labels in the log after seven days."""
    log = log_of_payments(payments)
    pieces = (log.slice(at, min(at + BATCH, len(log))) for at in range(0, len(log), BATCH))
    history = (Passed(EventBatch(piece.table)) for piece in pieces)
    return dataset(collect(history, SPEC))


def narrowed(data: Dataset, names: tuple[str, ...]) -> Dataset:
    """The same payments with these inputs, and the amount, which money is counted by."""
    chosen = tuple(dict.fromkeys((*names, "amount")))
    return replace(data, names=chosen, inputs=data.inputs[[data.names.index(name) for name in chosen]])


def table(title: str, results: dict, published=()) -> None:
    rows = []
    for name, found in results.items():
        cells = []
        for column in range(3):
            values = [one[column] for one in found]
            spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{mean(values):.4f}{spread}")
        rows.append((name, *cells, " ".join(f"{one[1]:.3f}" for one in found)))
    rows += [(*row, "") for row in published]
    show(title, ("", "AUC", "AP", "CP@100", "AP by fold"), rows)


def scenarios(truth: Truth, folds: list[Fold], scores: list[np.ndarray]) -> None:
    """What limits the figures: recall by scenario, and how much of it could be known at all."""
    found = {1: [], 2: [], 3: []}
    for fold, score in zip(folds, scores, strict=True):
        rows = fold.judge.rows
        border = np.sort(score)[-WEEK * 100]
        for number, cells in found.items():
            own = truth.fraud[rows] & (truth.scenario[rows] == number)
            cells.append(
                (
                    own.sum(),
                    truth.knowable[rows][own].mean(),
                    average_precision(*_against_good(fold, score, own)),
                    (score[own] >= border).mean(),
                )
            )
    said = {1: "amount above 220", 2: "terminal compromised", 3: "card compromised"}
    rows = [
        (f"{number}: {said[number]}", *(f"{mean(one[at] for one in cells):.3f}" for at in range(4)))
        for number, cells in found.items()
    ]
    columns = ("scenario", "frauds a week", "can be known", "AP against good", "found in 100 payments a day")
    show("B by scenario, means over folds", columns, rows)


def _against_good(fold: Fold, score: np.ndarray, own: np.ndarray) -> tuple:
    keep = own | ~fold.judge.fraud
    nobody = np.zeros(int(keep.sum()), np.int64)
    ranking = Ranking.of(score[keep], own[keep], nobody.astype(float), nobody, nobody)
    return ranking, ranking.ones


def _hear(share: float, said: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{share:.0%} {said}", end="", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=os.environ.get("RINGFENCE_DATA"))
    parser.add_argument("--search-seconds", type=float, default=300)
    parser.add_argument("--without-open", action="store_true", help="leave out the open protocol")
    options = parser.parse_args()
    if options.folder is None:
        parser.error("set RINGFENCE_DATA to the folder that holds handbook_raw.parquet")
    return options


if __name__ == "__main__":
    sys.exit(main())
