"""One condition on one payment, taken apart: what each part came to, and what would have had to differ."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import sqlglot
from sqlglot import exp

from ringfence.scoring.language.expression import COMPARISONS, Scope, strip
from ringfence.scoring.language.lower_boolean import compile_condition, scope_of
from ringfence.scoring.language.lower_value import number, text
from ringfence.scoring.language.names import Type
from ringfence.scoring.language.program import Builder, run
from ringfence.scoring.language.syntax import Parsed, chain

if TYPE_CHECKING:
    from ringfence.scoring.columns import Columns
    from ringfence.scoring.language.names import Names

_SIGNS: Final = {**COMPARISONS, exp.NEQ: "<>"}  # as texts of conditions have them
_OPPOSITE: Final = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_MOST_WAYS: Final = 5

Value = float | str | bool | None


class ExpressionPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a condition.

    `kind` is "all" or "any" of `parts`, "not" of one, or a "test". `holds` is null where it is unknown.
    `shown` is a test with its values: `card.count_10m is 7, needs >= 5`; only the test where it asks for the
    value that the payment has: `country = 'DE'`.
    """

    kind: str
    text: str
    holds: bool | None
    shown: str = ""
    values: dict[str, Value] = {}
    parts: list[ExpressionPart] = []


class Taker:
    """Takes conditions apart on the one payment of `columns`."""

    def __init__(self, columns: Columns, names: Names) -> None:
        self._columns = columns
        self._names = names

    def take(self, parsed: Parsed) -> ExpressionPart:
        """All parts of a condition."""
        return self._part(parsed, parsed.tree)

    def _part(self, parsed: Parsed, node: exp.Expression) -> ExpressionPart:
        node = strip(node)
        inner: list[exp.Expression] = []
        kind = "test"
        if isinstance(node, exp.And | exp.Or):
            kind, inner = ("all" if isinstance(node, exp.And) else "any"), chain(node)
        elif isinstance(node, exp.Not):
            kind, inner = "not", [node.this]
        parts = [self._part(parsed, one) for one in inner]
        shown = "" if parts else self._shown(parsed, node)
        return ExpressionPart(
            kind=kind,
            text=_sql(node),
            holds=self._truth(parsed, node),
            shown=shown,
            values={} if parts else self._values(parsed, node),
            parts=parts,
        )

    def _truth(self, parsed: Parsed, node: exp.Expression) -> bool | None:
        build = Builder()
        truth = compile_condition(replace(parsed, tree=node), self._names, build)
        true, false = truth.true, truth.false
        registers = run(build.steps, self._columns)
        yes, no = (bool(np.ravel(registers[one])[0]) for one in (true, false))
        return True if yes else False if no else None

    def _values(self, parsed: Parsed, node: exp.Expression) -> dict[str, Value]:
        scope = Scope(parsed, self._names, None)
        columns = dict.fromkeys(scope.name(one) for one in node.find_all(exp.Column))
        nodes = {scope.name(one): one for one in node.find_all(exp.Column)}
        return {
            name: self._value(parsed, nodes[name], self._asked(scope, node, nodes[name])) for name in columns
        }

    def _asked(self, scope: Scope, node: exp.Expression, column: exp.Expression) -> Type | None:
        """The type in which a test asks for a column that could be of any."""
        kind = scope.type_of(column)
        if kind is not None or type(node) not in COMPARISONS:
            return kind
        return scope.common_type([node.this, node.expression])

    def _value(self, parsed: Parsed, node: exp.Expression, kind: Type | None) -> Value:
        build = Builder()
        scope = scope_of(parsed, self._names, build)
        if kind is Type.BOOLEAN or isinstance(strip(node), exp.Boolean):
            return self._truth(parsed, node)
        if kind is Type.TEXT:
            return self._text(build, text(scope, node))
        found = float(np.ravel(run_one(build, number(scope, node), self._columns))[0])
        if not np.isnan(found):
            return found
        if kind is None and isinstance(node, exp.Column):  # an attribute that is no number may be a text
            return self._text(build, text(scope, node))
        return None

    def _text(self, build: Builder, register: int) -> str | None:
        found = run_one(build, register, self._columns)
        code = int(found.codes[0])
        return None if code < 0 else found.words[code]

    def _shown(self, parsed: Parsed, node: exp.Expression) -> str:
        scope = Scope(parsed, self._names, None)
        if type(node) in COMPARISONS:
            return self._compared(parsed, node, scope.common_type([node.this, node.expression]))
        if isinstance(node, exp.Between | exp.In | exp.Like | exp.Is):
            value = self._value(parsed, node.this, scope.type_of(node.this))
            return _needs(_sql(node.this), value, _sql(node).removeprefix(_sql(node.this)).strip())
        if isinstance(node, exp.Column):
            return f"{_sql(node)} is {_spoken(self._truth(parsed, node))}"
        return _sql(node)

    def _compared(self, parsed: Parsed, node: exp.Expression, kind: Type | None) -> str:
        left, right, sign = node.this, node.expression, _SIGNS[type(node)]
        if _is_constant(left) and not _is_constant(right):
            left, right, sign = right, left, _TURNED.get(sign, sign)
        if sign == "=" and _is_constant(right) and self._truth(parsed, node):
            return f"{_sql(left)} = {_sql(right)}"
        shown = _needs(_sql(left), self._value(parsed, left, kind), f"{sign} {_sql(right)}")
        if _is_constant(right):
            return shown
        return f"{shown}, which is {_spoken(self._value(parsed, right, kind))}"


def run_one(build: Builder, register: int, columns: Columns) -> Any:
    """The value of one register."""
    return run(build.steps, columns)[register]


def ways(part: ExpressionPart, *, fire: bool) -> list[list[str]]:
    """What would have had to differ for a condition to be TRUE (`fire`) or not, the fewest changes first.

    Each way is a list of changes that suffice together.
    """
    found = {tuple(dict.fromkeys(way)) for way in _ways(part, fire)}
    return [list(way) for way in sorted(found, key=lambda way: (len(way), way))[:_MOST_WAYS]]


def _ways(part: ExpressionPart, wanted: bool) -> list[tuple[str, ...]]:
    if (part.holds is True) == wanted:
        return [()]
    if part.kind == "test":
        return [(_change(part, wanted),)]
    if part.kind == "not":
        return _ways_not(part.parts[0], wanted)
    other = [one for one in part.parts if (one.holds is True) != wanted]
    options = [_ways(one, wanted)[:_MOST_WAYS] for one in other]
    if (part.kind == "all") == wanted:  # every one of them has to change
        return [tuple(change for way in ways for change in way) for ways in _few(options)]
    return [way for some in options for way in some]


def _ways_not(inner: ExpressionPart, wanted: bool) -> list[tuple[str, ...]]:
    """NOT is TRUE where its inside is FALSE: unknown is not enough."""
    if wanted and inner.holds is None:
        return [(f"NOT ({inner.text}), which is unknown",)]
    return _ways(inner, not wanted)


def _few(options: list[list[tuple[str, ...]]]) -> list[tuple[tuple[str, ...], ...]]:
    """Combinations, one of each list; of many lists only the first."""
    while np.prod([len(one) for one in options]) > 4 * _MOST_WAYS:
        longest = max(range(len(options)), key=lambda at: len(options[at]))
        options[longest] = options[longest][:-1]
    return list(product(*options))


def _change(part: ExpressionPart, wanted: bool) -> str:
    if len(part.values) == 1:
        was = f"was {_spoken(next(iter(part.values.values())))}"
    else:
        was = ", ".join(f"{name} was {_spoken(value)}" for name, value in part.values.items())
    text = part.text if wanted else _negated(part.text)
    return f"{text} ({was})" if was else text


@lru_cache(maxsize=2048)
def _negated(condition: str) -> str:
    """The opposite of a test, in words as plain as they come."""
    if " IN LIST " in condition:
        return condition.replace(" IN LIST ", " NOT IN LIST ")
    tree: Any = sqlglot.parse_one(condition, read="duckdb")
    mark = _SIGNS.get(type(tree))
    if mark is not None:
        return f"{_sql(tree.this)} {_OPPOSITE[mark]} {_sql(tree.expression)}"
    return f"NOT {condition}" if isinstance(tree, exp.Column) else f"NOT ({condition})"


def _needs(subject: str, value: Value, test: str) -> str:
    return f"{subject} is {_spoken(value)}, needs {test}"


def _is_constant(node: exp.Expression) -> bool:
    return node.find(exp.Column) is None


def _sql(node: exp.Expression) -> str:
    """The text of a node, which is kept on it: many payments are explained by the same tree."""
    text: str | None = node.meta.get("text")
    if text is None:
        text = node.meta["text"] = _written(node)
    return text


def _written(node: exp.Expression) -> str:
    if isinstance(node, exp.In) and node.args.get("field") is not None:
        return f"{node.this.sql('duckdb')} IN LIST {node.args['field'].sql('duckdb')}"
    return node.sql("duckdb")


def _spoken(value: Value) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}'"
    return f"{value:.4f}".rstrip("0").rstrip(".")
