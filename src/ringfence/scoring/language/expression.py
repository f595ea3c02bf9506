"""Type check and compilation of one expression: its syntax tree becomes steps of a program.

A name has one type, except attributes and profile fields, which take the type that the other side asks for:
text beside a text, boolean where a condition stands, number otherwise. `param.x` is a constant: the
parameter of that name, of the rule or typology that is compiled.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from sqlglot import exp

from ringfence.events.values.norms import NORMED, norm
from ringfence.scoring.language.names import PARAMETER_PREFIX, Names, Type
from ringfence.scoring.language.syntax import Parsed, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.errors import RuleError
    from ringfence.scoring.language.program import Builder
    from ringfence.scoring.language.truth import Truth

COMPARISONS: Final[dict[type[exp.Expression], str]] = {
    exp.EQ: "=",
    exp.NEQ: "!=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_TYPES: Final[dict[type[exp.Expression], Type]] = {
    **dict.fromkeys(
        (exp.And, exp.Or, exp.Not, exp.In, exp.Between, exp.Like, exp.Is, exp.Boolean), Type.BOOLEAN
    ),
    **dict.fromkeys(COMPARISONS, Type.BOOLEAN),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg), Type.NUMBER),
    **dict.fromkeys((exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Length, exp.Extract), Type.NUMBER),
    **dict.fromkeys((exp.Lower, exp.Upper), Type.TEXT),
}
_CHOICES: Final = (exp.Case, exp.Coalesce, exp.Nullif, exp.Least, exp.Greatest)


NO_PARAMETERS: Final[Mapping[str, float | str]] = MappingProxyType({})


def read(text: str, parameters: Mapping[str, float | str] = NO_PARAMETERS) -> Parsed:
    """Syntax tree of an expression with its parameters' values in their places.

    >>> read("amount > param.limit", {"limit": 100}).tree.sql()
    'amount > 100'
    """
    parsed = parse(text)
    found = [node for node in parsed.tree.find_all(exp.Column) if _parameter(node)]
    tree = parsed.tree
    for node in found:
        value = _constant(parsed, node, parameters)
        if node is tree:
            tree = value
        else:
            node.replace(value)
    return replace(parsed, tree=_in_norm(parsed, tree))


def _written(column: exp.Column) -> str:
    """A column's name as the norms have it."""
    return f"{column.table}.{column.name}" if column.table else column.name.lower()


def _in_norm(parsed: Parsed, tree: exp.Expression) -> exp.Expression:
    """The tree with each id it compares also in the norm in which payments bring it (`events.values.norms`).

    As written it stays, too: payments of before are in the log as they came.
    """
    for node in list(tree.find_all(exp.EQ, exp.NEQ, exp.In)):
        sides = [node.this, *node.expressions] if isinstance(node, exp.In) else [node.this, node.expression]
        columns = [_written(side) for side in sides if isinstance(side, exp.Column)]
        texts = [side for side in sides if isinstance(side, exp.Literal) and side.is_string]
        texts = [text for text in texts if text.meta.get("start") not in parsed.lists]
        if len(columns) != 1 or columns[0] not in NORMED or not texts:
            continue
        added = [_literal(norm(columns[0], text.name), text) for text in texts]
        added = [one for one, text in zip(added, texts, strict=True) if one.name != text.name]
        if not added:
            continue
        column = next(side for side in sides if isinstance(side, exp.Column))
        made: exp.Expression = exp.In(this=column.copy(), expressions=[*(t.copy() for t in texts), *added])
        if isinstance(node, exp.NEQ):
            made = exp.Not(this=made)
        if node.parent is None:
            tree = made
        else:
            node.replace(made)
    return tree


def _literal(text: str, like: exp.Expression) -> exp.Expression:
    made = exp.Literal.string(text)
    made.meta["start"] = like.meta.get("start", 0)
    return made


def names_used(parsed: Parsed, names: Names) -> frozenset[str]:
    """Full names of all that an expression speaks of; RuleError for one that does not exist."""
    scope = Scope(parsed, names, None)
    return frozenset(scope.name(node) for node in parsed.tree.find_all(exp.Column))


def lists_named(parsed: Parsed) -> frozenset[str]:
    """Names of the lists that an expression looks into.

    >>> sorted(lists_named(parse("card_id in list 'stolen' or country = 'stolen?'")))
    ['stolen']
    """
    literals = parsed.tree.find_all(exp.Literal)
    return frozenset(node.name for node in literals if node.meta.get("start") in parsed.lists)


def _parameter(node: exp.Column) -> str:
    """Name of the parameter that a column stands for, empty for any other."""
    written = ".".join(part.name for part in node.parts)
    return written.removeprefix(PARAMETER_PREFIX) if written.startswith(PARAMETER_PREFIX) else ""


def _constant(parsed: Parsed, node: exp.Column, parameters: Mapping[str, float | str]) -> exp.Expression:
    name = _parameter(node)
    if name not in parameters:
        near = difflib.get_close_matches(name[:80], list(parameters), n=1) or list(parameters)[:5]
        remedy = f"did you mean {' or '.join(near)}?" if near else "declare it under `parameters`"
        raise parsed.error(f"there is no parameter {name[:80]!r}", node, remedy)
    value = parameters[name]
    made: exp.Expression = exp.Literal.string(value) if isinstance(value, str) else number_literal(value)
    start = parsed.position(node)
    for part in made.walk():
        part.meta["start"] = start
    return made


def number_literal(value: float) -> exp.Expression:
    """A number as a part of an expression."""
    literal = exp.Literal.number(repr(int(value) if float(value).is_integer() else abs(value)).lstrip("-"))
    return exp.Paren(this=exp.Neg(this=literal)) if value < 0 else literal


class Conditions(Protocol):
    """The conditions that are parts of values: of a CASE, of a NULLIF."""

    def branches(self, scope: Scope, node: exp.Expression) -> list[Truth]:
        """Conditions of the branches of a CASE, in order."""

    def equality(self, scope: Scope, left: exp.Expression, right: exp.Expression, wanted: Type) -> Truth:
        """`left = right`, of values of one type."""


class Scope:
    """What the compilation of one expression shares.

    Its text, the known names, the program, types found so far.
    """

    def __init__(
        self, parsed: Parsed, names: Names, build: Builder | None, conditions: Conditions | None = None
    ) -> None:
        """Without a program to build, types and names can be asked for."""
        self._conditions = conditions
        self.parsed = parsed
        self.names = names
        self._build = build
        self._types: dict[int, Type | None] = {}

    @property
    def build(self) -> Builder:
        """The program that is being built."""
        assert self._build is not None
        return self._build

    @property
    def conditions(self) -> Conditions:
        """How values have the conditions inside them lowered."""
        assert self._conditions is not None
        return self._conditions

    def error(self, message: str, node: exp.Expression, remedy: str = "") -> RuleError:
        return self.parsed.error(message, node, remedy)

    def type_of(self, node: exp.Expression) -> Type | None:
        """Type of a part; None when it would take any (an attribute, or NULL)."""
        if id(node) not in self._types:
            self._types[id(node)] = self._infer(node)
        return self._types[id(node)]

    def _infer(self, node: exp.Expression) -> Type | None:
        if isinstance(node, exp.Paren):
            return self.type_of(node.this)
        if isinstance(node, exp.Column):
            return self.names.type_of(self.name(node))
        if isinstance(node, exp.Literal):
            return Type.TEXT if node.is_string else Type.NUMBER
        if isinstance(node, exp.Null):
            return None
        if isinstance(node, _CHOICES):
            return self.common_type(values_of(node))
        if type(node) in _TYPES:
            return _TYPES[type(node)]
        raise self.error(f"{node.key.upper()} is not part of the rule language", node)

    def common_type(self, nodes: list[exp.Expression]) -> Type | None:
        """The one type of several parts; None when all would take any."""
        found: Type | None = None
        for node in nodes:
            kind = self.type_of(node)
            if found is not None and kind is not None and kind is not found:
                raise self.error(f"{found} and {kind} do not go together: this is {_a(kind)}", node)
            found = found or kind
        return found

    def expect(self, node: exp.Expression, wanted: Type) -> None:
        """Refuse a part of another type."""
        kind = self.type_of(node)
        if kind is not None and kind is not wanted:
            raise self.error(f"{_a(wanted)} is needed here, this is {_a(kind)}", node)

    def name(self, node: exp.Column) -> str:
        """Full dotted name of a column, known for sure; RuleError with the nearest name otherwise."""
        parts = [part.name for part in node.parts]
        written = ".".join(parts)
        for name in (written, written.lower()):
            if name in self.names.fixed or self.names.is_dynamic(name):
                return name
        raise self.error(f"unknown name {written[:80]!r}", node, self.names.nearest(written))


def values_of(node: exp.Expression) -> list[exp.Expression]:
    """The parts of CASE, COALESCE, NULLIF, LEAST, GREATEST that give the result its type."""
    if isinstance(node, exp.Case):
        branches = [branch.args["true"] for branch in node.args["ifs"]]
        return [*branches, node.args["default"]] if node.args.get("default") is not None else branches
    if isinstance(node, exp.Nullif):
        return [node.this, node.expression]
    return [node.this, *node.expressions]


def strip(node: exp.Expression) -> exp.Expression:
    """The node inside any parentheses."""
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def _a(kind: Type) -> str:
    return {Type.NUMBER: "a number", Type.TEXT: "a text", Type.BOOLEAN: "a condition"}[kind]
