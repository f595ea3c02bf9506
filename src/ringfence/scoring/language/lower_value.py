"""Numbers and texts of an expression as registers of the program."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sqlglot import exp

from ringfence.scoring.language import operations as ops
from ringfence.scoring.language.expression import values_of
from ringfence.scoring.language.names import TIME_PARTS, Type, check_zone
from ringfence.scoring.language.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.scoring.language.expression import Scope
    from ringfence.scoring.language.syntax import Parsed

_BINARY: Final[dict[type[exp.Expression], Callable[..., Any]]] = {
    exp.Add: np.add,
    exp.Sub: np.subtract,
    exp.Mul: np.multiply,
    exp.Div: ops.divide,
    exp.Mod: np.fmod,
}
_UNARY: Final[dict[type[exp.Expression], Callable[..., Any]]] = {
    exp.Neg: np.negative,
    exp.Abs: np.abs,
    exp.Floor: np.floor,
    exp.Ceil: np.ceil,
}
_EXTREMES: Final[dict[type[exp.Expression], Callable[..., Any]]] = {exp.Least: np.fmin, exp.Greatest: np.fmax}
_CHOICES: Final = (exp.Case, exp.Coalesce, exp.Nullif)


def number(scope: Scope, node: exp.Expression) -> int:
    """Register of a numeric part."""
    scope.expect(node, Type.NUMBER)
    if isinstance(node, exp.Paren):
        return number(scope, node.this)
    if isinstance(node, exp.Column):
        name = scope.name(node)
        derived = scope.names.derived.get(name)
        return scope.build.load("number", name) if derived is None else derived(scope.build)
    if isinstance(node, exp.Literal):
        return scope.build.constant(_literal(scope, node))
    if isinstance(node, exp.Null):
        return scope.build.add(_nan)
    if isinstance(node, _CHOICES):
        return _choice(scope, node, number)
    return _arithmetic(scope, node)


def _arithmetic(scope: Scope, node: exp.Expression) -> int:
    kind = type(node)
    if kind in _BINARY:
        return scope.build.add(_BINARY[kind], number(scope, node.this), number(scope, node.expression))
    if kind in _UNARY:
        return scope.build.add(_UNARY[kind], number(scope, node.this))
    if kind in _EXTREMES:
        registers = [number(scope, part) for part in (node.this, *node.expressions)]
        result = registers[0]
        for register in registers[1:]:
            result = scope.build.add(_EXTREMES[kind], result, register)
        return result
    if kind is exp.Length:
        return scope.build.add(ops.text_length, text(scope, node.this))
    if kind is exp.Round:
        return _round(scope, node)
    if kind is exp.Extract:
        return scope.build.load("time_part", *extracted(scope.parsed, node))
    raise scope.error(f"{node.key.upper()} is not part of the rule language", node)


def _round(scope: Scope, node: exp.Expression) -> int:
    places = node.args.get("decimals")
    if places is None:
        return scope.build.add(ops.round_half_away, number(scope, node.this))
    negative = isinstance(places, exp.Neg)
    literal = places.this if negative else places
    if not (isinstance(literal, exp.Literal) and literal.name.isdecimal() and int(literal.name[:9]) <= 15):
        raise scope.error("ROUND takes a literal number of digits, at most 15", places)
    digits = -int(literal.name) if negative else int(literal.name)
    return scope.build.add(ops.round_half_away, number(scope, node.this), value=digits)


def extracted(parsed: Parsed, node: exp.Expression) -> tuple[str, str]:
    """Part and zone of EXTRACT(part FROM event_time AT TIME ZONE 'zone'); without a zone it is empty."""
    part, moment, zone = node.this.name.lower(), node.expression, ""
    if part not in TIME_PARTS:
        raise parsed.error(f"EXTRACT takes {', '.join(TIME_PARTS)}, not {part[:40]!r}", node)
    if isinstance(moment, exp.AtTimeZone):
        written, moment = moment.args["zone"], moment.this
        if not (isinstance(written, exp.Literal) and written.is_string):
            raise parsed.error("AT TIME ZONE takes a literal such as 'Europe/Berlin'", written)
        zone = written.name
        check_zone(zone, lambda message: parsed.error(message, written))
    if not (isinstance(moment, exp.Column) and moment.sql().lower() == "event_time"):
        raise parsed.error("EXTRACT takes a part of event_time, of no other value", moment)
    return part, zone


def _literal(scope: Scope, node: exp.Literal) -> np.float64:
    value = float(node.name)
    if not math.isfinite(value):
        raise scope.error("this number is too large", node)
    return np.float64(value)


def _nan() -> np.float64:
    return np.float64(np.nan)


def text(scope: Scope, node: exp.Expression) -> int:
    """Register of a text part."""
    scope.expect(node, Type.TEXT)
    if isinstance(node, exp.Paren):
        return text(scope, node.this)
    if isinstance(node, exp.Column):
        return scope.build.load("text", scope.name(node))
    if isinstance(node, exp.Literal):
        return scope.build.add(_text_constant, value=node.name)
    if isinstance(node, exp.Null):
        return scope.build.add(_no_text)
    if isinstance(node, _CHOICES):
        return _choice(scope, node, text)
    if isinstance(node, (exp.Lower, exp.Upper)):
        change = ops.text_lower if isinstance(node, exp.Lower) else ops.text_upper
        return scope.build.add(change, text(scope, node.this))
    raise scope.error(f"{node.key.upper()} does not give a text", node)


def _text_constant(word: str) -> Text:
    return Text.constant(word)


def _no_text() -> Text:
    return ops.NO_TEXT


def _choice(scope: Scope, node: exp.Expression, lower: Callable[[Scope, exp.Expression], int]) -> int:
    """CASE, COALESCE, NULLIF of numbers or texts, by `lower`."""
    is_text = lower is text
    build = scope.build
    if isinstance(node, exp.Nullif):
        equal = scope.conditions.equality(
            scope, node.this, node.expression, Type.TEXT if is_text else Type.NUMBER
        )
        return build.add(
            ops.text_null_where if is_text else ops.null_where, lower(scope, node.this), equal.true
        )
    values = [lower(scope, part) for part in values_of(node)]
    if isinstance(node, exp.Coalesce):
        result = values[-1]
        for value in reversed(values[:-1]):
            result = build.add(ops.text_first_known if is_text else ops.first_known, value, result)
        return result
    conditions = scope.conditions.branches(scope, node)
    has_default = len(values) > len(conditions)
    result = values.pop() if has_default else build.add(_no_text if is_text else _nan)
    for condition, value in zip(reversed(conditions), reversed(values), strict=True):
        result = build.add(ops.text_choose if is_text else ops.choose, condition.true, value, result)
    return result
