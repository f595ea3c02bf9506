"""What would have changed if the shadow rules had been active: from stored decisions, exactly.

A decision keeps the active and the shadow rules that fired. Outcomes only ever get stricter by more rules and
points, apart from what an allow rule sets aside, so the outcome with the shadow rules follows from these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.scoring.rulesets.outcomes import OUTCOMES, Mode, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ringfence.scoring.rulesets.ruleset import Rule, RuleSet

ALERTS_FROM: Final = Outcome.REVIEW
"""Outcomes that somebody has to look at: this one and stricter ones."""

DAY_MS: Final = 86_400_000


class Group(msgspec.Struct, frozen=True):
    """Payments that are alike: `fraud` by their latest label, None without one."""

    rules_digest: str
    outcome: Outcome
    rules: tuple[str, ...]
    shadow_rules: tuple[str, ...]
    fraud: bool | None
    payments: int
    first_ms: int  # event times of the first and the last of them
    last_ms: int


class ShadowRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule by itself, over the `days` of payments that were judged while it was in shadow.

    `changed` of them would have another outcome with it and no other shadow rule; `alerts_per_day` are those
    that somebody would have to look at, and now need not. `precision` is the share of fraud among the
    `labelled` payments on which it fired, null without one.
    """

    rule: str
    title: str
    outcome: Outcome | None
    points: float
    days: float
    fired: int
    changed: int
    alerts_per_day: float
    labelled: int
    fraud: int
    precision: float | None


class ShadowReport(msgspec.Struct, frozen=True, kw_only=True):
    """All shadow rules together, over the payments that were judged while there was any.

    `matrix` counts them by the outcome that they had and the one they would have had; the control group is
    left out.
    """

    since_ms: int | None
    until_ms: int | None
    days: float
    payments: int
    changed: int
    alerts_per_day: float
    more_alerts_per_day: float
    matrix: dict[str, dict[str, int]]
    rules: list[ShadowRule]


class _Span:
    """Payments that were judged while a rule was in shadow, whether it fired or not."""

    def __init__(self) -> None:
        self.first_ms: int | None = None
        self.last_ms: int | None = None

    def cover(self, group: Group) -> None:
        self.first_ms = group.first_ms if self.first_ms is None else min(self.first_ms, group.first_ms)
        self.last_ms = group.last_ms if self.last_ms is None else max(self.last_ms, group.last_ms)

    @property
    def days(self) -> float:
        """Never less than one, so that a busy hour is no flood a day."""
        if self.first_ms is None or self.last_ms is None:
            return 0.0
        return max(1.0, (self.last_ms - self.first_ms) / DAY_MS)


class _Tally:
    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.span = _Span()
        self.fired = self.changed = self.alerts = self.labelled = self.fraud = 0

    def add(self, group: Group, alone: Outcome) -> None:
        self.fired += group.payments
        self.changed += group.payments * (alone is not group.outcome)
        self.alerts += group.payments * (_is_alert(alone) and not _is_alert(group.outcome))
        if group.fraud is not None:
            self.labelled += group.payments
            self.fraud += group.payments * group.fraud


def compare(groups: Iterable[Group], ruleset_of: Callable[[str], RuleSet]) -> ShadowReport:
    """What the shadow rules would have changed of the payments that were judged by versions that have any."""
    matrix = {str(before): {str(after): 0 for after in OUTCOMES} for before in OUTCOMES}
    tallies: dict[str, _Tally] = {}
    span = _Span()
    for group in groups:
        ruleset = ruleset_of(group.rules_digest)
        listening = shadow_rules(ruleset)
        if not listening:
            continue
        span.cover(group)
        for rule in listening:
            tallies.setdefault(rule.id, _Tally(rule)).span.cover(group)
        fired = [rule for rule in listening if rule.id in group.shadow_rules]
        matrix[group.outcome][would_be(group, fired, ruleset)] += group.payments
        for rule in fired:
            tallies[rule.id].add(group, would_be(group, [rule], ruleset))
    return _report(matrix, tallies, span)


def would_be(group: Group, shadow: Sequence[Rule], ruleset: RuleSet) -> Outcome:
    """The outcome that these payments would have had with these rules active as well."""
    known = {rule.id: rule for rule in ruleset.every_rule}
    fired = [known[name] for name in group.rules if name in known]
    points = sum(rule.points for rule in (*fired, *shadow))
    asked = [rule.outcome for rule in shadow if rule.outcome is not None] + _by_points(points, ruleset)
    outcome = max([group.outcome, *asked], key=lambda one: one.strictness)
    limit = ruleset.policy.allow_overrules
    allowed = any(rule.outcome is Outcome.APPROVE for rule in (*fired, *shadow))
    if limit is not None and allowed and outcome.strictness <= limit.strictness:
        return Outcome.APPROVE
    return outcome


def _by_points(points: float, ruleset: RuleSet) -> list[Outcome]:
    policy = ruleset.policy
    thresholds = {
        Outcome.CHALLENGE: policy.challenge_at,
        Outcome.REVIEW: policy.review_at,
        Outcome.DECLINE: policy.decline_at,
    }
    score = min(max(points, 0.0), 100.0)
    return [outcome for outcome, at in thresholds.items() if at is not None and score >= at]


def shadow_rules(ruleset: RuleSet) -> list[Rule]:
    """Rules of a version that are heard and decide nothing."""
    return [rule for rule in ruleset.every_rule if rule.mode is Mode.SHADOW]


def _is_alert(outcome: Outcome) -> bool:
    return outcome.strictness >= ALERTS_FROM.strictness


def _report(matrix: dict[str, dict[str, int]], tallies: dict[str, _Tally], span: _Span) -> ShadowReport:
    cells = [(Outcome(a), Outcome(b), count) for a, row in matrix.items() for b, count in row.items()]
    before = sum(count for a, _, count in cells if _is_alert(a))
    after = sum(count for _, b, count in cells if _is_alert(b))
    return ShadowReport(
        since_ms=span.first_ms,
        until_ms=span.last_ms,
        days=span.days,
        payments=sum(count for _, _, count in cells),
        changed=sum(count for a, b, count in cells if a is not b),
        alerts_per_day=_a_day(before, span.days),
        more_alerts_per_day=_a_day(after - before, span.days),
        matrix=matrix,
        rules=[_rule(tallies[name]) for name in sorted(tallies)],
    )


def _rule(tally: _Tally) -> ShadowRule:
    return ShadowRule(
        rule=tally.rule.id,
        title=tally.rule.title,
        outcome=tally.rule.outcome,
        points=tally.rule.points,
        days=tally.span.days,
        fired=tally.fired,
        changed=tally.changed,
        alerts_per_day=_a_day(tally.alerts, tally.span.days),
        labelled=tally.labelled,
        fraud=tally.fraud,
        precision=tally.fraud / tally.labelled if tally.labelled else None,
    )


def _a_day(count: int, days: float) -> float:
    return count / days if days else 0.0
