"""Keys that stand twice in one JSON object: readers disagree about which of the two counts.

A check that sees the first value and a ledger that takes the last decide two different payments, so that
such a record is refused. Most records are cleared by counting colons, the others by a walk through their
bytes; what either finds is only a suspicion, and Python's reader has the last word.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.compiling import compiled
from ringfence.events.bad import Fault, Reason
from ringfence.masking import mask_cards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_QUOTE, _BACKSLASH, _COLON, _OPEN, _CLOSE, _BLANK = b'"\\:{} '
_DEEPEST: Final = 64
_PROBES: Final = 32
_FACTOR: Final = 0xFFF1
_ALL: Final = (1 << 47) - 1  # times the factor it fits into 64 bits
_SHOWN: Final = 40


def are_keys(records: Sequence[bytes], count: int) -> bool:
    """Whether these records, each of which is JSON, have no more than so many keys.

    A reader that found as many values has then lost none. What looks like a key within a text counts as well.

    >>> are_keys([b'{"a": 1, "b": "10:15"}'], 2), are_keys([b'{"a": 1, "a" : 2}'], 1)
    (True, False)
    """
    return bool(_colons_of_keys(_bytes(records)) <= count)


def may_repeat(records: Sequence[bytes]) -> bool:
    """Whether a key may stand twice in one object of these records, each of which is JSON.

    >>> may_repeat([b'{"a": 1, "b": {"a": 2}}', b'{"a": 3}']), may_repeat([b'{"a": 1, "a": 2}'])
    (False, True)
    """
    return bool(_suspicious(_bytes(records)))


def repeated_key(record: bytes) -> str | None:
    r"""The first key that stands twice in one object of a record, None where there is none.

    `RecursionError` of what is nested too deeply for Python's reader, `ValueError` of what it cannot read:
    other readers skip over either in values that nobody asked for.

    >>> repeated_key(b'{"a": {"b": 1, "\\u0062": 2}}'), repeated_key(b'{"a": 1}')
    ('b', None)
    """
    found: list[str] = []

    def seen(pairs: list[tuple[str, Any]]) -> None:
        names: set[str] = set()
        for name, _ in pairs:
            if name in names:
                found.append(name)
            names.add(name)

    json.loads(record, object_pairs_hook=seen, parse_int=str)
    return found[0] if found else None


def repeated_fault(record: bytes) -> Fault | None:
    """What is wrong with JSON one of whose objects has a key twice, or may have one; None where none has."""
    if not may_repeat([record]):
        return None
    try:
        name = repeated_key(record)
    except RecursionError:
        return Fault(Reason.MALFORMED, "", "is nested too deeply")
    except UnicodeDecodeError:
        return Fault(Reason.INVALID_UTF8, "", "is not UTF-8 text: convert the source")
    except ValueError as error:
        return Fault(Reason.MALFORMED, "", f"no JSON: {error}")
    if name is None:
        return None
    shown = mask_cards(name[:120])[:_SHOWN]
    said = "stands twice in one object: readers disagree about which counts, send it once"
    return Fault(Reason.REPEATED_FIELD, shown if shown.isprintable() and shown.strip() else "a name", said)


def _bytes(records: Sequence[bytes]) -> NDArray[np.uint8]:
    return np.frombuffer(records[0] if len(records) == 1 else b"".join(records), np.uint8)


@compiled(nogil=True)
def _colons_of_keys(data: NDArray[np.uint8]) -> int:
    """Colons behind a quote or a blank: as many as there are keys, and those in texts."""
    total = 0
    for at in range(1, len(data)):
        total += (data[at] == _COLON) & ((data[at - 1] == _QUOTE) | (data[at - 1] <= _BLANK))
    return total


@compiled(nogil=True)
def _suspicious(data: NDArray[np.uint8]) -> bool:
    """Whether two keys of one object have the same hash, or one is written in a way that hides its text."""
    size = 64
    while size * 4 < len(data):
        size *= 2
    table = np.zeros(size, np.int64)
    stack = np.zeros(_DEEPEST, np.int64)
    depth, objects, at = 0, 0, 0
    while at < len(data):
        byte = data[at]
        if byte == _QUOTE:
            end = _end_of_text(data, at + 1)
            after = end + 1
            while after < len(data) and data[after] <= _BLANK:
                after += 1
            if after < len(data) and data[after] == _COLON:
                mixed = _hash_of_key(data, at + 1, end, stack[depth])
                if mixed == 0 or not _is_new(table, mixed):
                    return True
            at = after
            continue
        if byte == _OPEN:
            depth += 1
            if depth == _DEEPEST:
                return True
            objects += 1
            stack[depth] = objects
        elif byte == _CLOSE:
            depth -= 1
        at += 1
    return False


@compiled(nogil=True)
def _end_of_text(data: NDArray[np.uint8], at: int) -> int:
    """The quote that closes a text whose first byte stands here."""
    while at < len(data) and data[at] != _QUOTE:
        at += 2 if data[at] == _BACKSLASH else 1
    return at


@compiled(nogil=True)
def _hash_of_key(data: NDArray[np.uint8], start: int, end: int, within: int) -> int:
    """A hash of a key and the number of its object, never 0; 0 of a key with escapes."""
    mixed: Any = within + 1
    for place in range(start, end):
        if data[place] == _BACKSLASH:
            return 0
        mixed = ((mixed & _ALL) * _FACTOR) ^ np.int64(data[place])
    return mixed | (1 << 62)


@compiled(nogil=True)
def _is_new(table: NDArray[np.int64], mixed: int) -> bool:
    """Put a hash into the table; false where it may be there, and where too many want its place."""
    slot = (mixed ^ (mixed >> 24)) & (len(table) - 1)
    for _ in range(_PROBES):
        if table[slot] == 0:
            table[slot] = mixed
            return True
        if table[slot] == mixed:
            return False
        slot = (slot + 1) & (len(table) - 1)
    return False
