"""Foreign expressions as conditions of the rule language, by their own meaning of what is missing."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from ringfence.rulebook.foreign import grammar
from ringfence.rulebook.foreign.patterns import quoted
from ringfence.rulebook.foreign.tokens import Untranslatable
from ringfence.scoring.language.names import Type

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.rulebook.foreign.grammar import ForeignNode

_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OURS: Final = {"==": "=", "!=": "<>"}
_MIRRORED: Final = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the rule language: its text, its type (None: whatever its use asks for).

    `missing` is what the other product takes where there is none, None where it takes null.
    """

    sql: str
    type: Type | None
    missing: float | str | bool | None = None

    def filled(self) -> str:
        """Its text, never null where the other product knows none."""
        if self.missing is None or isinstance(self.missing, bool):
            return self.sql
        return f"COALESCE({self.sql}, {literal(self.missing)})"


class Dialect(Protocol):
    """What a product's names and functions mean here."""

    untyped: Type | None
    """Type of a comparison in which nothing tells one; None refuses it."""

    def name(self, node: ForeignNode, wanted: Type | None) -> Value:
        """What an attribute or a variable is here; `wanted` is the type that its use asks for."""

    def call(self, writer: Writer, node: grammar.Call) -> Value | None:
        """What a function gives here, a condition being a value of type BOOLEAN; None where it is unknown."""

    def listed(self, writer: Writer, node: grammar.Binary) -> str | None:
        """The condition of `x in ...` over anything but a bracketed list; None where that is unknown."""


def literal(value: float | str) -> str:
    """A number or text as the rule language writes it.

    >>> literal(5.0), literal("a")
    ('5', "'a'")
    """
    return quoted(value) if isinstance(value, str) else f"{value:.15g}"


class Writer:
    """Writes one dialect's expressions."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def condition(self, node: ForeignNode, *, negated: bool = False) -> str:
        """The condition, TRUE exactly where the other product's is true.

        `negated` where an odd number of negations stands before it: then null would not do for false.
        """
        if isinstance(node, grammar.Unary) and node.sign == "!":
            return f"NOT ({self.condition(node.of, negated=not negated)})"
        if isinstance(node, grammar.Binary):
            return self._binary(node, negated)
        if isinstance(node, grammar.Literal) and isinstance(node.value, bool):
            return str(node.value).upper()
        if isinstance(node, grammar.ForeignChoice):
            test = self.condition(node.test)
            yes, no = map(self.condition, (node.yes, node.no))  # null is false below, whatever stands before
            either = (f"CASE WHEN {part} THEN 1 ELSE 0 END" for part in (yes, no))
            return f"CASE WHEN {test} THEN {' ELSE '.join(either)} END = 1"
        value = self.value(node, Type.BOOLEAN)
        if value.type not in (Type.BOOLEAN, None):
            raise Untranslatable("a condition is needed here, not a value", node.at)
        unsure = isinstance(value.missing, bool) or isinstance(node, grammar.Call)
        return f"({value.sql}) IS TRUE" if unsure and negated else value.sql

    def value(self, node: ForeignNode, wanted: Type | None) -> Value:
        """A value of the wanted type, where that can be told."""
        found = self._value(node, wanted)
        if wanted is not None and found.type not in (wanted, None):
            kind = {"number": "a number", "text": "text", "boolean": "a condition"}
            raise Untranslatable(f"{kind[wanted]} is needed here, not {kind[found.type]}", node.at)
        return found

    def number(self, node: ForeignNode) -> str:
        """A number's text."""
        return self.value(node, Type.NUMBER).filled()

    def text(self, node: ForeignNode) -> str:
        """A text's text."""
        return self.value(node, Type.TEXT).filled()

    def constant(self, node: ForeignNode, what: str) -> str:
        """A text that stands there as such."""
        if isinstance(node, grammar.Literal) and isinstance(node.value, str):
            return node.value
        raise Untranslatable(f"{what} has to stand there as text", node.at)

    def _value(self, node: ForeignNode, wanted: Type | None) -> Value:  # noqa: PLR0911 (one line a kind)
        if isinstance(node, grammar.Literal):
            return _constant(node)
        if isinstance(node, (grammar.Attribute, grammar.Variable)):
            return self._dialect.name(node, wanted)
        if isinstance(node, grammar.Unary) and node.sign == "-":
            return Value(f"-{self.number(node.of)}", Type.NUMBER)
        if isinstance(node, grammar.Binary) and node.sign in "+-*/%":
            return self._arithmetic(node)
        if isinstance(node, grammar.ForeignChoice):
            return self._choice(node, wanted)
        if isinstance(node, grammar.Call):
            found = self._dialect.call(self, node)
            if found is None:
                raise Untranslatable(f"there is no counterpart of {node.name.lstrip('.')}", node.at)
            return found
        if isinstance(node, (grammar.Binary, grammar.Unary)):
            return Value(f"({self.condition(node)})", Type.BOOLEAN)
        raise Untranslatable("this stands where a value is needed", node.at)

    def _arithmetic(self, node: grammar.Binary) -> Value:
        if node.sign == "+" and Type.TEXT in (self.type_of(node.left), self.type_of(node.right)):
            raise Untranslatable("texts are not joined in a rule here", node.at)
        return Value(f"({self.number(node.left)} {node.sign} {self.number(node.right)})", Type.NUMBER)

    def _choice(self, node: grammar.ForeignChoice, wanted: Type | None) -> Value:
        kind = wanted or self.type_of(node.yes) or self.type_of(node.no)
        if kind not in (Type.NUMBER, Type.TEXT):
            raise Untranslatable("nothing tells whether this is a number or text", node.at)
        yes, no = (self.value(part, kind).filled() for part in (node.yes, node.no))
        return Value(f"CASE WHEN {self.condition(node.test)} THEN {yes} ELSE {no} END", kind)

    def _binary(self, node: grammar.Binary, negated: bool) -> str:
        if node.sign in ("and", "or"):
            parts = (self.condition(part, negated=negated) for part in _chain(node))
            return f"({f' {node.sign.upper()} '.join(parts)})"
        if node.sign == "in":
            return self._membership(node, negated)
        if node.sign in _COMPARE:
            return self._comparison(node, negated)
        raise Untranslatable("a condition is needed here, not a number", node.at)

    def _membership(self, node: grammar.Binary, negated: bool) -> str:
        if not isinstance(node.right, grammar.Items):
            found = self._dialect.listed(self, node)
            if found is None:
                raise Untranslatable("in takes a list in brackets, or the name of one", node.right.at)
            return f"({found}) IS TRUE" if negated else found
        kinds = {self.type_of(item) for item in node.right.values}
        kind = kinds.pop() if len(kinds) == 1 else None
        if kind is None:
            raise Untranslatable(
                "a list of nothing but numbers, or nothing but texts, is needed", node.right.at
            )
        items = [self.value(item, kind).sql for item in node.right.values]
        value = self.value(node.left, kind)
        contained = literal(value.missing) in items if isinstance(value.missing, float | str) else False
        left = value.filled() if negated or contained else value.sql
        return f"{left} IN ({', '.join(items)})"

    def _comparison(self, node: grammar.Binary, negated: bool) -> str:
        left, right, sign = node.left, node.right, node.sign
        if isinstance(left, grammar.Literal):
            left, right, sign = right, left, _MIRRORED[sign]
        if isinstance(right, grammar.Literal) and (right.value is None or isinstance(right.value, bool)):
            return self._against_word(left, right.value, sign, negated)
        kind = self.type_of(left) or self.type_of(right) or self._dialect.untyped
        if kind is None:
            raise Untranslatable("nothing tells whether numbers or texts are compared", node.at)
        if kind is Type.BOOLEAN:
            raise Untranslatable("two conditions are compared", node.at)
        one, other = self.value(left, kind), self.value(right, kind)
        holds = isinstance(right, grammar.Literal) and isinstance(one.missing, float | str)
        if holds and not negated and not _COMPARE[sign](one.missing, right.value):  # type: ignore[attr-defined]
            return f"{one.sql} {_OURS.get(sign, sign)} {other.sql}"
        return f"{one.filled()} {_OURS.get(sign, sign)} {other.filled()}"

    def _against_word(self, node: ForeignNode, word: bool | None, sign: str, negated: bool) -> str:
        if sign not in ("==", "!="):
            raise Untranslatable(f"{sign} has no meaning beside true, false or null", node.at)
        if word is None:
            value = self.value(node, None)
            return f"{value.sql} IS {'NOT ' * (sign == '!=')}NULL"
        if word is (sign == "=="):
            return self.condition(node, negated=negated)
        value = self.value(node, Type.BOOLEAN)
        if value.missing is False or not isinstance(node, (grammar.Attribute, grammar.Variable)):
            return f"NOT ({self.condition(node, negated=True)})"
        return f"({value.sql}) IS {'FALSE' if not value.missing else 'NOT TRUE'}"

    def type_of(self, node: ForeignNode) -> Type | None:
        """The type that a part has by itself."""
        if isinstance(node, grammar.Binary):
            return Type.NUMBER if node.sign in "-*/%" else self._type_of_sum(node)
        if isinstance(node, grammar.Unary):
            return Type.NUMBER if node.sign == "-" else Type.BOOLEAN
        if isinstance(node, grammar.ForeignChoice):
            return self.type_of(node.yes) or self.type_of(node.no)
        return self._value(node, None).type

    def _type_of_sum(self, node: grammar.Binary) -> Type | None:
        if node.sign != "+":
            return Type.BOOLEAN
        found = {self.type_of(node.left), self.type_of(node.right)}
        return Type.TEXT if Type.TEXT in found else Type.NUMBER if Type.NUMBER in found else None


def _constant(node: grammar.Literal) -> Value:
    if isinstance(node.value, bool):
        return Value(str(node.value).upper(), Type.BOOLEAN)
    if node.value is None:
        raise Untranslatable("null stands where a value is needed", node.at)
    return Value(literal(node.value), Type.TEXT if isinstance(node.value, str) else Type.NUMBER)


def _chain(node: grammar.Binary) -> list[ForeignNode]:
    """Operands of a run of one operator, in order, without recursion."""
    operands: list[ForeignNode] = []
    pending: list[ForeignNode] = [node]
    while pending:
        part = pending.pop()
        if isinstance(part, grammar.Binary) and part.sign == node.sign:
            pending += [part.right, part.left]
        else:
            operands.append(part)
    return operands
