"""Rule books over a specification, with nothing of them left out but what is shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.errors import RuleError
from ringfence.scoring.rulesets.books import default_book
from ringfence.scoring.rulesets.outcomes import Mode
from ringfence.scoring.rulesets.rules import fit

if TYPE_CHECKING:
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.rulesets.rules import CompiledRules
    from ringfence.scoring.rulesets.ruleset import RuleSet


def compiled_of(book: RuleSet, spec: FeatureSpec) -> CompiledRules:
    """Rules over a specification; `RuleError` for one that does not compile, unless shipped so."""
    compiled, left_out = fit(book, spec)
    shipped = default_book().every_rule
    for left in left_out:
        if left.rule not in shipped and left.rule.mode is not Mode.ARCHIVED:
            raise RuleError(left.why)
    return compiled
