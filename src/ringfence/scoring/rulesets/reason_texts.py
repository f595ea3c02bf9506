"""Names in the reasons of rules: those that an answer can fill in, before a book is saved."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from ringfence.errors import RuleError
from ringfence.events.values.vocabulary import nearest
from ringfence.scoring.language.names import TYPOLOGY_PREFIX
from ringfence.scoring.language.words import split
from ringfence.scoring.rulesets.books import default_book
from ringfence.scoring.rulesets.outcomes import Mode
from ringfence.scoring.rulesets.typologies import SHIPPED, shipped_typology

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.rulesets.ruleset import RuleSet

_NAMED: Final = re.compile(r"\{([^{}]+)\}")
_PROBABILITY: Final = "model.probability"


def check_texts(ruleset: RuleSet, spec: FeatureSpec, before: RuleSet | None = None) -> None:
    """`RuleError` names the first rule whose reason has a name in braces that nothing can fill in.

    Answers are made of the decision alone, so that they are the same whenever they are asked for: they know
    features, scores of typologies and the model's probability, and no field of the payment. Texts of `before`
    and of shipped rules may stay as they are, as may archived rules.
    """
    known = {*spec.names, _PROBABILITY, *(one.name for one in ruleset.typologies)}
    old = _shipped() if before is None else _shipped() | {text for _, text in _texts(before)}
    for who, text in _texts(ruleset):
        for found in () if text in old else _NAMED.finditer(text):
            name = split(found[1])[0]
            if name not in known:
                raise RuleError(
                    f"{who}: its text names {{{found[1][:60]}}}, which is no feature: answers would keep the "
                    f"braces{nearest(name, sorted(known))}. A text may name features, "
                    f"{{{TYPOLOGY_PREFIX}NAME}} and {{{_PROBABILITY}}}; amount, merchant and country stand "
                    "beside it wherever it is shown"
                )


def _texts(ruleset: RuleSet) -> Iterator[tuple[str, str]]:
    for kind, items in (("rule", ruleset.rules), ("typology", ruleset.typologies)):
        for one in items:
            if one.mode is not Mode.ARCHIVED:
                yield f"{kind} {one.id!r}", one.analyst
                yield f"{kind} {one.id!r}", one.customer


@cache
def _shipped() -> frozenset[str]:
    typologies = [shipped_typology(name) for name in SHIPPED]
    own = frozenset(text for one in typologies for text in (one.analyst, one.customer))
    return own | {text for _, text in _texts(default_book())}
