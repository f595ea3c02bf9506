"""The numbers of a rule or typology that can be tuned, and the same with another number in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlglot import exp

from ringfence.errors import InputError
from ringfence.scoring.language.expression import COMPARISONS, strip
from ringfence.scoring.language.syntax import parse
from ringfence.scoring.rulesets.typologies import Typology

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.scoring.rulesets.ruleset import Rule

_TESTS: Final = (*COMPARISONS, exp.Between)


@dataclass(frozen=True, slots=True)
class Tunable:
    """One number: a declared parameter, the `at` of a typology, or a literal of the condition.

    A literal goes by what it is compared with; `start` and `end` are its place in the text, -1 for a
    parameter.
    """

    name: str
    value: float
    start: int = -1
    end: int = -1


def tunables(item: Rule | Typology) -> list[Tunable]:
    """The numbers of a rule or typology, parameters first.

    >>> from ringfence.scoring.rulesets.rules import Rule
    >>> when = "card.count_1h > 5 and amount > 9"
    >>> rule = Rule(id="r", title="", when=when, points=1, reason="R", analyst="")
    >>> [(one.name, one.value) for one in tunables(rule)]
    [('card.count_1h', 5.0), ('amount', 9.0)]
    """
    found = [
        Tunable(name, float(value)) for name, value in item.parameters.items() if not isinstance(value, str)
    ]
    if isinstance(item, Typology):
        return [*found, Tunable("at", item.at)]
    taken = {one.name for one in found}
    for one in _literals(item.when):
        name, number = one.name, 2
        while name in taken:
            name, number = f"{one.name} ({number})", number + 1
        taken.add(name)
        found.append(Tunable(name, one.value, one.start, one.end))
    return found


def _literals(text: str) -> Iterator[Tunable]:
    nodes: list[tuple[int, Any, Any]] = []
    node: Any
    for node in parse(text).tree.find_all(*_TESTS):
        sides: list[Any] = [strip(side) for side in node.args.values() if isinstance(side, exp.Expression)]
        subject = next((side for side in sides if side.find(exp.Column)), None)
        if subject is not None:
            numbers = (one for one in sides if isinstance(one, exp.Literal) and not one.is_string)
            nodes += [(int(one.meta["start"]), one, subject) for one in numbers]
    for start, literal, subject in sorted(nodes, key=lambda item: item[0]):
        yield Tunable(subject.sql("duckdb"), float(literal.name), start, int(literal.meta["end"]) + 1)


def choose(item: Rule | Typology, name: str | None) -> Tunable:
    """The number of that name, or the only one; `InputError` names them where the choice is not clear."""
    found = tunables(item)
    if not found:
        raise InputError(f"{item.id!r} has no number to tune: declare one under `parameters`")
    if name is None and len(found) == 1:
        return found[0]
    known = ", ".join(f"{one.name} (now {one.value:g})" for one in found)
    if name is None:
        raise InputError(f"{item.id!r} has several numbers: name one with --parameter: {known}")
    for one in found:
        if one.name == name or one.name == name.removeprefix("param."):
            return one
    raise InputError(f"{item.id!r} has no number {name!r}: it has {known}")


def rule_with(rule: Rule, which: Tunable, value: float) -> Rule:
    """The rule with another number.

    >>> from ringfence.scoring.rulesets.rules import Rule
    >>> rule = Rule(id="r", title="", when="card.count_1h > 5", points=1, reason="R", analyst="")
    >>> rule_with(rule, tunables(rule)[0], 7).when
    'card.count_1h > 7'
    """
    if which.start < 0:
        return msgspec.structs.replace(rule, parameters=rule.parameters | {which.name: value})
    text = f"{value:.15g}"
    return msgspec.structs.replace(rule, when=rule.when[: which.start] + text + rule.when[which.end :])


def typology_with(typology: Typology, which: Tunable, value: float) -> Typology:
    """The typology with another number."""
    if which.name == "at" and "at" not in typology.parameters:
        return msgspec.structs.replace(typology, at=value)
    return msgspec.structs.replace(typology, parameters=typology.parameters | {which.name: value})
