"""One rule tried on the past beside the book in force: matches by day, what it adds, its numbers moved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from ringfence.analysis.judged import Fired, Judge, Judged
from ringfence.analysis.payments import Collector
from ringfence.analysis.statistics import Estimate, wilson
from ringfence.analysis.tunable_numbers import Tunable, rule_with, tunables
from ringfence.analysis.tune import DAY_MS, USUAL_COSTS, TuningCosts
from ringfence.scoring.rulesets.outcomes import Mode, Outcome
from ringfence.scoring.rulesets.rules import CompiledRules, compile_rules
from ringfence.scoring.rulesets.ruleset import Rule, RuleSet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ringfence.analysis.history import Past, StoredColumns
    from ringfence.analysis.payments import StoredPayments
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.artifacts.manifest import Bands

MOST_SETTINGS: Final = 4  # numbers of a rule that can be moved
STEPS: Final = 13  # values of each
_EXAMPLES: Final = 8
_KEPT: Final = 4000  # newly stopped payments whose ids are kept, the newest


class MatchedDay(msgspec.Struct, frozen=True):
    """Payments of one day (UTC) on which the rule fires, by what labels say."""

    day: str
    fraud: int
    genuine: int
    unlabelled: int


class MovedPoint(msgspec.Struct, frozen=True):
    """The rule with another number. As in a backtest, a payment without a label counts as genuine."""

    value: float
    fired: int
    fraud: int
    precision: Estimate
    recall: Estimate


class Setting(msgspec.Struct, frozen=True):
    """One number of the rule. `start` and `end` are its place in the condition, -1 for a parameter."""

    name: str
    current: float
    start: int
    end: int
    points: list[MovedPoint]


class Example(msgspec.Struct, frozen=True):
    """A genuine customer's payment that only this rule stops."""

    transaction_id: str
    amount: float
    currency: str
    labelled: bool


class Net(msgspec.Struct, frozen=True):
    """Money of one currency: fraud that only this rule stops, and what its other stops cost.

    Costs are stated in the commonest currency of the payments; elsewhere `cost` and `net` are None.
    """

    currency: str
    fraud: float
    cost: float | None

    @property
    def net(self) -> float | None:
        return None if self.cost is None else self.fraud - self.cost


class LabReport(msgspec.Struct, frozen=True, kw_only=True):
    """A rule over `payments` of `days`. `stopped` are those that nothing else stops.

    `customers` have such a payment and no known fraud. `when` is the condition that was tried.
    """

    rule: str
    when: str
    payments: int
    days: float
    fired: int
    fraud: int
    by_day: list[MatchedDay]
    precision: Estimate
    recall: Estimate
    stopped: int
    stopped_per_day: float
    money: list[Net]
    customers: int
    examples: list[Example]
    settings: list[Setting]


@dataclass(frozen=True, slots=True)
class Lab:
    """The book without the rule, with it active for everybody, and with each number moved, compiled."""

    rule: Rule
    without: CompiledRules
    with_it: CompiledRules
    moved: CompiledRules | None
    numbers: list[Tunable]
    values: list[list[float]]


def lab_of(book: RuleSet, rule: Rule, spec: FeatureSpec) -> Lab:
    """Compile what trying a rule takes; `RuleError` where it does not compile."""
    active = msgspec.structs.replace(rule, mode=Mode.ACTIVE, rollout=None)
    others = tuple(one for one in book.rules if one.id != rule.id)
    numbers = tunables(active)[:MOST_SETTINGS]
    values = [_span(one.value) for one in numbers]
    trials = [
        msgspec.structs.replace(rule_with(active, one, value), id=f"value{at}_{step}", mode=Mode.SHADOW)
        for at, (one, steps) in enumerate(zip(numbers, values, strict=True))
        for step, value in enumerate(steps)
    ]
    resting = tuple(msgspec.structs.replace(one, mode=Mode.ARCHIVED) for one in book.typologies)
    moved = RuleSet(rules=tuple(trials), typologies=resting, zone=book.zone)
    return Lab(
        active,
        compile_rules(msgspec.structs.replace(book, rules=others), spec),
        compile_rules(msgspec.structs.replace(book, rules=(*others, active)), spec),
        compile_rules(moved, spec) if trials else None,
        numbers,
        values,
    )


def _span(value: float) -> list[float]:
    """A quarter to three times the value, itself among them; whole where it is whole."""
    low, high = sorted((value / 4, 3 * value if value else 1.0))
    found = np.linspace(low, high, STEPS - 1)
    if value.is_integer() and high - low >= 2:
        found = np.rint(found)
    return sorted({round(float(one), 9) for one in found} | {value})


def try_rule(
    past: Past,
    lab: Lab,
    *,
    costs: TuningCosts = USUAL_COSTS,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    bands_of: Callable[[str], Bands | None] = lambda _digest: None,
) -> LabReport:
    """Judge the past once."""
    collector = Collector({})
    judges = [Judge(one, bands_of) for one in (lab.without, lab.with_it, lab.moved) if one is not None]
    parts: list[list[tuple[int, Judged]]] = [[] for _ in judges]
    ids: list[tuple[int, str]] = []
    for columns in past.payments(lab.without.ruleset.zone, progress):
        found = [judge.judge(columns) for judge in judges]
        for kept, judged in zip(parts, found, strict=True):
            kept.append((collector.count, judged))
        ids = (ids + _newly(columns, collector.count, found[0].outcome, found[1].outcome))[-_KEPT:]
        collector.take(columns)
    payments = collector.payments(past.labels)
    before, after = (_outcomes(kept) for kept in parts[:2])
    number = [one.id for one in lab.with_it.active].index(lab.rule.id)
    rows = Fired.joined(parts[1]).rows_of(number)
    extra = np.flatnonzero((before == 0) & (after > 0))
    times = payments.times
    days = max((int(times.max()) - int(times.min())) / DAY_MS, 1.0) if len(times) else 1.0
    frauds = int(np.count_nonzero(payments.fraud))
    caught = int(np.count_nonzero(payments.fraud[rows]))
    return LabReport(
        rule=lab.rule.id,
        when=lab.rule.when,
        payments=len(payments),
        days=days,
        fired=len(rows),
        fraud=caught,
        by_day=_by_day(payments, rows),
        precision=wilson(caught, len(rows)),
        recall=wilson(caught, frauds),
        stopped=len(extra),
        stopped_per_day=len(extra) / days,
        money=_money(payments, extra, after, costs),
        customers=len(np.setdiff1d(payments.who[extra], [*payments.who[payments.fraud], 0])),
        examples=_examples(payments, ids),
        settings=_settings(lab, parts[2], payments, frauds) if lab.moved is not None else [],
    )


def _outcomes(parts: Sequence[tuple[int, Judged]]) -> NDArray[np.int8]:
    return np.concatenate([np.empty(0, np.int8), *(one.outcome for _, one in parts)])


def _newly(
    columns: StoredColumns, base: int, before: NDArray[np.int8], after: NDArray[np.int8]
) -> list[tuple[int, str]]:
    """Number and id of the payments that only the rule stops."""
    ids = columns.transactions.column("transaction_id")
    return [(base + int(row), ids[int(row)].as_py()) for row in np.flatnonzero((before == 0) & (after > 0))]


def _by_day(payments: StoredPayments, rows: NDArray[np.int64]) -> list[MatchedDay]:
    """Every day from the first payment to the last, those without a match, too."""
    if not len(payments):
        return []
    first, last = int(payments.times.min()) // DAY_MS, int(payments.times.max()) // DAY_MS
    at = payments.times[rows] // DAY_MS - first
    fraud, labelled = payments.fraud[rows], payments.labelled[rows]
    kinds = (fraud, labelled & ~fraud, ~labelled)
    counts = [np.bincount(at[kind], minlength=last - first + 1).tolist() for kind in kinds]
    days = (datetime.fromtimestamp((first + day) * DAY_MS / 1000, UTC) for day in range(last - first + 1))
    return [MatchedDay(f"{day:%Y-%m-%d}", *row) for day, *row in zip(days, *counts, strict=True)]


def _money(
    payments: StoredPayments, extra: NDArray[np.int64], after: NDArray[np.int8], costs: TuningCosts
) -> list[Net]:
    found = []
    usual = int(np.bincount(payments.currency[payments.currency >= 0], minlength=1).argmax())
    alert = after[extra] >= Outcome.REVIEW.strictness
    for number, currency in enumerate(payments.currencies):
        own = payments.currency[extra] == number
        if own.any():
            fraud = payments.fraud[extra] & own
            cost = costs.alert * np.count_nonzero(alert & own) + costs.good * np.count_nonzero(own & ~fraud)
            stopped = round(float(payments.amount[extra][fraud].sum()), 3)
            found.append(Net(currency, stopped, float(cost) if number == usual else None))
    return found


def _examples(payments: StoredPayments, ids: Sequence[tuple[int, str]]) -> list[Example]:
    """The newest that are no fraud, those known to be genuine first."""
    good = [(row, name) for row, name in reversed(ids) if not payments.fraud[row]]
    good.sort(key=lambda one: not payments.labelled[one[0]])
    return [
        Example(
            name,
            float(payments.amount[row]),
            payments.currencies[payments.currency[row]],
            bool(payments.labelled[row]),
        )
        for row, name in good[:_EXAMPLES]
    ]


def _settings(
    lab: Lab, parts: Sequence[tuple[int, Judged]], payments: StoredPayments, frauds: int
) -> list[Setting]:
    assert lab.moved is not None
    fired = Fired.joined(list(parts))
    row_of = {one.id: number for number, one in enumerate(lab.moved.shadow)}
    found = []
    for at, (one, values) in enumerate(zip(lab.numbers, lab.values, strict=True)):
        points = []
        for step, value in enumerate(values):
            rows = fired.rows_of(row_of[f"value{at}_{step}"])
            caught = int(np.count_nonzero(payments.fraud[rows]))
            points.append(
                MovedPoint(value, len(rows), caught, wilson(caught, len(rows)), wilson(caught, frauds))
            )
        found.append(Setting(one.name, one.value, one.start, one.end, points))
    return found
