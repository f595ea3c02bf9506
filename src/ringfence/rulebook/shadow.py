"""What would have changed if the shadow rules had been active: from stored decisions, exactly.

A decision keeps the active and the shadow rules that fired. Outcomes only ever get stricter by more rules and
points, apart from what an allow rule sets aside, so the outcome with the shadow rules follows from these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.scoring.rules import OUTCOMES, Mode, Outcome, Rule, RuleSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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


class ShadowRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule by itself: `changed` payments would have another outcome with it and no other shadow rule.

    `alerts_per_day` are those of them that somebody would have to look at, and now need not. `precision` is
    the share of fraud among the `labelled` payments on which it fired, null without one.
    """

    rule: str
    title: str
    outcome: Outcome | None
    points: float
    fired: int
    changed: int
    alerts_per_day: float
    labelled: int
    fraud: int
    precision: float | None


class ShadowReport(msgspec.Struct, frozen=True, kw_only=True):
    """All shadow rules together. `matrix` counts payments by the outcome they had and would have had."""

    since_ms: int | None
    until_ms: int | None
    days: float
    payments: int
    changed: int
    alerts_per_day: float
    more_alerts_per_day: float
    matrix: dict[str, dict[str, int]]
    rules: list[ShadowRule]


class _Tally:
    def __init__(self) -> None:
        self.fired = self.changed = self.alerts = self.labelled = self.fraud = 0

    def add(self, group: Group, would_be: Outcome) -> None:
        self.fired += group.payments
        self.changed += group.payments * (would_be is not group.outcome)
        self.alerts += group.payments * (_is_alert(would_be) and not _is_alert(group.outcome))
        if group.fraud is not None:
            self.labelled += group.payments
            self.fraud += group.payments * group.fraud


def compare(
    groups: Iterable[Group], ruleset_of: Callable[[str], RuleSet], first_ms: int | None, last_ms: int | None
) -> ShadowReport:
    """What the shadow rules would have changed between the first and the last payment's time."""
    matrix = {str(before): {str(after): 0 for after in OUTCOMES} for before in OUTCOMES}
    tallies: dict[str, _Tally] = {}
    rules: dict[str, Rule] = {}
    for group in groups:
        ruleset = ruleset_of(group.rules_digest) if group.shadow_rules else None
        known = {rule.id: rule for rule in ruleset.every_rule} if ruleset else {}
        shadow = [known[name] for name in group.shadow_rules if name in known]
        together = would_be(group, shadow, ruleset) if ruleset else group.outcome
        matrix[group.outcome][together] += group.payments
        for rule in shadow:
            assert ruleset is not None
            rules[rule.id] = rule
            alone = would_be(group, [rule], ruleset)
            tallies.setdefault(rule.id, _Tally()).add(group, alone)
    return _report(matrix, tallies, rules, first_ms, last_ms)


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


def _report(
    matrix: dict[str, dict[str, int]],
    tallies: dict[str, _Tally],
    rules: dict[str, Rule],
    first_ms: int | None,
    last_ms: int | None,
) -> ShadowReport:
    days = 0.0 if first_ms is None or last_ms is None else max(1.0, (last_ms - first_ms) / DAY_MS)
    cells = [(Outcome(a), Outcome(b), count) for a, row in matrix.items() for b, count in row.items()]
    before = sum(count for a, _, count in cells if _is_alert(a))
    after = sum(count for _, b, count in cells if _is_alert(b))
    return ShadowReport(
        since_ms=first_ms,
        until_ms=last_ms,
        days=days,
        payments=sum(count for _, _, count in cells),
        changed=sum(count for a, b, count in cells if a is not b),
        alerts_per_day=_a_day(before, days),
        more_alerts_per_day=_a_day(after - before, days),
        matrix=matrix,
        rules=[_rule(rules[name], tally, days) for name, tally in sorted(tallies.items())],
    )


def _rule(rule: Rule, tally: _Tally, days: float) -> ShadowRule:
    facts: dict[str, Any] = {"fired": tally.fired, "changed": tally.changed}
    return ShadowRule(
        rule=rule.id,
        title=rule.title,
        outcome=rule.outcome,
        points=rule.points,
        **facts,
        alerts_per_day=_a_day(tally.alerts, days),
        labelled=tally.labelled,
        fraud=tally.fraud,
        precision=tally.fraud / tally.labelled if tally.labelled else None,
    )


def _a_day(count: int, days: float) -> float:
    return count / days if days else 0.0
