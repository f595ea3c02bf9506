"""Conditions of an expression as TRUE and FALSE sets of the program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sqlglot import exp

from ringfence.scoring.language import operations as ops
from ringfence.scoring.language import truth
from ringfence.scoring.language.expression import COMPARISONS, NO_PARAMETERS, Scope, read, strip, values_of
from ringfence.scoring.language.lower_value import number, text
from ringfence.scoring.language.names import Type
from ringfence.scoring.language.syntax import chain
from ringfence.scoring.language.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.scoring.language.names import Names
    from ringfence.scoring.language.program import Builder
    from ringfence.scoring.language.syntax import Parsed

    Lowering = Callable[[Scope, Any], Truth]

_UFUNCS: Final[dict[str, Callable[..., Any]]] = {
    "=": np.equal,
    "!=": ops.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_OPPOSITE: Final = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MIRRORED: Final = {"=": "=", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


def compile_expression(
    text: str, names: Names, build: Builder, parameters: Mapping[str, float | str] = NO_PARAMETERS
) -> Truth:
    """Compile a boolean expression into the program. RuleError points at what is wrong."""
    return compile_condition(read(text, parameters), names, build)


def compile_condition(parsed: Parsed, names: Names, build: Builder) -> Truth:
    """As `compile_expression`, of what `read` gave or of a part of it."""
    return boolean(scope_of(parsed, names, build), parsed.tree)


def scope_of(parsed: Parsed, names: Names, build: Builder) -> Scope:
    """The scope in which conditions and values of one expression are lowered."""
    return Scope(parsed, names, build, _Conditions())


class _Conditions:
    """`expression.Conditions`: values and conditions are mutually recursive."""

    def branches(self, scope: Scope, node: exp.Expression) -> list[Truth]:
        return _case_conditions(scope, node)

    def equality(self, scope: Scope, left: exp.Expression, right: exp.Expression, wanted: Type) -> Truth:
        return equality(scope, left, right, wanted)


def boolean(scope: Scope, node: exp.Expression) -> Truth:
    """Truth of a condition."""
    node = strip(node)
    scope.expect(node, Type.BOOLEAN)
    if type(node) in COMPARISONS:
        return compare(scope, COMPARISONS[type(node)], node.this, node.expression)
    return _LOWERINGS[type(node)](scope, node)


def compare(
    scope: Scope, sign: str, left: exp.Expression, right: exp.Expression, wanted: Type = Type.NUMBER
) -> Truth:
    """Comparison of two parts of one type, which is `wanted` where both would take any."""
    for side in (left, right):
        if isinstance(strip(side), exp.Null):
            raise scope.error("a comparison with NULL is never true", side, "write IS NULL or IS NOT NULL")
    kind = scope.common_type([left, right]) or wanted
    if kind is Type.BOOLEAN:
        return _compare_booleans(scope, sign, left, right)
    if kind is Type.TEXT:
        return _compare_texts(scope, sign, left, right)
    return _compare_registers(scope, sign, number(scope, left), number(scope, right))


def equality(scope: Scope, left: exp.Expression, right: exp.Expression, wanted: Type = Type.NUMBER) -> Truth:
    """`left = right`, as IN and CASE ask it."""
    return compare(scope, "=", left, right, wanted)


def _compare_registers(scope: Scope, sign: str, left: int, right: int) -> Truth:
    build = scope.build
    return Truth(
        lambda: build.add(_UFUNCS[sign], left, right),
        lambda: build.add(_UFUNCS[_OPPOSITE[sign]], left, right),
    )


def _compare_booleans(scope: Scope, sign: str, left: exp.Expression, right: exp.Expression) -> Truth:
    if sign not in ("=", "!="):
        raise scope.error(f"conditions have no order: {sign} takes numbers or texts", left)
    equal = truth.same(scope.build, boolean(scope, left), boolean(scope, right))
    return equal if sign == "=" else equal.negated()


def _compare_texts(scope: Scope, sign: str, left: exp.Expression, right: exp.Expression) -> Truth:
    for side, other, seen in ((right, left, sign), (left, right, _MIRRORED[sign])):
        literal = strip(side)
        if isinstance(literal, exp.Literal):
            return _test_text(scope, other, (seen, literal.name))
    pair = scope.build.add(ops.text_ranks, text(scope, left), text(scope, right))
    return _compare_registers(
        scope, sign, scope.build.add(ops.first_of, pair), scope.build.add(ops.second_of, pair)
    )


def _test_text(scope: Scope, node: exp.Expression, test: tuple[str, Any]) -> Truth:
    register = text(scope, node)
    build = scope.build
    return Truth(
        lambda: build.add(ops.text_is, register, value=test),
        lambda: build.add(ops.text_is_not, register, value=test),
    )


def _and(scope: Scope, node: exp.And) -> Truth:
    return truth.both(scope.build, [boolean(scope, part) for part in chain(node)])


def _or(scope: Scope, node: exp.Or) -> Truth:
    return truth.either(scope.build, [boolean(scope, part) for part in chain(node)])


def _not(scope: Scope, node: exp.Not) -> Truth:
    return boolean(scope, node.this).negated()


def _between(scope: Scope, node: exp.Between) -> Truth:
    low, high = node.args["low"], node.args["high"]
    kind = scope.common_type([node.this, low, high]) or Type.NUMBER
    above = compare(scope, ">=", node.this, low, kind)
    return truth.both(scope.build, [above, compare(scope, "<=", node.this, high, kind)])


def _like(scope: Scope, node: exp.Like) -> Truth:
    pattern = strip(node.expression)
    if not (isinstance(pattern, exp.Literal) and pattern.is_string):
        raise scope.error("LIKE takes a literal pattern such as 'gas%'", node.expression)
    found = _test_text(scope, node.this, ("like", pattern.name))
    return found.negated() if node.args.get("negate") else found


def _in(scope: Scope, node: exp.In) -> Truth:
    if node.args.get("field") is not None:
        return _in_list(scope, node)
    values = node.expressions
    if not values:
        raise scope.error("IN takes values in parentheses, or LIST 'name'", node)
    kind = scope.common_type([node.this, *values])
    literals = [strip(value) for value in values]
    if kind is Type.TEXT and all(isinstance(value, exp.Literal) for value in literals):
        return _test_text(scope, node.this, ("in", tuple(sorted({value.name for value in literals}))))
    if kind is Type.NUMBER and len(values) > 1 and all(isinstance(value, exp.Literal) for value in literals):
        return _in_numbers(scope, node, tuple(sorted({float(value.name) for value in literals})))
    return truth.either(
        scope.build, [equality(scope, node.this, value, kind or Type.NUMBER) for value in values]
    )


def _in_numbers(scope: Scope, node: exp.In, values: tuple[float, ...]) -> Truth:
    build = scope.build
    register = number(scope, node.this)
    found = Truth(
        lambda: build.add(ops.is_one_of, register, value=values),
        lambda: build.add(ops.minus, build.add(ops.known_number, register), found.true),
    )
    return found


def _in_list(scope: Scope, node: exp.In) -> Truth:
    name = node.args["field"]
    if name.meta.get("start") not in scope.parsed.lists:
        raise scope.error("IN takes values in parentheses, or LIST 'name'", name)
    field = strip(node.this)
    if not isinstance(field, exp.Column):
        raise scope.error("only a field of the event can be looked up in a list", node.this)
    register = text(scope, field)
    build, field_name = scope.build, scope.name(field)
    if ".profile." in field_name and not field_name.startswith("attributes."):
        raise scope.error("only a field of the event can be looked up in a list", node.this)
    found = Truth(
        lambda: build.load("member", field_name, name.name),
        lambda: build.add(ops.minus, build.add(ops.text_known, register), found.true),
    )
    return found


def _is(scope: Scope, node: exp.Is) -> Truth:
    wanted = strip(node.expression)
    build = scope.build
    if isinstance(wanted, exp.Null):
        return _is_null(scope, node.this)
    if isinstance(wanted, exp.Boolean):
        part = boolean(scope, node.this)
        return truth.two_valued(build, lambda: part.true if wanted.this else part.false)
    raise scope.error("IS takes NULL, TRUE or FALSE", node)


def _is_null(scope: Scope, node: exp.Expression) -> Truth:
    build, kind = scope.build, scope.type_of(node)
    if kind is Type.BOOLEAN:
        return truth.known(build, boolean(scope, node)).negated()
    inner = strip(node)
    if kind is None and isinstance(inner, exp.Column):
        return truth.two_valued(build, lambda: build.load("is_null", scope.name(inner)))
    if kind is Type.TEXT:
        words = text(scope, node)
        return truth.two_valued(build, lambda: build.add(ops.text_null, words))
    numbers = number(scope, node)
    return truth.two_valued(build, lambda: build.add(np.isnan, numbers))


def _column(scope: Scope, node: exp.Column) -> Truth:
    build, name = scope.build, scope.name(node)

    def side(which: Callable[..., Any]) -> int:
        return build.add(which, build.load("truth", name))

    return Truth(lambda: side(ops.first_of), lambda: side(ops.second_of))


def _boolean(scope: Scope, node: exp.Boolean) -> Truth:
    return truth.constant(scope.build, value=bool(node.this))


def _null(scope: Scope, node: exp.Null) -> Truth:  # noqa: ARG001 (one signature for all)
    return truth.constant(scope.build, value=None)


def _case_conditions(scope: Scope, node: exp.Expression) -> list[Truth]:
    """Conditions of the branches of a CASE, in order."""
    subject = node.args.get("this")
    tests = [branch.this for branch in node.args["ifs"]]
    if subject is None:
        return [boolean(scope, test) for test in tests]
    return [equality(scope, subject, test) for test in tests]


def _case(scope: Scope, node: exp.Case) -> Truth:
    values = [boolean(scope, value) for value in values_of(node)]
    conditions = _case_conditions(scope, node)
    default = values.pop() if len(values) > len(conditions) else truth.constant(scope.build, value=None)
    return truth.cases(scope.build, list(zip(conditions, values, strict=True)), default)


def _coalesce(scope: Scope, node: exp.Coalesce) -> Truth:
    values = [boolean(scope, value) for value in values_of(node)]
    return truth.cases(
        scope.build, [(truth.known(scope.build, value), value) for value in values[:-1]], values[-1]
    )


def _nullif(scope: Scope, node: exp.Nullif) -> Truth:
    equal = equality(scope, node.this, node.expression, Type.BOOLEAN)
    nothing = truth.constant(scope.build, value=None)
    return truth.cases(scope.build, [(equal, nothing)], boolean(scope, node.this))


def _extreme(scope: Scope, node: exp.Expression) -> Truth:
    raise scope.error(f"{node.key.upper()} takes numbers", node)


_LOWERINGS: Final[dict[type[exp.Expression], Lowering]] = {
    exp.And: _and,
    exp.Or: _or,
    exp.Not: _not,
    exp.Between: _between,
    exp.Like: _like,
    exp.In: _in,
    exp.Is: _is,
    exp.Column: _column,
    exp.Boolean: _boolean,
    exp.Null: _null,
    exp.Case: _case,
    exp.Coalesce: _coalesce,
    exp.Nullif: _nullif,
    exp.Least: _extreme,
    exp.Greatest: _extreme,
}
