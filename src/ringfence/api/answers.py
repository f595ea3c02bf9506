"""What a caller is told of a decision, as JSON; the same bytes whenever it is asked for again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.decisions.decision import Decision, DecisionBatch
from ringfence.scoring.rules import Outcome  # noqa: TC001 (msgspec reads the annotations)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.scoring.rules import RuleSet

_ENCODER: Final = msgspec.json.Encoder()
_NAMED: Final = re.compile(r"\{([^{}]+)\}")  # as `Decision.explain` fills them in
_COLUMNS: Final = (
    "transaction_id",
    "outcome",
    "score",
    "probability",
    "reasons",
    "rules",
    "shadow_rules",
    "typologies",
    "typology_scores",
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
    """The decision on one payment. `offset` is null only in an answer given at the deadline.

    `typologies` are the named scenarios of which there are signs, each with its score (0-100).
    """

    transaction_id: str
    outcome: Outcome
    score: float
    probability: float | None
    reasons: list[Why]
    shadow_rules: list[str]
    typologies: dict[str, float] = {}
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
        self._placeholders: dict[str, dict[str, list[str]]] = {}

    def encode(self, decisions: DecisionBatch) -> list[bytes]:
        """One JSON object per decision."""
        if not len(decisions):
            return []
        versions = decisions.versions
        ruleset = self._rules(versions["rules"])
        columns = [decisions.table.column(name).to_pylist() for name in _COLUMNS]
        rows = [dict(zip(_COLUMNS, values, strict=True)) for values in zip(*columns, strict=True)]
        values = self._spoken(decisions, rows, ruleset)
        answers = []
        for row, fields in enumerate(rows):
            scores = fields.pop("typology_scores")
            fields["typologies"] = dict(zip(fields["typologies"], scores, strict=True)) if scores else {}
            known = {name: column[row] for name, column in values.items()}
            reasons = _explain(fields, known, ruleset) if fields["rules"] else []
            del fields["rules"]
            fields["reasons"] = reasons
            answers.append(_ENCODER.encode(DecisionAnswer(**fields, versions=versions)))
        return answers

    def encode_one(self, decisions: DecisionBatch, row: int) -> bytes:
        """The JSON object of one decision of a batch."""
        return self.encode(DecisionBatch(decisions.table.slice(row, 1)))[0]

    def _spoken(
        self, decisions: DecisionBatch, rows: list[dict[str, Any]], ruleset: RuleSet | None
    ) -> dict[str, list[float | None]]:
        """Values of the features that the texts of the fired rules name: few of all there are."""
        fired = {rule for fields in rows for rule in fields["rules"]}
        if ruleset is None or not fired:
            return {}
        names = self._placeholders.get(ruleset.digest)
        if names is None:
            names = {rule.id: _NAMED.findall(rule.analyst + rule.customer) for rule in ruleset.every_rule}
            self._placeholders[ruleset.digest] = names
        wanted = {name for rule in fired for name in names.get(rule, ())}
        there = wanted.intersection(decisions.table.schema.names)
        return {name: decisions.table.column(name).to_pylist() for name in sorted(there)}


_UNSPOKEN: Final[dict[str, Any]] = {"model": None, "challengers": {}, "factors": [], "control": False}


def _explain(fields: dict[str, Any], features: dict[str, float | None], ruleset: RuleSet | None) -> list[Why]:
    if ruleset is None:
        return [Why(code, "", "", "") for code in fields["reasons"]]
    decision = Decision(**fields, **_UNSPOKEN, features=features, versions={})
    return [Why(why.code, why.rule, why.analyst, why.customer) for why in decision.explain(ruleset)]
