"""A number of a rule over a range: what the rule finds, and what the whole rule set then costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from ringfence.analysis.judged import Fired, Judge, Judged, Without
from ringfence.analysis.payments import Collector
from ringfence.analysis.statistics import Estimate, wilson
from ringfence.analysis.tunable_numbers import Tunable, choose, rule_with, typology_with
from ringfence.errors import InputError, RuleError
from ringfence.scoring.rulesets.outcomes import Mode, Outcome
from ringfence.scoring.rulesets.rules import CompiledRules, compile_rules
from ringfence.scoring.rulesets.ruleset import RuleSet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ringfence.analysis.history import Past
    from ringfence.analysis.payments import StoredPayments
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.artifacts.manifest import Bands
    from ringfence.scoring.rulesets.ruleset import Rule
    from ringfence.scoring.rulesets.typologies import Typology

DAY_MS: Final = 86_400_000
MOST_STEPS: Final = 60


class TuningCosts(msgspec.Struct, frozen=True):
    """What mistakes cost, in major units: fraud that is missed costs its amount."""

    alert: float = 5.0  # a review or decline that somebody looks at
    good: float = 10.0  # a good payment that is not simply approved


USUAL_COSTS: Final = TuningCosts()


class TunePoint(msgspec.Struct, frozen=True, kw_only=True):
    """The rule with one value, and the rule set with it."""

    value: float
    fired: int
    fraud: int
    precision: Estimate
    recall: Estimate
    alerts_per_day: float  # of the whole set
    good_stopped: int  # likewise
    fraud_missed: float  # amount, likewise
    cost: float


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """A number over its range. `best` is the value of least cost; currencies are added as they are."""

    rule: str
    parameter: str
    current: float
    points: list[TunePoint]
    best: float
    payments: int
    labelled_fraud: int
    days: float


@dataclass(frozen=True, slots=True)
class Variants:
    """A rule set in which one rule acts, and that rule with each value, as shadow rules of another set."""

    base: CompiledRules
    number: int  # row of the rule among the active ones of `base`
    trials: CompiledRules
    tunable: Tunable
    values: list[float]


def variants(
    ruleset: RuleSet,
    spec: FeatureSpec,
    rule_id: str,
    parameter: str | None,
    span: Callable[[Tunable], Sequence[float]],
) -> Variants:
    """Compile what tuning a rule or typology takes; `span` gives the values to try."""
    rule = next((one for one in ruleset.rules if one.id == rule_id), None)
    typology = next((one for one in ruleset.typologies if rule_id in (one.id, one.name)), None)
    if rule is not None:
        tunable = choose(rule, parameter)
        values = _checked(span(tunable))
        base = _acting(ruleset, rule)
        trial_set = _rule_trials(ruleset, rule, tunable, values)
        name = rule.id
    elif typology is not None:
        tunable = choose(typology, parameter)
        values = _possible(typology, tunable, _checked(span(tunable)))
        base = _acting_typology(ruleset, typology)
        trial_set = _typology_trials(ruleset, typology, tunable, values)
        name = typology.name
    else:
        known = ", ".join(one.id for one in ruleset.every_rule)
        raise InputError(f"no rule {rule_id[:80]!r}: one of {known}")
    compiled = compile_rules(base, spec)
    number = [one.id for one in compiled.active].index(name)
    return Variants(compiled, number, compile_rules(trial_set, spec), tunable, values)


def _checked(values: Sequence[float]) -> list[float]:
    found = sorted({round(float(value), 9) for value in values})
    if not 0 < len(found) <= MOST_STEPS:
        raise InputError(f"between 1 and {MOST_STEPS} values can be tried at once, not {len(found)}")
    return found


def _acting(ruleset: RuleSet, rule: Rule) -> RuleSet:
    """The set with this rule active."""
    active = msgspec.structs.replace(rule, mode=Mode.ACTIVE)
    rules = tuple(active if one is rule else one for one in ruleset.rules)
    return msgspec.structs.replace(ruleset, rules=rules)


def _acting_typology(ruleset: RuleSet, typology: Typology) -> RuleSet:
    active = msgspec.structs.replace(typology, mode=Mode.ACTIVE)
    every = tuple(active if one is typology else one for one in ruleset.typologies)
    return msgspec.structs.replace(ruleset, typologies=every)


def _rule_trials(ruleset: RuleSet, rule: Rule, tunable: Tunable, values: list[float]) -> RuleSet:
    trial = msgspec.structs.replace(rule, mode=Mode.SHADOW)
    rules = tuple(
        msgspec.structs.replace(rule_with(trial, tunable, value), id=f"value{number}")
        for number, value in enumerate(values)
    )
    resting = tuple(msgspec.structs.replace(one, mode=Mode.ARCHIVED) for one in ruleset.typologies)
    return RuleSet(rules=rules, typologies=resting, zone=ruleset.zone)


def _possible(typology: Typology, tunable: Tunable, values: list[float]) -> list[float]:
    """Values with which the typology makes sense: a score that it can reach."""
    kept = []
    for value in values:
        try:
            typology_with(typology, tunable, value)
        except RuleError:
            continue
        kept.append(value)
    return kept or [tunable.value]


def _typology_trials(ruleset: RuleSet, typology: Typology, tunable: Tunable, values: list[float]) -> RuleSet:
    trial = msgspec.structs.replace(typology, mode=Mode.SHADOW)
    every = tuple(
        msgspec.structs.replace(typology_with(trial, tunable, value), id=f"value{number}")
        for number, value in enumerate(values)
    )
    return RuleSet(rules=(), typologies=every, zone=ruleset.zone)


def tune(
    past: Past,
    what: Variants,
    *,
    costs: TuningCosts = USUAL_COSTS,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    bands_of: Callable[[str], Bands | None] = lambda _digest: None,
) -> Tuned:
    """Judge the past once with all values."""
    collector = Collector({})
    base, trials = Judge(what.base, bands_of), Judge(what.trials, bands_of)
    base_parts: list[tuple[int, Judged]] = []
    trial_parts: list[tuple[int, Judged]] = []
    for columns in past.payments(what.base.ruleset.zone, progress):
        base_parts.append((collector.count, base.judge(columns)))
        trial_parts.append((collector.count, trials.judge(columns)))
        collector.take(columns)
    payments = collector.payments(past.labels)
    outcome = np.concatenate([np.empty(0, np.int8), *(one.outcome for _, one in base_parts)])
    without = Without(what.base, Fired.joined(base_parts), outcome)
    fired = Fired.joined(trial_parts)
    days = _days(payments)
    order = [one.id.removeprefix("typology.").removeprefix("value") for one in what.trials.shadow]
    row_of = {int(number): row for row, number in enumerate(order)}
    points = [
        _point(value, fired.rows_of(row_of[number]), without, what.number, payments, days, costs)
        for number, value in enumerate(what.values)
    ]
    return Tuned(
        rule=what.base.active[what.number].id,
        parameter=what.tunable.name,
        current=what.tunable.value,
        points=points,
        best=min(points, key=lambda one: one.cost).value,
        payments=len(payments),
        labelled_fraud=int(np.count_nonzero(payments.fraud)),
        days=days,
    )


def _days(payments: StoredPayments) -> float:
    times = payments.times
    return max((int(times.max()) - int(times.min())) / DAY_MS, 1.0) if len(times) else 1.0


def _point(
    value: float,
    rows: NDArray[np.int64],
    without: Without,
    number: int,
    payments: StoredPayments,
    days: float,
    costs: TuningCosts,
) -> TunePoint:
    fraud, frauds = payments.fraud, int(np.count_nonzero(payments.fraud))
    caught = int(np.count_nonzero(fraud[rows]))
    outcome = without.instead(number, rows)
    alerts = int(np.count_nonzero(outcome >= Outcome.REVIEW.strictness))
    good_stopped = int(np.count_nonzero((outcome > 0) & ~fraud))
    missed = float(payments.amount[fraud & (outcome == 0)].sum())
    return TunePoint(
        value=value,
        fired=len(rows),
        fraud=caught,
        precision=wilson(caught, len(rows)),
        recall=wilson(caught, frauds),
        alerts_per_day=alerts / days,
        good_stopped=good_stopped,
        fraud_missed=round(missed, 3),
        cost=round(missed + costs.alert * alerts + costs.good * good_stopped, 3),
    )
