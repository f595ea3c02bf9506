"""Rule books of one rule, for tests that change rules."""

from ringfence.scoring.rulesets.rules import Outcome
from ringfence.scoring.rulesets.ruleset import Rule, RuleSet


def reviews_above(limit):
    """Payments above an amount are reviewed."""
    rule = Rule(
        id="big", title="Big", when=f"amount > {limit}", outcome=Outcome.REVIEW, reason="BIG", analyst="Big."
    )  # fmt: skip
    return RuleSet(rules=(rule,))
