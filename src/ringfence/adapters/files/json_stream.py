"""JSON in any arrangement as lines: one array, objects over several lines, objects one after the other."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.adapters.files.paths import CutShortError
from ringfence.compiling import compiled
from ringfence.events.decoding.decode import RECORD_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ringfence.adapters.files.paths import OpenedFile

_LOOKED_AT: Final = RECORD_LIMIT
_KEPT: Final = 17 * RECORD_LIMIT  # bytes of one value; what is longer is refused by its reader
_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")
_BACKSLASH, _QUOTE, _COMMA, _OPEN, _CLOSE, _OPEN_LIST, _CLOSE_LIST = b'\\",{}[]'
_RECORD_SEPARATOR: Final = 0x1E  # before each value of a JSON text sequence (RFC 7464)
_DEPTH, _TEXT, _BASE, _INSIDE = range(4)  # places in the state


def json_lines(source: OpenedFile, encoding: str = "utf-8") -> Iterator[bytes]:
    """The source's bytes, every value on a line of its own; `CutShortError` as from `OpenedFile.chunks`."""
    chunks = source.chunks(encoding)
    head, rests = b"", False
    for chunk in chunks:
        head += chunk
        rests = not chunk and is_lines(head)  # a live source's only line so far need not wait for its second
        if rests or _is_told(head):
            break
    rest = chain([head, b""] if rests else [head], chunks)
    if is_lines(head):
        yield from rest
    else:
        yield from split_values(rest)


def _is_told(head: bytes) -> bool:
    """Whether the beginning is enough to tell the arrangement."""
    text = head.lstrip()
    if text[:1] in (b"[", b"\x1e") or len(head) > _LOOKED_AT:
        return True
    first, newline, after = text.partition(b"\n")
    return bool(newline and (after.strip() or _is_one(first)))


def is_lines(head: bytes) -> bool:
    """Whether a source that begins so has one value a line."""
    text = head.lstrip()
    if text[:1] in (b"[", b"\x1e"):
        return False
    if text[:1] != b"{":
        return True
    first, _, after = text.partition(b"\n")
    if _is_one(first):
        return True
    # A broken line, and a good one after it, which a list that is still open has within it.
    is_broken = not _values_in(first)[0] and after.lstrip()[:1] == b"{"
    return is_broken and not (first.rstrip()[-1:] in (b"[", b",") and _is_element(after.lstrip()))


def _is_one(line: bytes) -> bool:
    """Whether a line is one whole value."""
    count, inside = _values_in(line)
    return count == 1 and not inside and line.rstrip().endswith(b"}")


def _is_element(text: bytes) -> bool:
    """Whether a text begins with an element of a list, not with a line that is whole by itself."""
    first, _, after = text.partition(b"\n")
    return not _is_one(first) or after.lstrip()[:1] == b"]"


def _values_in(line: bytes) -> tuple[int, bool]:
    """Whole values in a line, and whether another one begins."""
    data = np.frombuffer(line, np.uint8)
    state, spans = np.zeros(4, np.int64), np.zeros((len(data) + 1, 2), np.int64)
    return _scan(data, state, spans), bool(state[_INSIDE])


def split_values(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Each value of the stream, or of its arrays, on a line of its own."""
    state = np.zeros(4, np.int64)
    waiting = b""
    for chunk in chunks:
        if not chunk:  # a live source rests
            yield chunk
            continue
        data = np.frombuffer(chunk, np.uint8)
        spans = np.empty((len(data) // 2 + 2, 2), np.int64)
        count = _scan(data, state, spans)
        lines: list[bytes] = []
        for start, stop in spans[:count].tolist():
            value = waiting + chunk[:stop] if start < 0 else chunk[start:stop]
            lines.append(value.translate(_ONE_LINE))
            waiting = b""
        if state[_INSIDE]:
            start = int(spans[count, 0])
            waiting = (waiting + chunk if start < 0 else chunk[start:])[:_KEPT]
        if lines:
            lines.append(b"")
            yield b"\n".join(lines)
    is_cut = state[_INSIDE] and (state[_DEPTH] > state[_BASE] or state[_TEXT])
    if state[_INSIDE]:
        yield waiting.translate(_ONE_LINE) + (b"" if is_cut else b"\n")
    if is_cut:
        raise CutShortError("its last JSON value does not end")
    if state[_BASE] and not state[_INSIDE]:
        raise CutShortError("its JSON array does not end")


@compiled(nogil=True)
def _scan(data: NDArray[np.uint8], state: NDArray[np.int64], spans: NDArray[np.int64]) -> int:
    """Start and stop of each value that ends within the bytes, -1 for a start before them.

    The row after the last holds the start of the value that is still open, if `state[_INSIDE]` says so.
    """
    depth, text, base, inside = state[0], state[1], state[2], state[3]
    count, start = 0, -1
    for at in range(len(data)):
        byte = data[at]
        within = text > 0
        text = _next_text(text, byte)
        if within:
            continue
        if depth == base and inside and _ends_word(byte):
            spans[count, 0], spans[count, 1] = start, at
            count, inside, start = count + 1, 0, -1
        if depth == base and not inside:
            if _is_between(byte):
                continue
            if byte == (_CLOSE_LIST if base else _OPEN_LIST):
                base = 1 - base
                depth = base
                continue
            inside, start = 1, at
        turn = _turn(byte)
        depth = max(depth + turn, base)
        if turn < 0 and depth == base:
            spans[count, 0], spans[count, 1] = start, at + 1
            count, inside, start = count + 1, 0, -1
    state[0], state[1], state[2], state[3] = depth, text, base, inside
    spans[count, 0] = start
    return count


@compiled(nogil=True)
def _next_text(text: int, byte: int) -> int:
    """0 outside of a text, 1 within one, 2 after a backslash in it."""
    if text == 2:
        return 1
    if byte == _QUOTE:
        return 1 - text
    return 2 if text and byte == _BACKSLASH else text


@compiled(nogil=True)
def _turn(byte: int) -> int:
    return 1 if byte in (_OPEN, _OPEN_LIST) else -1 if byte in (_CLOSE, _CLOSE_LIST) else 0


@compiled(nogil=True)
def _is_between(byte: int) -> bool:
    return byte in (32, 9, 10, 13, _COMMA, _RECORD_SEPARATOR)


@compiled(nogil=True)
def _ends_word(byte: int) -> bool:
    """Whether a number, a word or a text ends before it."""
    return byte in (32, 9, 10, 13, _COMMA, _CLOSE_LIST, _OPEN, _OPEN_LIST)
