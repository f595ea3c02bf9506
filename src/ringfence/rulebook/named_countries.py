"""Countries that rules and lists name by a name, where payments have a code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlglot import exp

from ringfence.events.values.countries import alpha_2
from ringfence.events.values.country_names import code_of_name
from ringfence.scoring.language.expression import read
from ringfence.scoring.rulesets.outcomes import Mode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from ringfence.scoring.rulesets.ruleset import RuleSet

_ONE_VALUE: Final = (exp.EQ, exp.NEQ, exp.In)
_TOLD: Final = 20


def named_on_a_list(entries: Iterable[tuple[str | None, str]]) -> list[str]:
    """A warning for each entry, a type and an id, of any type that is a country's name.

    >>> named_on_a_list([(None, "Germany"), ("merchant", "Chad")])
    ["'Germany' is the name of a country. Payments carry its code: add 'DE'"]
    """
    found = {one: code_of_name(one) for kind, one in entries if kind is None}
    return [
        f"{name!r} is the name of a country. Payments carry its code: add {code!r}"
        for name, code in found.items()
        if code is not None
    ][:_TOLD]


def country_names(ruleset: RuleSet, true: Collection[str] = ()) -> list[str]:
    """A warning for each literal that is compared with `country` and is a country's name.

    A source may send names, so that what stands in a part that was `true` of some payments is left alone.
    """
    return [
        f"{what} {name!r} compares country with {text!r}, the name of a country. Payments carry its code: "
        f"write {code!r}"
        for what, name, text, code in _named(ruleset)
        if not any(f"'{text}'" in part for part in true)
    ]


def _named(ruleset: RuleSet) -> Iterator[tuple[str, str, str, str]]:
    """What and which compares the country with a name, that name, and its code."""
    conditions = [
        ("rule", rule.id, rule.when, rule.parameters)
        for rule in ruleset.rules
        if rule.mode is not Mode.ARCHIVED
    ] + [
        ("typology", one.id, signal.when, one.parameters)
        for one in ruleset.typologies
        for signal in one.signals
        if one.mode is not Mode.ARCHIVED
    ]
    for what, identity, condition, parameters in conditions:
        for text in dict.fromkeys(_literals(condition, parameters)):
            code = None if alpha_2(text) else code_of_name(text, nearly=len(text) > len("Mali"))
            if code is not None:
                yield what, identity, text, code


def _literals(condition: str, parameters: Mapping[str, float | str]) -> Iterator[str]:
    """Texts that a condition compares with the payment's country."""
    for node in read(condition, parameters).tree.find_all(*_ONE_VALUE):
        if any(column.sql() == "country" for column in node.find_all(exp.Column)):
            yield from (literal.name for literal in node.find_all(exp.Literal) if literal.is_string)
