"""From verdicts to one outcome and one score per transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ringfence.decisions.control import drawn, eligible
from ringfence.scoring.rulesets.outcomes import OUTCOMES, OnFailure, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ringfence.scoring.artifacts.models import Scored
    from ringfence.scoring.columns import Columns
    from ringfence.scoring.rulesets.rules import CompiledRules, Verdicts


FUTURE: Final = "future_event"
"""Cause: the event is dated later than it was received, so that the stream's clock did not follow it."""

LATE: Final = "late_event"
"""Cause: the event came later than allowed; its features are over what state remains."""

OUT_OF_TIME: Final = (FUTURE, LATE)
"""Causes that tell of an event's time: nothing was skipped."""


class Cause(NamedTuple):
    """Why decisions are degraded, in which rows (None.

    All), and whether a part was skipped, so that `on_failure` applies.
    """

    name: str
    rows: NDArray[np.bool_] | None = None
    skipped: bool = False


class Judgement(NamedTuple):
    """Per transaction.

    Strictness of the outcome (0 approve to 3 decline), risk score 0-100, and whether it is let through as
    one of the control group.
    """

    outcome: NDArray[np.int8]
    score: NDArray[np.float64]
    control: NDArray[np.bool_]


class Weights:
    """What applying the policy needs of compiled rules, worked out once."""

    def __init__(self, rules: CompiledRules) -> None:
        self.policy = rules.ruleset.policy
        self.rules = rules
        self.thresholds = {
            Outcome.CHALLENGE: self.policy.challenge_at,
            Outcome.REVIEW: self.policy.review_at,
            Outcome.DECLINE: self.policy.decline_at,
        }
        self.points = np.array([rule.points for rule in rules.active])
        self.with_points = np.flatnonzero(self.points)
        self.rows_of = {
            outcome: np.array(
                [row for row, rule in enumerate(rules.active) if rule.outcome is outcome], np.int64
            )
            for outcome in OUTCOMES
        }
        never = self.policy.control.never if self.policy.control else ()
        self.rows_kept = np.array(
            [row for row, rule in enumerate(rules.active) if rule.id in never], np.int64
        )

    def apply(
        self,
        verdicts: Verdicts,
        causes: Sequence[Cause] = (),
        scored: Scored | None = None,
        columns: Columns | None = None,
    ) -> Judgement:
        """The strictest outcome of the fired rules, of their points' thresholds and of the models' bands.

        Then allow rules; then failures; then, given the payments' `columns`, the control group. The score is
        the greater of the points and the model's percentage.
        """
        fired = verdicts.active
        anything = fired.any()
        score = self._score(fired) if anything else np.zeros(fired.shape[1])
        outcome = np.zeros(fired.shape[1], np.int8) if scored is None else scored.asked.copy()
        for level in (Outcome.CHALLENGE, Outcome.REVIEW, Outcome.DECLINE):
            if anything and self.rows_of[level].size:
                raised = fired[self.rows_of[level]].any(axis=0) & (outcome < level.strictness)
                outcome[raised] = level.strictness
            self._raise_by_score(outcome, score, level)
        if anything:
            self._allow(outcome, fired)
        for cause in causes:
            if cause.skipped:
                rows = slice(None) if cause.rows is None else cause.rows
                outcome[rows] = np.maximum(outcome[rows], self._strictness_without(cause.name))
        if scored is not None:
            score = np.fmax(score, 100 * scored.probability)
        return Judgement(outcome, score, self._let_through(outcome, fired, columns))

    def _strictness_without(self, part: str) -> int:
        """What a payment decided without a part is at least, by the rules that speak of it and the policy.

        A rule that fails closed asks for its own outcome. The policy's closed holds unless every rule that
        speaks of the part says open.
        """
        speaking = [rule for rule in self.rules.active if part in self.rules.parts[rule.id]]
        closed = [rule for rule in speaking if rule.on_failure is OnFailure.CLOSED]
        asked = [0, *((rule.outcome or Outcome.REVIEW).strictness for rule in closed)]
        excused = bool(speaking) and all(rule.on_failure is OnFailure.OPEN for rule in speaking)
        if self.policy.on_failure is OnFailure.CLOSED and not excused:
            asked.append(Outcome.REVIEW.strictness)
        return max(asked)

    def _let_through(
        self, outcome: NDArray[np.int8], fired: NDArray[np.bool_], columns: Columns | None
    ) -> NDArray[np.bool_]:
        """Approve the control group's part of the declines; which payments those are."""
        group = self.policy.control
        declined = outcome == Outcome.DECLINE.strictness
        if group is None or columns is None or not declined.any():
            return np.zeros(len(outcome), np.bool_)
        kept = np.logical_or.reduce(fired[self.rows_kept], axis=0)
        chosen = eligible(group, outcome, kept, columns.number("amount")) & drawn(group, columns)
        outcome[chosen] = Outcome.APPROVE.strictness
        return chosen

    def _score(self, fired: NDArray[np.bool_]) -> NDArray[np.float64]:
        total = np.zeros(fired.shape[1])
        fires = fired[self.with_points].any(axis=1)
        for row in self.with_points[fires]:  # one by one: a product of matrices adds in an order of its own
            total[fired[row]] += self.points[row]
        score: NDArray[np.float64] = np.clip(total, 0.0, 100.0)
        return score

    def _raise_by_score(self, outcome: NDArray[np.int8], score: NDArray[np.float64], level: Outcome) -> None:
        threshold = self.thresholds[level]
        if threshold is not None:
            outcome[(score >= threshold) & (outcome < level.strictness)] = level.strictness

    def _allow(self, outcome: NDArray[np.int8], fired: NDArray[np.bool_]) -> None:
        limit, rows = self.policy.allow_overrules, self.rows_of[Outcome.APPROVE]
        if limit is not None and rows.size:
            outcome[fired[rows].any(axis=0) & (outcome <= limit.strictness)] = Outcome.APPROVE.strictness
