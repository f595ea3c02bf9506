"""Velocities of FQL as features: what is counted, over which events, by which key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ringfence.errors import SpecError
from ringfence.events.model import ATTRIBUTE_PREFIX, BIN_FIELDS, CATEGORY_FIELDS, ID_FIELDS
from ringfence.features.spec import ENTITY_KEYS, Where, entity
from ringfence.rulebook.foreign import grammar
from ringfence.rulebook.foreign.tokens import Untranslatable
from ringfence.scoring.language.names import Type

if TYPE_CHECKING:
    from ringfence.features.spec import BoundFeature, Entity
    from ringfence.rulebook.foreign.writing import Writer

_NOT_PAYMENTS: Final = {
    "accountlogin": "sign-ins",
    "accountcreation": "new accounts",
    "chargeback": "chargebacks, which are labels here (card.label_count_28d)",
    "bankevent": "answers of banks",
}
_SIGNS: Final = {"==": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_ENTITIES: Final = {field: name for name, field in ENTITY_KEYS.items()} | {"card_bin": "bin"}


@dataclass(frozen=True, slots=True)
class Velocity:
    """`SELECT <what> AS <name> FROM <events> WHEN <conditions> GROUPBY <key>`."""

    name: str
    what: grammar.ForeignNode
    events: tuple[str, ...]
    key: grammar.ForeignNode
    conditions: tuple[grammar.ForeignNode, ...]

    def feature(self, writer: Writer, window: str) -> BoundFeature:
        """The feature that measures it over a window, without the current event, as a velocity is."""
        self._check_events()
        owner = self._entity(writer)
        where = self._where(writer)
        what = self.what
        if not isinstance(what, grammar.Call) or len(what.arguments) > 1:
            raise Untranslatable("a velocity selects Count(), Sum(...) or DistinctCount(...)", what.at)
        kind = what.name.lower()
        try:
            if kind == "count" and not what.arguments:
                return owner.count(window, where=where, exclude_current=True)
            if kind == "sum" and what.arguments:
                field = writer.value(what.arguments[0], Type.NUMBER).sql
                return owner.sum(unquoted(field), window, where=where, exclude_current=True)
            if kind == "distinctcount" and what.arguments:
                field = writer.value(what.arguments[0], Type.TEXT).sql
                return owner.distinct(unquoted(field), window, where=where, exclude_current=True)
        except SpecError as error:
            raise Untranslatable(str(error), what.at) from error
        raise Untranslatable("a velocity selects Count(), Sum(...) or DistinctCount(...)", what.at)

    def _check_events(self) -> None:
        for name in self.events:
            what = _NOT_PAYMENTS.get(name.split(":")[0].lower())
            if what:
                raise Untranslatable(
                    f"velocity {self.name} is of {what}: features here are of payments", self.key.at
                )

    def _entity(self, writer: Writer) -> Entity:
        if not isinstance(self.key, grammar.Attribute):
            raise Untranslatable(f"velocity {self.name} groups by more than an attribute", self.key.at)
        field = unquoted(writer.value(self.key, Type.TEXT).sql)
        if field in _ENTITIES:
            return entity(_ENTITIES[field])
        return entity(word(field.removeprefix(ATTRIBUTE_PREFIX)), [field])

    def _where(self, writer: Writer) -> Where | None:
        if not self.conditions:
            return None
        if len(self.conditions) > 1 or not isinstance(self.conditions[0], grammar.Binary):
            raise Untranslatable(f"velocity {self.name} has more than one condition", self.conditions[-1].at)
        test = self.conditions[0]
        if test.sign not in _SIGNS or not isinstance(test.right, grammar.Literal):
            why = "a feature here takes one comparison of a field with a value"
            raise Untranslatable(f"velocity {self.name}: {why}", test.at)
        if not isinstance(test.left, grammar.Attribute) or isinstance(test.right.value, bool | None):
            raise Untranslatable(f"velocity {self.name} compares more than a field and a value", test.at)
        kind = Type.TEXT if isinstance(test.right.value, str) else Type.NUMBER
        field = unquoted(writer.value(test.left, kind).sql)
        _check_field(self.name, field, test.at)
        return Where(word(self.name), field, _SIGNS[test.sign], test.right.value)  # type: ignore[arg-type]


def _check_field(name: str, field: str, at: int) -> None:
    fields = (*ID_FIELDS, *CATEGORY_FIELDS, *BIN_FIELDS, "amount", "hour", "weekday")
    if field not in fields and not field.startswith(ATTRIBUTE_PREFIX):
        raise Untranslatable(f"velocity {name} asks for {field}, which no feature may condition on", at)


def unquoted(name: str) -> str:
    """A name without the quotes that a rule puts around odd ones."""
    return name.replace('"', "")


def word(text: str) -> str:
    """A word that may stand in a feature's name.

    >>> word("totalSpending_perUser")
    'totalspending_peruser'
    """
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return (plain if plain[:1].isalpha() else f"v_{plain}")[:40]
