"""JSON objects of any shape as rows: nested fields by their paths, the list that holds the records."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ringfence.adapters.files.json_stream import is_lines
from ringfence.errors import InputError
from ringfence.events.decoding.decode import RECORD_LIMIT

OBJECT_BYTES: Final = 16 * RECORD_LIMIT
"""Of JSON that is looked at, where an object may hold the records of a whole file."""

_PLAIN: Final = re.compile(r"[^.\[\]\"]+")
_DEPTH: Final = 8
_ENVELOPE: Final = 4  # levels down that a list of records may stand
_NAMES: Final = 600
_FIELDS: Final = 3  # that a record has at least
_FEW: Final = 2  # fields of a time and an amount, or of two addresses of one payment
_ALIKE: Final = 2  # records under names that make their object one of records


def objects_in(head: bytes, where: str, limit: int) -> tuple[list[str], list[list[Any]], dict[str, Any]]:
    """Paths, rows and the `[file]` options of the first objects: lines, an array, or a list within one."""
    text = head.decode("utf-8", "replace").removeprefix("\ufeff")
    ways = (_by_line, _pretty) if begins_lines(head) else (_pretty, _by_line)
    objects = next(filter(None, (way(text, limit) for way in ways)), [])
    if not objects:
        raise InputError(
            f"{where}: none of the first lines is a JSON object with fields{_why_none(text.lstrip())}"
        )
    if len(objects) == 1:
        _refuse_other_shapes(objects[0], where)
    options: dict[str, Any] = {}
    inside = _records_list(objects[0])
    if inside and (len(objects) == 1 or _mostly_inside(objects[0], inside)):
        options["each"] = ".".join(map(_key, inside))
        objects = [one for outer in objects for one in _each(outer, inside)][:limit]
    flat = [_flat(one) for one in objects[:limit]]
    names = list(dict.fromkeys(name for one in flat for name in one))[:_NAMES]
    if "each" in options:  # of two that fit as well, the record's own comes before the envelope's
        names.sort(key=lambda name: not name.startswith(options["each"] + "."))
    rows = [[_sound(one.get(name)) for name in names] for one in flat]
    return list(map(_sound, names)), rows, options


def begins_lines(head: bytes) -> bool:
    """Whether JSON has a value a line, told by its beginning."""
    return is_lines(head[:RECORD_LIMIT])


_OTHER_TEXTS: Final = (
    (re.compile(r"//|/\*|#|(?:.*\n)*?[ \t]*//"), "it has comments, which JSON does not know: take them out"),
    (
        re.compile(r"\[\["),
        "its rows are lists: write objects with a name for each value, or CSV (--format csv)",
    ),
    (
        re.compile(r"\)\]\}|while\s*\(1|[A-Za-z_$][\w$.]*\s*\("),
        "it begins with code around the JSON: take that out",
    ),
    (
        re.compile(r"\[?\s*\{\s*'"),
        "it has single quotes, as Python prints objects: write it with json.dumps",
    ),
    (re.compile(r"[^\[{\n][^\n]*[,;\t|]"), "it looks like CSV: say --format csv"),
)
"""What text that should be JSON seems to be by its beginning, and what to do with it."""


def _why_none(text: str) -> str:
    if text.startswith("{") and len(text) >= OBJECT_BYTES:
        return (
            ": the first object is too large to be one record: write those within it a line each "
            "(jq -c '.data[]', where data is the list of them)"
        )
    return next((f": {said}" for pattern, said in _OTHER_TEXTS if pattern.match(text)), "")


def _refuse_other_shapes(item: dict[str, Any], where: str) -> None:
    """`InputError` for one object that holds records by their ids, or columns in place of records."""
    members = list(item.values())
    records = all(isinstance(one, dict) for one in members)
    alike = records and len({tuple(sorted(one)) for one in members}) == 1
    fields = len(_flat(members[0])) if alike else 0
    if (fields >= _FIELDS and len(members) >= _ALIKE) or (fields == _FEW and len(members) > _FEW):
        raise InputError(
            f"{where}: one object holds {len(members):,} records, each under a name of its own: write them "
            f"as lines, with the name in a field (jq -c 'to_entries[] | {{id: .key}} + .value' {where})"
        )
    columns = [one for one in members if isinstance(one, list) and len(one) > 1]
    whole = len(columns) == len(members) >= _FIELDS and len(set(map(len, columns))) == 1
    tabled = {"columns", "data"} <= item.keys() and isinstance(item["data"], list)
    if tabled or (whole and not any(isinstance(one, dict) for column in columns for one in column)):
        raise InputError(
            f"{where}: one object holds columns in place of records: write a record a line "
            '(pandas: to_json(orient="records", lines=True))'
        )


def _sound(value: Any) -> Any:
    """Texts without half a pair of UTF-16, which JSON can write and UTF-8 cannot."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _by_line(text: str, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for line in text.split("\n"):
        try:
            one = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(one, dict) and one:
            found.append(one)
            if len(found) == limit:
                break
    return found


def _pretty(text: str, limit: int) -> list[dict[str, Any]]:
    """The objects of an array, or that stand one after the other over several lines."""
    decoder, at = json.JSONDecoder(), 0
    found: list[dict[str, Any]] = []
    at = len(text) - len(text.lstrip())
    if text[at : at + 1] == "[":
        at += 1
    while at < len(text) and len(found) < limit:
        at += re.match(r"[\s,]*", text[at:])[0].__len__()  # type: ignore[index]
        try:
            one, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        if isinstance(one, dict) and one:
            found.append(one)
    return found


def _records_list(item: dict[str, Any], depth: int = 0) -> list[str]:
    """The path of the longest list of objects within an object, empty where there is none."""
    best: list[str] = []
    size = 0
    for key, value in item.items():
        if isinstance(value, list) and value and all(_is_record(one) for one in value):
            path, count = [key], len(value)
        elif isinstance(value, dict) and depth < _ENVELOPE:
            path = _records_list(value, depth + 1)
            if not path:
                continue
            path = [key, *path]
            count = len(_at(item, path))
        else:
            continue
        if count > size:
            best, size = path, count
    return best


def _is_record(item: Any) -> bool:
    return isinstance(item, dict) and len(_flat(item)) >= _FIELDS


def _mostly_inside(item: dict[str, Any], path: list[str]) -> bool:
    """Whether what an object says stands in that list, as in an envelope around payments."""
    records = _at(item, path)
    return len(records) > 1 and len(_flat(records[0])) > len(_flat(item)) - len(records)


def _at(item: Any, path: list[str]) -> list[Any]:
    for key in path:
        item = item.get(key) if isinstance(item, dict) else None
    return item if isinstance(item, list) else []


def _each(outer: dict[str, Any], path: list[str]) -> list[dict[str, Any]]:
    """The outer object with the list replaced by each of its elements."""

    def replaced(item: dict[str, Any], rest: list[str], one: Any) -> dict[str, Any]:
        key, *below = rest
        return {**item, key: replaced(item[key], below, one) if below else one}

    return [replaced(outer, path, one) for one in _at(outer, path)]


def _flat(item: dict[str, Any], before: str = "", depth: int = 0) -> dict[str, Any]:
    """Paths and plain values; of a list of objects its only element, and of other lists nothing."""
    out: dict[str, Any] = {}
    for key, value in item.items():
        path = f"{before}.{_key(key)}" if before else _key(key) if depth else key
        inside = value
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
            path, inside = f"{path}[0]", value[0]
        if isinstance(inside, dict):
            if depth < _DEPTH:
                out |= _flat(inside, path if before or _PLAIN.fullmatch(key) else _key(key), depth + 1)
        elif not isinstance(value, list):
            out[path] = value
    return out


def _key(key: str) -> str:
    return key if _PLAIN.fullmatch(key) else json.dumps(key, ensure_ascii=False)
