"""Paths into nested JSON: `a.b[0].c`; keys with a point or a bracket in them stand in quotes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_STEP: Final = re.compile(r'\[(-?\d+)\]|(?:^|\.)(?:"((?:[^"\\]|\\.)*)"|([^.\[\]"]+))')
DEEPEST: Final = 32

Step = str | int


@lru_cache(maxsize=4096)
def steps(path: str) -> tuple[Step, ...]:
    """Keys and places of a path, empty when it is none.

    >>> steps('a.b[0]."c.d"')
    ('a', 'b', 0, 'c.d')
    """
    found: list[Step] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            return ()
        place, quoted, plain = match.groups()
        key = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        found.append(int(place) if place is not None else key)
        at = match.end()
    return tuple(found)


def look_up(item: dict[str, Any], path: str) -> Any:
    """What stands there, None for nothing; a key of that very name comes first.

    >>> look_up({"a": {"b": [{"c": 7}]}}, "a.b[0].c"), look_up({"a.b": 1, "a": {"b": 2}}, "a.b")
    (7, 1)
    """
    if path in item:
        return item[path]
    found: Any = item
    for step in steps(path) or ("",):
        if isinstance(step, int):
            if not isinstance(found, list) or not -len(found) <= step < len(found):
                return None
            found = found[step]
        elif isinstance(found, dict):
            found = found.get(step)
        else:
            return None
    return found


def flat(item: dict[str, Any], wanted: Iterable[str], *, every: bool) -> dict[str, Any]:
    """The object with the values of the wanted paths beside its own; with `every`, of all nested objects.

    >>> flat({"id": 1, "a": {"b": 2, "c": [3]}}, ["a.c[0]"], every=True)
    {'id': 1, 'a.b': 2, 'a.c[0]': 3}
    """
    out = dict(leaves(item)) if every else dict(item)
    for path in wanted:
        if path not in out:
            found = look_up(item, path)
            if found is not None:
                out[path] = found
    return out


def leaves(item: dict[str, Any], before: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Path and value of all that is neither an object nor a list, objects within objects included."""
    for key, value in item.items():
        path = f"{before}.{written(key)}" if before else key
        if isinstance(value, dict):
            if depth < DEEPEST:
                yield from leaves(value, path if before else written(key), depth + 1)
        elif not isinstance(value, list):
            yield path, value


def places(item: Any, before: str = "", depth: int = 0) -> Iterator[str]:
    """Paths of all that stands in an object, of lists the first element.

    >>> list(places({"a": {"b": [{"c": 1}]}}))
    ['a', 'a.b', 'a.b[0]', 'a.b[0].c']
    """
    if isinstance(item, dict) and depth < DEEPEST:
        for key, value in item.items():
            path = f"{before}.{written(key)}" if before else written(key)
            yield path
            yield from places(value, path, depth + 1)
    elif isinstance(item, list) and item and depth < DEEPEST:
        yield f"{before}[0]"
        yield from places(item[0], f"{before}[0]", depth + 1)


def each(item: dict[str, Any], path: str) -> list[dict[str, Any]]:
    """One object per element of the list at a path, each with the element in place of the list.

    >>> each({"id": 1, "of": {"them": [{"a": 1}, {"a": 2}]}}, "of.them")
    [{'id': 1, 'of': {'them': {'a': 1}}}, {'id': 1, 'of': {'them': {'a': 2}}}]
    """
    found = look_up(item, path)
    if not isinstance(found, list):
        return [item]
    return [_replaced(item, steps(path), element) for element in found]


def _replaced(item: Any, path: tuple[Step, ...], element: Any) -> Any:
    if not path:
        return element
    copy = item.copy()
    copy[path[0]] = _replaced(item[path[0]], path[1:], element)
    return copy


def written(key: str) -> str:
    """A key as a step of a path."""
    if key and not re.search(r'[.\[\]"]', key):
        return key
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
