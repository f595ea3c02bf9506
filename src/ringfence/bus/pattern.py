"""Patterns in the content-filter language of Amazon EventBridge.

    {"type": [{"prefix": "com.ringfence.decision"}],
     "data": {"outcome": ["decline", "review"], "transaction": {"amount": [{"numeric": [">", 500]}]}}}

A field's list says what it may be; all fields must hold, `$or` takes a list of patterns one of which must.
Of a field that holds a list, one element is enough. A field that an event leaves out, or that holds an empty
list, is met by `{"exists": false}` alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from ringfence.bus.condition import Condition
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Path = tuple[str, ...]
Scalar = str | float | bool | None

MOST_BYTES: Final = 16_384
MOST_TESTS: Final = 500
_MOST_DEPTH: Final = 16
_MOST_ASTERISKS: Final = 32
_LARGEST: Final = 1e15
_TESTS: Final = ("prefix", "suffix", "anything-but", "numeric", "exists", "wildcard", "equals-ignore-case")


@dataclass(frozen=True, slots=True)
class Exact:
    """The value itself; numbers are equal by value, and no truth value is a number."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class TextPattern:
    """How a text begins or ends, or what it is; `fold` where case does not matter."""

    how: str  # prefix, suffix, whole
    text: str
    fold: bool


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A text in which each asterisk stands for any characters, also for none.

    `parts` are what is between the asterisks, also where that is nothing.
    """

    parts: tuple[str, ...]

    def takes(self, value: str) -> bool:
        """Whether a text is like that: the first place of each part will do, so nothing is tried twice."""
        first, *middle = self.parts
        last = middle.pop() if middle else None
        if last is None:
            return value == first
        at, end = len(first), len(value) - len(last)
        if at > end or not (value.startswith(first) and value.endswith(last)):
            return False
        for part in middle:
            found = value.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True


@dataclass(frozen=True, slots=True)
class Numeric:
    """A number between two bounds, each with or without the bound itself."""

    low: float
    with_low: bool
    high: float
    with_high: bool


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether the field is there at all."""

    there: bool


@dataclass(frozen=True, slots=True)
class AnythingBut:
    """A value that none of these tests takes."""

    tests: tuple[Test, ...]


Test = Exact | TextPattern | Wildcard | Numeric | Exists | AnythingBut


@dataclass(frozen=True, slots=True)
class FieldPattern:
    """One field, and the tests one of which has to take it."""

    path: Path
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold."""

    parts: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One part holds."""

    parts: tuple[Pattern, ...]


Pattern = FieldPattern | Every | Either | Condition


def wanted(text: str) -> Pattern:
    """What a subscriber asks for: a pattern as JSON, or else an expression; `InputError` as of these.

    >>> wanted("outcome = 'decline'").text
    "outcome = 'decline'"
    """
    if text.lstrip().startswith(("{", "[")):
        return parse(text)
    from ringfence.bus.expression import compiled  # noqa: PLC0415 (loads the rule language)

    return compiled(text)


def parse(text: str) -> Pattern:
    """The pattern that a JSON text is; `InputError` names the place of what is none.

    >>> parse('{"data": {"outcome": ["decline"]}}')
    FieldPattern(path=('data', 'outcome'), tests=(Exact(value='decline'),))
    """
    if len(text.encode()) > MOST_BYTES:
        raise InputError(f"the pattern is longer than {MOST_BYTES:,} bytes")
    try:
        found = json.loads(text, object_pairs_hook=_once)
        json.dumps(found, ensure_ascii=False).encode()  # no half of a character, which no event can hold
    except (ValueError, RecursionError) as error:
        raise InputError(f"the pattern is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise InputError('a pattern is a JSON object, such as {"data": {"outcome": ["decline"]}}')
    pattern = _parsed(found, (), 0)
    if sum(len(field.tests) for field in fields(pattern)) > MOST_TESTS:
        raise InputError(f"the pattern has more than {MOST_TESTS} tests: split it into several subscriptions")
    return pattern


def fields(pattern: Pattern) -> Iterator[FieldPattern]:
    """Every field that a pattern asks for."""
    if isinstance(pattern, FieldPattern):
        yield pattern
    elif not isinstance(pattern, Condition):
        for part in pattern.parts:
            yield from fields(part)


def matches(pattern: Pattern, event: Mapping[str, Any]) -> bool:
    """Whether an event, as parsed JSON, is one that the pattern wants.

    >>> matches(parse('{"data": {"score": [{"numeric": [">=", 80]}]}}'), {"data": {"score": 93.5}})
    True
    """
    if isinstance(pattern, Condition):
        return pattern.holds(event)
    if isinstance(pattern, Every):
        return all(matches(part, event) for part in pattern.parts)
    if isinstance(pattern, Either):
        return any(matches(part, event) for part in pattern.parts)
    values = list(_values(event, pattern.path))
    return any(_found(test, values) for test in pattern.tests)


def is_taken(test: Test, value: Scalar) -> bool:
    """Whether a test takes one value."""
    if isinstance(test, Exact):
        return _is_bool(test.value) == _is_bool(value) and test.value == value
    if isinstance(test, TextPattern):
        return isinstance(value, str) and _is_like(test, value)
    if isinstance(test, Wildcard):
        return isinstance(value, str) and test.takes(value)
    if isinstance(test, Numeric):
        return isinstance(value, int | float) and not _is_bool(value) and _is_between(test, value)
    if isinstance(test, AnythingBut):
        return not any(is_taken(one, value) for one in test.tests)
    return test.there


def _is_like(test: TextPattern, value: str) -> bool:
    text, wanted = (value.lower(), test.text.lower()) if test.fold else (value, test.text)
    if test.how == "prefix":
        return text.startswith(wanted)
    return text.endswith(wanted) if test.how == "suffix" else text == wanted


def _is_between(test: Numeric, value: float) -> bool:
    above = value > test.low or (test.with_low and value == test.low)
    return above and (value < test.high or (test.with_high and value == test.high))


def _found(test: Test, values: list[Scalar]) -> bool:
    if isinstance(test, Exists):
        return bool(values) == test.there
    return any(is_taken(test, value) for value in values)


def _values(event: Any, path: Path) -> Iterator[Scalar]:
    """What is at a path, the elements of lists one by one."""
    if isinstance(event, list | tuple):
        for each in event:
            yield from _values(each, path)
    elif not path:
        if not isinstance(event, dict):
            yield event
    elif isinstance(event, dict) and path[0] in event:
        yield from _values(event[path[0]], path[1:])


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{max(names, key=names.count)!r} stands twice in one object")
    return found


def _parsed(given: dict[str, Any], path: Path, depth: int) -> Pattern:
    if not given:
        raise InputError(f"{_place(path)}: an empty object wants nothing; name a field")
    if depth > _MOST_DEPTH:
        raise InputError(f"{_place(path)}: patterns are at most {_MOST_DEPTH} levels deep")
    parts: list[Pattern] = []
    for name, wanted in given.items():
        here = (*path, name)
        if name == "$or":
            parts.append(_either(wanted, path, depth + 1))
        elif isinstance(wanted, dict):
            parts.append(_parsed(wanted, here, depth + 1))
        elif isinstance(wanted, list) and wanted:
            parts.append(FieldPattern(here, tuple(_test(one, here) for one in wanted)))
        else:
            raise InputError(
                f"{_place(here)}: a list of what the field may be is needed, such as "
                f'["decline"], not {json.dumps(wanted)[:60]}'
            )
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def _either(wanted: Any, path: Path, depth: int) -> Pattern:
    here = (*path, "$or")
    if not isinstance(wanted, list) or len(wanted) < 2 or not all(isinstance(one, dict) for one in wanted):
        raise InputError(f"{_place(here)}: a list of two or more objects is needed")
    return Either(tuple(_parsed(one, path, depth) for one in wanted))


def _test(given: Any, path: Path) -> Test:
    if given is None or isinstance(given, str | bool):
        return Exact(given)
    if isinstance(given, int | float):
        return Exact(_number(given, path))
    if not isinstance(given, dict) or len(given) != 1:
        raise InputError(f"{_place(path)}: a value or an object with one test is needed")
    ((name, told),) = given.items()
    here = (*path, name)
    make = _MAKERS.get(name)
    if make is None:
        near = get_close_matches(name, _TESTS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(_TESTS)}"
        raise InputError(f"{_place(path)}: there is no test {name[:60]!r}: {hint}")
    return make(told, here)


def _text_test(how: str) -> Callable[[Any, Path], Test]:
    def make(told: Any, path: Path) -> Test:
        fold = isinstance(told, dict) and list(told) == ["equals-ignore-case"]
        return TextPattern(how, _text(told["equals-ignore-case"] if fold else told, path), fold)

    return make


def _same_text(told: Any, path: Path) -> Test:
    return TextPattern("whole", _text(told, path), fold=True)


def _wildcard(told: Any, path: Path) -> Test:
    parts = [""]
    text = _text(told, path)
    at = 0
    while at < len(text):
        if text[at] == "\\":
            if text[at + 1 : at + 2] not in ("*", "\\"):
                raise InputError(f"{_place(path)}: a backslash goes before an asterisk or a backslash")
            at += 1
            parts[-1] += text[at]
        elif text[at] == "*":
            if len(parts) > 1 and not parts[-1]:
                raise InputError(f"{_place(path)}: two asterisks side by side; one is enough")
            parts.append("")
        else:
            parts[-1] += text[at]
        at += 1
    if len(parts) > _MOST_ASTERISKS + 1:
        raise InputError(f"{_place(path)}: a text with at most {_MOST_ASTERISKS} asterisks is needed")
    return Wildcard(tuple(parts))


def _numeric(told: Any, path: Path) -> Test:
    if not isinstance(told, list) or len(told) not in (2, 4):
        raise InputError(f'{_place(path)}: a list such as [">", 0, "<=", 5] is needed')
    low, with_low, high, with_high = float("-inf"), False, float("inf"), False
    signs = []
    for sign, bound in zip(told[::2], told[1::2], strict=True):
        if not isinstance(bound, int | float) or isinstance(bound, bool):
            raise InputError(f"{_place(path)}: {json.dumps(bound)[:60]} is no number")
        number = _number(bound, path)
        signs.append(sign)
        if sign == "=":
            low, with_low, high, with_high = number, True, number, True
        elif sign in (">", ">="):
            low, with_low = number, sign == ">="
        elif sign in ("<", "<="):
            high, with_high = number, sign == "<="
        else:
            raise InputError(f"{_place(path)}: {json.dumps(sign)[:60]} is none of = < <= > >=")
    if len(signs) == 2 and {sign[0] for sign in signs} != {"<", ">"}:
        raise InputError(f"{_place(path)}: two bounds are one below and one above")
    if low > high or (low == high and not (with_low and with_high)):
        raise InputError(f"{_place(path)}: no number is between {low:g} and {high:g}")
    return Numeric(low, with_low, high, with_high)


def _exists(told: Any, path: Path) -> Test:
    if not isinstance(told, bool):
        raise InputError(f"{_place(path)}: true or false is needed")
    return Exists(told)


def _anything_but(told: Any, path: Path) -> Test:
    if isinstance(told, dict) and len(told) == 1:
        ((name, values),) = told.items()
        if name not in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
            raise InputError(f"{_place(path)}: {name[:60]!r} cannot be excluded")
        listed = values if isinstance(values, list) else [values]
        if not listed:
            raise InputError(f"{_place(path)}: an empty list excludes nothing")
        return AnythingBut(tuple(_MAKERS[name](one, (*path, name)) for one in listed))
    listed = told if isinstance(told, list) else [told]
    if not listed or not (
        all(isinstance(one, str) for one in listed)
        or all(isinstance(one, int | float) and not isinstance(one, bool) for one in listed)
    ):
        raise InputError(f"{_place(path)}: texts, or numbers, or one test are needed")
    return AnythingBut(tuple(_test(one, path) for one in listed))


_MAKERS: Final[dict[str, Callable[[Any, Path], Test]]] = {
    "prefix": _text_test("prefix"),
    "suffix": _text_test("suffix"),
    "equals-ignore-case": _same_text,
    "wildcard": _wildcard,
    "numeric": _numeric,
    "exists": _exists,
    "anything-but": _anything_but,
}


def _text(told: Any, path: Path) -> str:
    if not isinstance(told, str) or not told:
        raise InputError(f"{_place(path)}: a text is needed, not {json.dumps(told)[:60]}")
    return told


def _number(told: float, path: Path) -> float:
    if not -_LARGEST <= told <= _LARGEST:
        raise InputError(f"{_place(path)}: numbers are between -1e15 and 1e15")
    return told


def _place(path: Path) -> str:
    return ".".join(path) or "the pattern"
