"""Keys that stand twice in one JSON object: readers disagree about which of the two counts.

A check that sees the first value and a ledger that takes the last decide two different payments, so that
such a record is refused. Most records are cleared by counting colons, the others by a walk through their
bytes, which holds no interpreter's lock and compares keys as readers understand them, escapes and all. Only
what the walk is not sure of goes to Python's reader: very deep nesting, halves of characters, crowded hashes.

Keys are hashed under a secret of the process: whoever can choose names with one hash makes the walk compare
each name with dozens of others, which is seconds for a mebibyte.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import numpy as np

from ringfence.compiling import compiled
from ringfence.events.bad import Fault, Reason, unreadable
from ringfence.masking import mask_cards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_QUOTE, _BACKSLASH, _COLON, _OPEN, _CLOSE, _BLANK, _U = b'"\\:{} u'
_DEEPEST: Final = 1024  # Python's reader gives up before
_PROBES: Final = 64
_PRIME: Final = (1 << 31) - 1
_POINT: Final = (uuid4().int & 0x1FFF_FFFF) | 0x2000_0000  # below 2**30, and another one in each process
_SHOWN: Final = 40
_ONCE, _TWICE, _UNSURE = range(3)
_LETTERS: Final = (  # what stands behind a backslash, and the byte that it means
    np.frombuffer(b'"\\/bfnrt', np.uint8),
    np.frombuffer(b'"\\/\b\f\n\r\t', np.uint8),
)


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
    found, _, _ = _walk(_bytes(records), _POINT)
    return bool(found != _ONCE)


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
    found, start, end = _walk(_bytes([record]), _POINT)
    if found == _ONCE:
        return None
    try:
        name = json.loads(record[start - 1 : end + 1]) if found == _TWICE else repeated_key(record)
    except (RecursionError, ValueError) as error:
        return unreadable(record, error)
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
def _walk(data: NDArray[np.uint8], point: int) -> tuple[int, int, int]:
    """Whether a key stands twice in an object; and which text it is, from its first byte to its quote.

    `point` is the secret of the hash, an argument so that compiled code that is kept on disk lacks it.
    """
    size = 64
    while size * 4 < len(data):
        size *= 2
    hashes, places = np.zeros(size, np.int64), np.zeros((size, 2), np.int32)
    stack, scratch = np.zeros(_DEEPEST, np.int64), np.empty((2, len(data)), np.uint8)
    depth, objects, at = 0, 0, 0
    while at < len(data):
        byte = data[at]
        if byte == _QUOTE:
            start, end = at + 1, _end_of_text(data, at + 1)
            at = end + 1
            while at < len(data) and data[at] <= _BLANK:
                at += 1
            if at == len(data) or data[at] != _COLON:
                continue
            mixed = _hash_of_key(data, (start, end, stack[depth]), point)
            found = _put(data, (start, end, mixed, stack[depth]), point, hashes, places, scratch)
            if found != _ONCE:
                return found, start, end
            continue
        if byte == _OPEN:
            depth += 1
            if depth == _DEEPEST:
                return _UNSURE, at, at
            objects += 1
            stack[depth] = objects
        elif byte == _CLOSE:
            depth -= 1
        at += 1
    return _ONCE, 0, 0


@compiled(nogil=True)
def _put(
    data: NDArray[np.uint8],
    key: tuple[int, int, int, int],
    point: int,
    hashes: NDArray[np.int64],
    places: NDArray[np.int32],
    scratch: NDArray[np.uint8],
) -> int:
    """Put a key into the table unless it is there; it is unsure where too many want its place.

    The key is where it begins and ends, its hash, and its object; `places` are those of the keys by slot.
    """
    start, end, mixed, within = key
    if mixed == 0:
        length = _plain(data, start, end, scratch[0])
        if length < 0:
            return _UNSURE
        mixed = _hash_of_plain(scratch[0], (0, length, within), point)
    slot = _slot(mixed, len(hashes))
    for _ in range(_PROBES):
        if hashes[slot] == 0:
            hashes[slot] = mixed
            places[slot, 0], places[slot, 1] = start, end
            return _ONCE
        if hashes[slot] == mixed:
            length = _plain(data, start, end, scratch[0])
            other = _plain(data, places[slot, 0], places[slot, 1], scratch[1])
            if length == other and np.all(scratch[0, :length] == scratch[1, :length]):
                return _TWICE
        slot = (slot + 1) & (len(hashes) - 1)
    return _UNSURE


@compiled(nogil=True)
def _slot(mixed: int, size: int) -> int:
    """Where a hash belongs: names that are numbered one by one must not crowd."""
    return ((((mixed ^ (mixed >> 31)) & 0x7FFF_FFFF) * 0x9E37_79B1) >> 15) & (size - 1)


@compiled(nogil=True)
def _end_of_text(data: NDArray[np.uint8], at: int) -> int:
    """The quote that closes a text whose first byte stands here."""
    while at < len(data) and data[at] != _QUOTE:
        at += 2 if data[at] == _BACKSLASH else 1
    return at


@compiled(nogil=True)
def _hash_of_key(data: NDArray[np.uint8], key: tuple[int, int, int], point: int) -> int:
    """A hash of a key and the number of its object, never 0; 0 of a key with escapes."""
    start, end, _ = key
    for place in range(start, end):
        if data[place] == _BACKSLASH:
            return 0
    return _hash_of_plain(data, key, point)


@compiled(nogil=True)
def _hash_of_plain(data: NDArray[np.uint8], key: tuple[int, int, int], point: int) -> int:
    """The polynomial that the key's bytes are, at the secret point: two names of n bytes meet at n points."""
    start, end, within = key
    mixed: Any = within + 1
    for place in range(start, end):
        mixed = mixed * point + np.int64(data[place])
        mixed = (mixed & _PRIME) + (mixed >> 31)  # modulo the prime, below 2**32
    return mixed | (1 << 62)


@compiled(nogil=True)
def _plain(data: NDArray[np.uint8], start: int, end: int, out: NDArray[np.uint8]) -> int:
    """Write a text without its escapes, as UTF-8; its length, -1 of what is no text."""
    letters, meant = _LETTERS
    length, at = 0, start
    while at < end:
        if data[at] != _BACKSLASH:
            out[length] = data[at]
            length, at = length + 1, at + 1
            continue
        if at + 1 < end and data[at + 1] != _U:
            known = np.flatnonzero(letters == data[at + 1])
            if len(known) == 0:
                return -1
            out[length] = meant[known[0]]
            length, at = length + 1, at + 2
            continue
        code = _unit(data, at, end)
        at += 6
        if 0xD800 <= code < 0xDC00:
            low = _unit(data, at, end)
            at += 6
            code = 0x10000 + ((code - 0xD800) << 10) + low - 0xDC00 if 0xDC00 <= low < 0xE000 else -1
        elif 0xDC00 <= code < 0xE000:
            code = -1
        if code < 0:
            return -1
        length = _utf8(code, out, length)
    return length


@compiled(nogil=True)
def _unit(data: NDArray[np.uint8], at: int, end: int) -> int:
    r"""What `\uXXXX` means, -1 of anything else."""
    if at + 6 > end or data[at] != _BACKSLASH or data[at + 1] != _U:
        return -1
    code = 0
    for place in range(at + 2, at + 6):
        digit = int(data[place])
        if 48 <= digit <= 57:
            digit -= 48
        elif 97 <= (digit | 32) <= 102:
            digit = (digit | 32) - 87
        else:
            return -1
        code = code * 16 + digit
    return code


@compiled(nogil=True)
def _utf8(code: int, out: NDArray[np.uint8], length: int) -> int:
    """Write a character; where the next one goes."""
    more = 0 if code < 0x80 else 1 if code < 0x800 else 2 if code < 0x10000 else 3
    out[length] = code if more == 0 else ((0xFF00 >> (more + 1)) & 0xFF) | (code >> (6 * more))
    for place in range(more):
        out[length + 1 + place] = 0x80 | ((code >> (6 * (more - 1 - place))) & 0x3F)
    return length + 1 + more
