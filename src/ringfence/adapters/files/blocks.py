"""Bytes of a source cut into blocks of whole records, however long the source is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.adapters.files.paths import CutShortError
from ringfence.compiling import compiled
from ringfence.events.bad import ORIGINAL_LIMIT, Fault, Reason
from ringfence.events.decoding.decode import RECORD_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

GIVE_UP_BYTES: Final = 16 * RECORD_LIMIT  # a record without an end for so long: its first line is set aside
_NEWLINE, _QUOTE = 10, 34
_FIELD_START, _PLAIN, _QUOTED, _QUOTE_SEEN = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records, or the head of one that cannot be read, with its fault."""

    data: bytes
    fault: Fault | None = None


def line_blocks(chunks: Iterator[bytes], block_bytes: Callable[[], int]) -> Iterator[Block]:
    """Blocks of whole lines, of about the wanted size."""
    return _blocks(chunks, block_bytes, lambda data: data.rfind(b"\n") + 1)


def csv_blocks(chunks: Iterator[bytes], block_bytes: Callable[[], int], delimiter: str) -> Iterator[Block]:
    """Blocks of whole CSV records: a newline inside quotes ends none."""
    code = ord(delimiter)
    return _blocks(chunks, block_bytes, lambda data: int(_last_end(np.frombuffer(data, np.uint8), code)))


def record_ends(data: bytes, delimiter: str) -> NDArray[np.int64]:
    """Place after each CSV record of a block, blank lines included."""
    return _ends(np.frombuffer(data, np.uint8), ord(delimiter))


def _blocks(
    chunks: Iterator[bytes], block_bytes: Callable[[], int], end_of_records: Callable[[bytes], int]
) -> Iterator[Block]:
    rest, skipping = b"", False
    try:
        for chunk in chunks:
            if not chunk and (end := end_of_records(rest)):  # a live source rests
                yield Block(rest[:end])
                rest = rest[end:]
                continue
            fresh = chunk
            if skipping:  # over the tail of a record that was too large
                at = fresh.find(b"\n") + 1
                if not at:
                    continue
                fresh, skipping = fresh[at:], False
            rest += fresh
            start = 0
            while len(rest) - start >= block_bytes():
                data = rest[start : start + block_bytes()]
                end = end_of_records(data) or end_of_records(rest[start:])
                if not end:
                    break
                yield Block(data[:end] if end <= len(data) else rest[start : start + end])
                start += end
            rest = rest[start:]
            while len(rest) > GIVE_UP_BYTES and not end_of_records(rest):
                head, newline, rest = _set_aside(rest, end_of_records)
                yield Block(head[: 2 * ORIGINAL_LIMIT], _endless(head))
                skipping = not newline
    except CutShortError as error:
        end = end_of_records(rest)
        if end:
            yield Block(rest[:end])
        yield Block(
            rest[end:], Fault(Reason.TRUNCATED, "", f"the source is cut short: {error}; get a whole copy")
        )
        return
    yield from _last_blocks(rest, end_of_records)


def _last_blocks(rest: bytes, end_of_records: Callable[[bytes], int]) -> Iterator[Block]:
    """What is left at the end of a source: the last record may lack its newline, or a quote its end."""
    while rest:
        end = min(end_of_records(rest + b"\n"), len(rest))
        if end:
            yield Block(rest[:end])
            rest = rest[end:]
        else:
            head, _, rest = _set_aside(rest, end_of_records)
            yield Block(head[: 2 * ORIGINAL_LIMIT], _endless(head))


def _set_aside(rest: bytes, end_of_records: Callable[[bytes], int]) -> tuple[bytes, bytes, bytes]:
    """Parts bytes that begin with an endless record as `bytes.partition` does: at its first line.

    Where the next line begins another endless record, and so on, trying each line would read all bytes again
    for each; from the second on, twice as many lines are set aside each time.
    """
    at, lines = rest.find(b"\n"), 1
    while 0 <= at < len(rest) - 1 and not end_of_records(rest[at + 1 :] + b"\n"):
        for _ in range(lines):
            at = rest.find(b"\n", at + 1)
            if at < 0:
                return rest, b"", b""
        lines *= 2
    return (rest, b"", b"") if at < 0 else (rest[:at], b"\n", rest[at + 1 :])


def _endless(head: bytes) -> Fault:
    if len(head) > RECORD_LIMIT:
        return Fault(Reason.TOO_LARGE, "", f"a record of more than {RECORD_LIMIT} bytes")
    return Fault(Reason.MALFORMED, "", "a quote that opens here is never closed")


@compiled(nogil=True)
def _next_state(state: int, byte: int, delimiter: int) -> int:
    """State of an RFC 4180 reader after one byte; a quote counts only where a field begins."""
    if state == _QUOTED:
        return _QUOTE_SEEN if byte == _QUOTE else _QUOTED
    if byte == _QUOTE and state != _PLAIN:
        return _QUOTED
    return _FIELD_START if byte in (delimiter, _NEWLINE) else _PLAIN


@compiled(nogil=True)
def _last_end(data: NDArray[np.uint8], delimiter: int) -> int:
    state, end = _FIELD_START, 0
    for at in range(len(data)):
        byte = data[at]
        if byte == _NEWLINE and state != _QUOTED:
            end = at + 1
        state = _next_state(state, byte, delimiter)
    return end


@compiled(nogil=True)
def _ends(data: NDArray[np.uint8], delimiter: int) -> NDArray[np.int64]:
    ends = np.empty(len(data) + 1, np.int64)
    state, count = _FIELD_START, 0
    for at in range(len(data)):
        byte = data[at]
        if byte == _NEWLINE and state != _QUOTED:
            ends[count] = at + 1
            count += 1
        state = _next_state(state, byte, delimiter)
    if len(data) and (count == 0 or ends[count - 1] < len(data)):
        ends[count] = len(data)
        count += 1
    return ends[:count].copy()
