"""Functions that Fraud Detector and FQL share with the rule language under other names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.rulebook.foreign.patterns import like
from ringfence.rulebook.foreign.tokens import Untranslatable
from ringfence.rulebook.foreign.writing import Value, Writer, literal
from ringfence.scoring.language.names import Type

if TYPE_CHECKING:
    from ringfence.rulebook.foreign import grammar
    from ringfence.rulebook.foreign.grammar import ForeignNode

_OF_TEXT: Final = {
    **dict.fromkeys((".tolower", ".tolowerinvariant", "lowercase", "lower"), "LOWER"),
    **dict.fromkeys((".toupper", ".toupperinvariant", "uppercase", "upper"), "UPPER"),
}
_OF_NUMBERS: Final = {
    **dict.fromkeys(("math.abs", "abs"), ("ABS", 1, 1)),
    **dict.fromkeys(("math.floor", "floor"), ("FLOOR", 1, 1)),
    **dict.fromkeys(("math.ceiling", "ceil", "ceiling"), ("CEIL", 1, 1)),
    **dict.fromkeys(("math.min", "min"), ("LEAST", 2, 2)),
    **dict.fromkeys(("math.max", "max"), ("GREATEST", 2, 2)),
}
_AROUND: Final = {".startswith": ("", "%"), ".endswith": ("%", ""), ".contains": ("%", "%")}
_TO_NUMBER: Final = frozenset(
    (".todouble", ".toint32", ".toint", ".asint", ".asdouble", "convert.toint32", "convert.todouble")
)


def shared(writer: Writer, node: grammar.Call) -> Value | None:  # noqa: PLR0911 (one line a kind)
    """What a function gives here; None where it is none of these."""
    name, arguments = node.name.lower(), node.arguments
    if name in _OF_TEXT:
        return Value(f"{_OF_TEXT[name]}({writer.text(one(node))})", Type.TEXT)
    if name in (".length", "length", "getlength"):
        return Value(f"LENGTH({writer.text(one(node))})", Type.NUMBER)
    if name in _OF_NUMBERS:
        ours, least, most = _OF_NUMBERS[name]
        if not least <= len(arguments) <= most:
            raise Untranslatable(f"{node.name} takes {least} values", node.at)
        return Value(f"{ours}({', '.join(writer.number(part) for part in arguments)})", Type.NUMBER)
    if name in _AROUND:
        before, after = _AROUND[name]
        held = writer.constant(two(node)[1], f"what {node.name.lstrip('.')} looks for")
        pattern = like(held, node.at, before=before, after=after)
        return Value(f"{writer.text(two(node)[0])} LIKE {pattern}", Type.BOOLEAN)
    if name in (".isnullorempty", "string.isnullorempty"):
        return Value(f"COALESCE({writer.value(one(node), Type.TEXT).sql}, '') = ''", Type.BOOLEAN)
    if name in (".ignorecaseequals", ".equals"):
        around = "LOWER({})" if name == ".ignorecaseequals" else "{}"
        left, right = (around.format(writer.text(part)) for part in two(node))
        return Value(f"{left} = {right}", Type.BOOLEAN)
    if name in ("exists", "isnull", "is_null"):
        value = writer.value(one(node), None)
        return Value(f"{value.sql} IS {'NOT ' * (name == 'exists')}NULL", Type.BOOLEAN)
    if name in _TO_NUMBER:
        return writer.value(arguments[0], Type.NUMBER) if arguments else None
    return None


def one(node: grammar.Call) -> ForeignNode:
    """The only argument."""
    if len(node.arguments) != 1:
        raise Untranslatable(f"{node.name.lstrip('.')} takes one value", node.at)
    return node.arguments[0]


def two(node: grammar.Call) -> tuple[ForeignNode, ForeignNode]:
    """Both arguments."""
    if len(node.arguments) != 2:
        raise Untranslatable(f"{node.name.lstrip('.')} takes two values", node.at)
    return node.arguments[0], node.arguments[1]


def in_list(writer: Writer, node: ForeignNode, name: str) -> Value:
    """Whether a value is on a list."""
    value = writer.value(node, Type.TEXT)
    return Value(f"{value.sql} IN LIST {literal(name)}", Type.BOOLEAN)
