"""What a caller is told of a decision, as JSON; the same bytes whenever it is asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.decisions.decision import DecisionBatch
from ringfence.scoring.rules import Outcome  # noqa: TC001 (msgspec reads the annotations)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.decisions.decision import Decision
    from ringfence.scoring.rules import RuleSet

_ENCODER: Final = msgspec.json.Encoder()
_COLUMNS: Final = (
    "transaction_id",
    "outcome",
    "score",
    "probability",
    "rules",
    "shadow_rules",
    "degraded",
    "offset",
    "event_time_ms",
    "decided_at_ms",
    "latency_us",
)


class Why(msgspec.Struct, frozen=True):
    """One reason: a fired rule, its code, and the text for the fraud team and for the customer."""

    code: str
    rule: str
    analyst: str
    customer: str


class DecisionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on one payment. `offset` is null only in an answer given at the deadline."""

    transaction_id: str
    outcome: Outcome
    score: float
    probability: float | None
    reasons: list[Why]
    shadow_rules: list[str]
    degraded: list[str]
    offset: int | None
    event_time_ms: int | None
    decided_at_ms: int
    latency_us: int
    versions: dict[str, str]


class Answers:
    """Turns decisions into answers. `rules` finds a rule set by its digest, for the words of the reasons."""

    def __init__(self, rules: Callable[[str], RuleSet | None]) -> None:
        self._rules = rules

    def encode(self, decisions: DecisionBatch) -> list[bytes]:
        """One JSON object per decision."""
        if not len(decisions):
            return []
        versions = decisions.versions
        ruleset = self._rules(versions["rules"])
        columns = [decisions.table.column(name).to_pylist() for name in _COLUMNS]
        return [
            _ENCODER.encode(self._answer(decisions, row, values, ruleset, versions))
            for row, values in enumerate(zip(*columns, strict=True))
        ]

    def encode_one(self, decisions: DecisionBatch, row: int) -> bytes:
        """The JSON object of one decision of a batch."""
        return self.encode(DecisionBatch(decisions.table.slice(row, 1)))[0]

    def reasons(self, decision: Decision) -> list[Why]:
        """Why, in words."""
        ruleset = self._rules(decision.versions["rules"])
        return _explain(decision, ruleset)

    def _answer(
        self,
        decisions: DecisionBatch,
        row: int,
        values: tuple[Any, ...],
        ruleset: RuleSet | None,
        versions: dict[str, str],
    ) -> DecisionAnswer:
        identity, outcome, score, probability, rules, shadow, degraded, offset, at, decided, took = values
        return DecisionAnswer(
            transaction_id=identity,
            outcome=outcome,
            score=score,
            probability=probability,
            reasons=_explain(decisions.row(row), ruleset) if rules else [],
            shadow_rules=shadow,
            degraded=degraded,
            offset=offset,
            event_time_ms=at,
            decided_at_ms=decided,
            latency_us=took,
            versions=versions,
        )


def _explain(decision: Decision, ruleset: RuleSet | None) -> list[Why]:
    if ruleset is None:
        return [Why(code, "", "", "") for code in decision.reasons]
    return [Why(why.code, why.rule, why.analyst, why.customer) for why in decision.explain(ruleset)]
