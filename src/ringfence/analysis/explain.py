"""Why a decision is what it is, rule by rule, and what would have made it another."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from ringfence.analysis.clearing import Clearing  # noqa: TC001 (msgspec reads the annotations)
from ringfence.analysis.condition_parts import ExpressionPart, Taker, ways
from ringfence.decisions.decision import Factor, FiredReason  # noqa: TC001 (as above)
from ringfence.decisions.policy import OUT_OF_TIME, Cause, Weights
from ringfence.decisions.verdict import verdict
from ringfence.scoring.artifacts.models import Scored, asked
from ringfence.scoring.columns import Columns
from ringfence.scoring.language.expression import read
from ringfence.scoring.rulesets.outcomes import OUTCOMES, Mode
from ringfence.scoring.rulesets.rules import Verdicts, fit
from ringfence.scoring.rulesets.ruleset import RuleSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.decisions.decision import Decision
    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.artifacts.manifest import Bands, ReasonText
    from ringfence.scoring.language.syntax import Parsed
    from ringfence.scoring.reference import Lookups
    from ringfence.scoring.rulesets.rules import CompiledRules
    from ringfence.scoring.rulesets.ruleset import Rule
    from ringfence.scoring.rulesets.typologies import Typology


class RuleWhy(msgspec.Struct, frozen=True, kw_only=True):
    """One rule on this payment.

    `differ` are ways in which it would not have fired (or, where it did not, would have): each a list of
    changes that suffice together. `outcome_without` is the decision's outcome without a rule that fired.
    `clears` is when a payment like this one would no longer meet it, for rules about windows of time.
    """

    id: str
    title: str
    mode: str
    outcome: str | None
    points: float
    fired: bool
    when: str
    analyst: str
    condition: ExpressionPart
    differ: list[list[str]]
    outcome_without: str | None
    score_without: float | None
    clears: Clearing | None


class SignalWhy(msgspec.Struct, frozen=True, kw_only=True):
    """One signal of a typology."""

    text: str
    weight: float
    holds: bool | None
    condition: ExpressionPart


class TypologyWhy(msgspec.Struct, frozen=True, kw_only=True):
    """One typology: its score, the score from which it acts, whether it does, and its signals."""

    id: str
    title: str
    score: float
    at: float
    acts: bool
    signals: list[SignalWhy]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision taken apart.

    `verdict` is why it has its outcome in one sentence, `score_from` what its score is made of. Rules that
    fired come first, strictest first; `besides` are the reasons that no rule gave; `notes` say what is not
    certain.
    """

    transaction_id: str
    outcome: str
    score: float
    verdict: str
    score_from: str
    control: bool
    probability: float | None
    factors: list[Factor]
    besides: list[FiredReason]
    rules: list[RuleWhy]
    typologies: list[TypologyWhy]
    notes: list[str]


class Explainer:
    """Explains one decision by the versions that made it.

    Args:
        decision: with its stored features.
        payment: its event, a batch of one row.
        ruleset: the rule set that decided; compiled over `spec` where many decisions are explained.
        spec: the specification that measured.
        reference: lists, flags and profiles as they were at the payment's place in the log.
        bands: of the model that spoke.
        texts: of its inputs.
    """

    def __init__(
        self,
        decision: Decision,
        payment: EventBatch,
        ruleset: RuleSet | CompiledRules,
        spec: FeatureSpec,
        reference: Lookups,
        bands: Bands | None = None,
        texts: Mapping[str, ReasonText] | None = None,
    ) -> None:
        self.decision = decision
        self._verdict = verdict(decision, ruleset_of(ruleset), bands, texts)
        self._besides = decision.besides_rules(texts or {})
        self.rules = fit(ruleset, spec)[0] if isinstance(ruleset, RuleSet) else ruleset
        ruleset = self.rules.ruleset
        known = decision.features
        features = np.array([[_number(known.get(name))] for name in spec.names]).reshape(len(spec.names), 1)
        self.columns = Columns(payment, spec, features, reference, ruleset.zone)
        said = _number(decision.probability)
        self.columns.add("model.probability", np.array([said]))
        self.columns.add("model.score", np.array([100 * said]))
        self._taker = Taker(self.columns, self.rules.names)
        self._weights = Weights(self.rules)
        self._verdicts = self.rules.judge(self.columns)
        self._told = {why.rule: why.analyst for why in decision.explain(ruleset)}
        self._scored: Scored | None = None
        self._knows_bands = bands is not None
        if decision.model is not None:
            self._scored = Scored(1, 0)
            self._scored.probability = np.array([said])
            if bands is not None:
                self._scored.asked = asked(bands, np.nan_to_num(self._scored.probability))

    def explain(
        self, *, every: bool = False, clears: Callable[[Rule], Clearing | None] = lambda _rule: None
    ) -> Explanation:
        """The rules that fired (or `every` one that is judged), and the typologies with signs.

        `clears` says when a rule that fired would no longer.
        """
        decision = self.decision
        fired = {*decision.rules, *decision.shadow_rules}
        judged = (*self.rules.active, *self.rules.shadow)
        shown = sorted(
            (rule for rule in judged if every or rule.id in fired), key=lambda one: one.id not in fired
        )
        return Explanation(
            transaction_id=decision.transaction_id,
            outcome=str(decision.outcome),
            score=decision.score,
            verdict=self._verdict.why,
            score_from=self._verdict.score,
            control=decision.control,
            probability=decision.probability,
            factors=decision.factors,
            besides=self._besides,
            rules=[self._rule(rule, rule.id in fired, clears) for rule in shown],
            typologies=[
                self._typology(one)
                for one in self.rules.typologies
                if every or decision.typologies.get(one.id, 0.0) > 0
            ],
            notes=self._notes(),
        )

    def _rule(self, rule: Rule, fired: bool, clears: Callable[[Rule], Clearing | None]) -> RuleWhy:
        part = self._taker.take(_read(rule.when, rule.parameters))
        as_then = (part.holds is True) == fired  # a list or profile may have changed since
        without = self._without(rule) if fired and rule.mode is Mode.ACTIVE else None
        return RuleWhy(
            id=rule.id,
            title=rule.title,
            mode=str(rule.mode),
            outcome=None if rule.outcome is None else str(rule.outcome),
            points=rule.points,
            fired=fired,
            when=rule.when,
            analyst=self._told.get(rule.id, rule.analyst),
            condition=part,
            differ=ways(part, fire=not fired) if as_then else [],
            outcome_without=None if without is None else without[0],
            score_without=None if without is None else without[1],
            clears=clears(rule) if fired else None,
        )

    def _without(self, rule: Rule) -> tuple[str, float]:
        """Outcome and score without a rule that fired, the control group left aside.

        What fired then counts, whatever lists and profiles say by now.
        """
        left = {name for name in self.decision.rules if name != rule.id}
        active = np.array([[one.id in left] for one in self.rules.active], np.bool_).reshape(-1, 1)
        causes = [
            Cause(name, None, skipped=True) for name in self.decision.degraded if name not in OUT_OF_TIME
        ]
        verdicts = Verdicts(active, self._verdicts.shadow, self._verdicts.typologies)
        judgement = self._weights.apply(verdicts, causes, self._scored)
        return str(OUTCOMES[judgement.outcome[0]]), float(judgement.score[0])

    def _typology(self, one: Typology) -> TypologyWhy:
        signals = []
        for signal in one.signals:
            part = self._taker.take(_read(signal.when, one.parameters))
            signals.append(
                SignalWhy(text=signal.text, weight=signal.weight, holds=part.holds, condition=part)
            )
        score = self.decision.typologies.get(one.id, 0.0)
        return TypologyWhy(
            id=one.id, title=one.title, score=score, at=one.at, acts=score >= one.at, signals=signals
        )

    def _notes(self) -> list[str]:
        """Where what is worked out now is not what was decided."""
        active = {
            rule.id for rule, row in zip(self.rules.active, self._verdicts.active, strict=True) if row[0]
        }
        differing = active ^ set(self.decision.rules)
        notes = []
        if differing:
            notes.append(
                f"Re-evaluated today: {', '.join(sorted(differing))} would come out otherwise, as a list, "
                "flag or profile has changed since the payment."
            )
        if self.decision.degraded:
            notes.append(f"Degraded decision: {', '.join(self.decision.degraded)}.")
        if self._scored is not None and not self._knows_bands and self.decision.probability is not None:
            notes.append("The model's thresholds are no longer kept: what it asked for is taken as approve.")
        return notes


def _read(text: str, parameters: Mapping[str, float | str]) -> Parsed:
    """As `read`: many payments are explained by the same few conditions."""
    return _read_once(text, tuple(parameters.items()))


def ruleset_of(rules: RuleSet | CompiledRules) -> RuleSet:
    """The rule set, compiled or not."""
    return rules if isinstance(rules, RuleSet) else rules.ruleset


@lru_cache(maxsize=2048)
def _read_once(text: str, parameters: tuple[tuple[str, float | str], ...]) -> Parsed:
    return read(text, dict(parameters))


def _number(value: float | None) -> float:
    return np.nan if value is None else value
