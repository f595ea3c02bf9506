"""Figures of a backtest from its columns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.analysis.report import Control, Maturity, Money, Report, RuleResult, Side
from ringfence.analysis.statistics import Estimate, wilson
from ringfence.scoring.rulesets.outcomes import OUTCOMES, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.analysis.history import Past
    from ringfence.analysis.judged import Fired, Without
    from ringfence.analysis.payments import StoredPayments
    from ringfence.scoring.rulesets.rules import CompiledRules
    from ringfence.scoring.rulesets.ruleset import Rule

DAY_MS: Final = 86_400_000
_ALERT: Final = Outcome.REVIEW.strictness


class Summary:
    """Two rule sets' outcomes over the same payments."""

    def __init__(
        self, payments: StoredPayments, past: Past, before: NDArray[np.int8], after: NDArray[np.int8]
    ) -> None:
        self.payments, self.past = payments, past
        self.before, self.after = before, after
        times = payments.times
        self.days = max((int(times.max()) - int(times.min())) / DAY_MS, 1.0) if len(times) else 1.0

    def report(
        self,
        *,
        active: CompiledRules,
        new: CompiledRules,
        fired: Fired,
        without: Without,
        examples: dict[str, list[str]],
        models_without_bands: set[str],
        seconds: float,
    ) -> Report:
        """All of it."""
        payments, times = self.payments, self.payments.times
        maturity, control = self.maturity(), self.control()
        declines = int(np.count_nonzero(payments.stored == Outcome.DECLINE.strictness))
        notes = _notes(payments, maturity, control, declines, models_without_bands)
        measured = list(self.past.measure.names) if self.past.measure else []
        kept = {rule.id for rule in new.ruleset.every_rule}
        return Report(
            payments=len(payments),
            begin=_moment(int(times.min())) if len(times) else None,
            end=_moment(int(times.max())) if len(times) else None,
            days=self.days,
            active=self.side(active.ruleset.digest, self.before),
            new=self.side(new.ruleset.digest, self.after),
            changed=self.matrix(np.ones(len(payments), np.bool_)),
            changed_fraud=self.matrix(payments.fraud),
            money=self.money(),
            rules=self.rules(active, new, fired, without),
            removed=[rule.id for rule in active.ruleset.every_rule if rule.id not in kept],
            maturity=maturity,
            control=control,
            measured=measured,
            stored_declines=declines,
            notes=notes,
            examples=examples,
            seconds=seconds,
        )

    def matrix(self, rows: NDArray[np.bool_]) -> list[list[int]]:
        """Payments by outcome before and after."""
        side = len(OUTCOMES)
        cell = self.before[rows].astype(np.int64) * side + self.after[rows]
        found: list[list[int]] = np.bincount(cell, minlength=side * side).reshape(side, side).tolist()
        return found

    def side(self, digest: str, outcome: NDArray[np.int8]) -> Side:
        """One rule set."""
        fraud, who = self.payments.fraud, self.payments.who
        stopped = outcome > 0
        alerts = int(np.count_nonzero(outcome >= _ALERT))
        caught, frauds = int(np.count_nonzero(stopped & fraud)), int(np.count_nonzero(fraud))
        hit = np.setdiff1d(who[stopped], who[fraud])
        return Side(
            digest=digest,
            outcomes=_by_outcome(outcome),
            fraud=_by_outcome(outcome[fraud]),
            stopped=int(np.count_nonzero(stopped)),
            alerts=alerts,
            alerts_per_day=alerts / self.days,
            precision=wilson(caught, int(np.count_nonzero(stopped))),
            recall=wilson(caught, frauds),
            good_customers_hit=int(np.count_nonzero(hit != 0)),
        )

    def money(self) -> list[Money]:
        """Sums by currency, the largest first."""
        payments = self.payments
        sides = {"active": self.before > 0, "new": self.after > 0}
        order = np.argsort(-np.bincount(payments.currency, minlength=len(payments.currencies)), kind="stable")
        found = []
        for number in order.tolist():
            mine = payments.currency == number
            if not mine.any():
                continue
            bad, good = mine & payments.fraud, mine & ~payments.fraud
            found.append(
                Money(
                    payments.currencies[number],
                    self._sum(bad),
                    {name: self._sum(bad & stopped) for name, stopped in sides.items()},
                    {name: self._sum(bad & ~stopped) for name, stopped in sides.items()},
                    {name: self._sum(good & stopped) for name, stopped in sides.items()},
                )
            )
        return found

    def _sum(self, rows: NDArray[np.bool_]) -> float:
        return round(float(self.payments.amount[rows].sum()), 3)

    def _sums(self, rows: NDArray[np.int64]) -> dict[str, float]:
        payments = self.payments
        sums = np.bincount(
            payments.currency[rows], weights=payments.amount[rows], minlength=len(payments.currencies)
        )
        return {
            name: round(value, 3)
            for name, value in zip(payments.currencies, sums.tolist(), strict=True)
            if value
        }

    def rules(
        self, active: CompiledRules, new: CompiledRules, fired: Fired, without: Without
    ) -> list[RuleResult]:
        """Each rule of the new set that was judged."""
        known = {rule.id: rule for rule in active.ruleset.every_rule}
        several = np.bincount(fired.row, minlength=len(self.payments))
        found = []
        for number, rule in enumerate((*new.active, *new.shadow)):
            rows = fired.rows_of(number)
            alone = np.empty(0, np.int64)
            if number < len(new.active):
                touched, outcome = without.rule(number)
                alone = touched[(self.after[touched] > 0) & (outcome == 0)]
            found.append(self._rule(rule, known, rows, alone, several))
        return found

    def _rule(
        self,
        rule: Rule,
        known: Mapping[str, Rule],
        rows: NDArray[np.int64],
        alone: NDArray[np.int64],
        several: NDArray[np.int64],
    ) -> RuleResult:
        fraud = self.payments.fraud
        caught, frauds = int(np.count_nonzero(fraud[rows])), int(np.count_nonzero(fraud))
        shared = int(np.count_nonzero(several[rows] > 1))
        was = known.get(rule.id)
        return RuleResult(
            id=rule.id,
            mode=str(rule.mode),
            change="new" if was is None else "same" if was == rule else "changed",
            fired=len(rows),
            fired_per_day=len(rows) / self.days,
            fraud=caught,
            precision=wilson(caught, len(rows)),
            recall=wilson(caught, frauds),
            overlap=shared / len(rows) if len(rows) else None,
            only=len(alone),
            only_fraud=int(np.count_nonzero(fraud[alone])),
            only_fraud_value=self._sums(alone[fraud[alone]]),
            only_good_value=self._sums(alone[~fraud[alone]]),
        )

    def maturity(self) -> Maturity:
        """How long fraud labels take, and how many payments are too young for them."""
        payments, labels = self.payments, self.past.labels
        rows = np.flatnonzero(payments.fraud)
        came = np.array([labels[item][1] for item in payments.ids[rows].tolist()], np.int64)
        delays = (came - payments.times[rows]) / DAY_MS
        good = int(np.count_nonzero(payments.labelled & ~payments.fraud))
        if not len(rows):
            return Maturity(
                fraud_labels=0,
                labelled_good=good,
                median_days=None,
                days_90=None,
                mature_until=None,
                immature=len(payments),
            )
        nine_of_ten = float(np.quantile(delays, 0.9))
        until = self.past.last_ms - round(nine_of_ten * DAY_MS)
        return Maturity(
            fraud_labels=len(rows),
            labelled_good=good,
            median_days=float(np.median(delays)),
            days_90=nine_of_ten,
            mature_until=_moment(until),
            immature=int(np.count_nonzero(payments.times > until)),
        )

    def control(self) -> Control | None:
        """What the control group tells, None without one."""
        payments = self.payments
        if not payments.control.any():
            return None
        weights = payments.weights()
        stopped = self.after > 0
        return Control(
            payments=int(np.count_nonzero(payments.control)),
            fraud=int(np.count_nonzero(payments.control & payments.fraud)),
            decline_precision=_weighted(weights, payments.control, payments.fraud),
            new_precision=_weighted(weights, stopped, payments.fraud),
        )


def _weighted(weights: NDArray[np.float64], rows: NDArray[np.bool_], fraud: NDArray[np.bool_]) -> Estimate:
    """Weighted share of fraud; the interval is that of the effective number of observations."""
    chosen = weights[rows]
    total, squares = float(chosen.sum()), float((chosen**2).sum())
    trials = round(total**2 / squares) if squares else 0
    return wilson(float(chosen[fraud[rows]].sum()), total, trials)


def _by_outcome(outcome: NDArray[np.int8]) -> dict[str, int]:
    counts = np.bincount(outcome, minlength=len(OUTCOMES)).tolist()
    return {str(name): count for name, count in zip(OUTCOMES, counts, strict=True)}


def _notes(
    payments: StoredPayments,
    maturity: Maturity,
    control: Control | None,
    declines: int,
    models_without_bands: set[str],
) -> list[str]:
    """What has to be known to read the figures."""
    notes = ["A payment without a fraud label counts as good; intervals are 95 % (Wilson)."]
    if not maturity.fraud_labels:
        notes.append("No payment of this time is labelled fraud: precision and recall say nothing yet.")
    else:
        notes.append(
            f"Half of the fraud labels came within {maturity.median_days:.1f} days, nine of ten within "
            f"{maturity.days_90:.1f}: {maturity.immature:,} payments after {maturity.mature_until} may still "
            "turn out to be fraud."
        )
    if declines and control is None:
        notes.append(
            f"{declines:,} payments were declined when they came: whether those were fraud was mostly never "
            "seen, so rules that approve them look better, and rules that stop them worse, than they are. "
            "A control group (policy.control) lets a few through to find out."
        )
    elif declines:
        notes.append(
            f"{declines:,} payments were declined when they came and their outcome was not seen; the control "
            "group stands for those that it may touch, by inverse-propensity weights."
        )
    if models_without_bands:
        notes.append(
            f"The bands of model {', '.join(sorted(models_without_bands))} are not kept here: what it asked "
            "for is left out on both sides."
        )
    if len(payments.currencies) > 1:
        notes.append("Sums are by currency; nothing is converted.")
    return notes


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
