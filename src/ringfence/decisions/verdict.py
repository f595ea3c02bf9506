"""Why a decision has its outcome, in a sentence or two, and where its score comes from.

The outcome is the strictest that a rule, a typology, the model, the points' thresholds or a missing part asks
for. The score only ranks payments, so a review may well have a score of 1: the sentence names who asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ringfence.decisions.decision import MODEL_RULE
from ringfence.decisions.policy import OUT_OF_TIME
from ringfence.scoring.artifacts.models import asked
from ringfence.scoring.artifacts.reasons import MODEL_SCORE, sentence
from ringfence.scoring.language.words import percent
from ringfence.scoring.rulesets.outcomes import OUTCOMES, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ringfence.decisions.decision import Decision
    from ringfence.scoring.artifacts.manifest import Bands, ReasonText
    from ringfence.scoring.rulesets.ruleset import Rule, RuleSet

VERBS: Final = {
    Outcome.APPROVE: "Approved",
    Outcome.CHALLENGE: "Challenged",
    Outcome.REVIEW: "Reviewed",
    Outcome.DECLINE: "Declined",
}
_DIGIT: Final = re.compile(r"[0-9]")  # without any, a text only repeats the rule's title
_NAMED: Final = 2  # rules or causes that a sentence names


class Verdict(NamedTuple):
    """`why`: the outcome in a sentence, and what the first rule saw; `score`: what the score is made of."""

    why: str
    score: str


def verdict(
    decision: Decision,
    ruleset: RuleSet | None,
    bands: Bands | None = None,
    texts: Mapping[str, ReasonText] | None = None,
) -> Verdict:
    """The sentence on a decision.

    Args:
        decision: the stored one.
        ruleset: the version that decided, None where it is no longer kept.
        bands: of the model that spoke, None where it is no longer kept.
        texts: of the model's inputs.
    """
    told = _Sources(decision, ruleset, bands, texts or {})
    return Verdict(" ".join([f"{told.sentence()}.", *told.seen()]), told.origin_of_score())


def usual_amount(decision: Decision, amount: float | None) -> tuple[str, float, float] | None:
    """Whose usual amount is known, that amount, and how many times it this payment is.

    The mean of 30 days (or 7) without the payment itself, which the stored mean and count hold.
    """
    if amount is None or amount <= 0:
        return None
    for entity, window in _USUAL:
        mean = decision.features.get(f"{entity}.mean_amount_{window}")
        count = decision.features.get(f"{entity}.count_{window}")
        if mean is None or count is None or count < _FEWEST_USUAL:
            continue
        usual = (mean * count - amount) / (count - 1)
        if usual > 0:
            return f"{entity}'s usual ({window.removesuffix('d')} days)", usual, amount / usual
    return None


_USUAL: Final = (("customer", "30d"), ("customer", "7d"), ("card", "7d"))
_FEWEST_USUAL: Final = 4  # payments, this one among them


class _Sources:
    def __init__(
        self,
        decision: Decision,
        ruleset: RuleSet | None,
        bands: Bands | None,
        texts: Mapping[str, ReasonText],
    ) -> None:
        self.decision = decision
        self.ruleset = ruleset
        self.bands = bands
        self.causes: dict[str, str] = {}  # the first of each topic: one of card and customer is enough
        for why in decision.phrases(texts):
            if why.rule == MODEL_RULE and why.code != MODEL_SCORE:
                self.causes.setdefault(why.code.rpartition("_")[2], why.analyst)
        by_id = {rule.id: rule for rule in ruleset.every_rule} if ruleset else {}
        self.fired = [by_id[name] for name in decision.rules if name in by_id]
        self.points = min(max(sum(rule.points for rule in self.fired), 0.0), 100.0)

    def sentence(self) -> str:
        """Without its full stop."""
        decision, verb = self.decision, VERBS[self.decision.outcome]
        if decision.control:
            return f"{verb} as one of the control group: would have been declined {self._asking(3)}"
        if decision.outcome is Outcome.APPROVE:
            return f"{verb}{self._approval()}"
        found = self._asking(decision.outcome.strictness)
        return f"{verb} {found}{self._model_aside(found)}"

    def seen(self) -> list[str]:
        """What the first rule that asked for the outcome says of the payment's values, as a sentence."""
        if self.ruleset is None or self.decision.outcome is Outcome.APPROVE:
            return []
        by_id = {rule.id: rule for rule in self.fired if rule.outcome is self.decision.outcome}
        texts = (one.analyst for one in self.decision.by_rules(self.ruleset) if one.rule in by_id)
        text = next(texts, "").strip()
        return [sentence(text)] if _DIGIT.search(text) else []

    def origin_of_score(self) -> str:
        """What the score is made of."""
        said = self.decision.probability
        if said is not None and 100 * said > self.points:
            return "the model's fraud probability"
        if self.points:
            return "points of the rules that fired"
        return "the rules that fired carry no points" if self.fired else "no rule fired"

    def _approval(self) -> str:
        allowing = [rule for rule in self.fired if rule.outcome is Outcome.APPROVE]
        if allowing:
            sets_aside = [rule for rule in self.fired if rule.outcome not in (None, Outcome.APPROVE)]
            aside = f", which sets aside {_rules(sets_aside)}" if sets_aside else ""
            return f" by {_rules(allowing)}{aside}{self._model_aside('')}"
        if self.fired:
            return (
                f": {_rules(self.fired)} gave {self.points:g} points, too few to act{self._model_aside('')}"
            )
        if self.decision.rules:
            return ": the rules that fired are no longer kept"
        return f": no rule fired{self._model_aside('')}"

    def _model_aside(self, found: str) -> str:
        """What the model saw, where it is not the one that asked."""
        said = self.decision.probability
        if said is None or "by the model" in found:
            return ""
        return f"; model score {100 * said:.0f} of 100 ({percent(said)} fraud probability)"

    def _asking(self, level: int) -> str:
        """Who asked for this outcome; what cannot be told any more is said."""
        rules = self._by_rules(level)
        found = [*rules, *self._by_model(level), *self._by_points(level, named=bool(rules))]
        found += [] if found else self._by_failure()
        return " and ".join(found) or "by a version that is no longer kept"

    def _by_rules(self, level: int) -> list[str]:
        asking = [
            rule for rule in self.fired if rule.outcome is not None and rule.outcome.strictness == level
        ]
        scenarios = {one.name: one for one in self.ruleset.typologies} if self.ruleset else {}
        plain = [rule for rule in asking if rule.id not in scenarios]
        said = [f"by {_rules(plain)}"] if plain else []
        for rule in asking:
            if rule.id in scenarios:
                one = scenarios[rule.id]
                score = self.decision.typologies.get(one.id, 0.0)
                said.append(f"by typology {one.title} (score {score:.0f} of 100, acts from {one.at:g})")
        return said

    def _by_model(self, level: int) -> list[str]:
        said = self.decision.probability
        if said is None:
            return []
        if self.bands is None:
            alone = not self.fired and not self.decision.degraded
            return [f"by the model: {percent(said)} fraud probability"] if alone else []
        if int(asked(self.bands, np.array([said]))[0]) != level:
            return []
        thresholds = (None, self.bands.challenge_at, self.bands.review_at, self.bands.decline_at)
        at = thresholds[level]
        assert at is not None
        digits = 2 if percent(said) != percent(at) else 4
        mainly = f"; mainly {', '.join(list(self.causes.values())[:_NAMED])}" if self.causes else ""
        seen = f"{percent(said, digits)} fraud probability, threshold {percent(at, digits)}"
        return [f"by the model: {seen}{mainly}"]

    def _by_points(self, level: int, *, named: bool) -> list[str]:
        """That points ask for it; with the rules that gave them, unless some are `named` already."""
        if self.ruleset is None:
            return []
        policy = self.ruleset.policy
        at = (None, policy.challenge_at, policy.review_at, policy.decline_at)[level]
        if at is None or self.points < at:
            return []
        if named:
            return [f"by points ({self.points:g}, {OUTCOMES[level]} from {at:g})"]
        return [f"by points: {_rules(self.fired)} add up to {self.points:g}, {OUTCOMES[level]} from {at:g}"]

    def _by_failure(self) -> list[str]:
        missing = [name for name in self.decision.degraded if name not in OUT_OF_TIME]
        return [f"because it was decided without the {' and the '.join(missing)}"] if missing else []


def _rules(rules: Sequence[Rule]) -> str:
    named = ", ".join(f"“{rule.title}” ({rule.id})" for rule in rules[:_NAMED])
    more = len(rules) - _NAMED
    what = "rule" if len(rules) == 1 else "rules"
    return f"{what} {named}{f' and {more} more' if more > 0 else ''}"
