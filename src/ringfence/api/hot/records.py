"""The records of a batch as they come in: thousands of lines in one piece, or elements of a JSON array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, overload

import numpy as np

from ringfence.api.hot.elements import elements
from ringfence.api.http.bodies import JSON, NDJSON, content_type, pieces, read_body
from ringfence.api.http.problems import Refusal
from ringfence.api.http.turns import Turns
from ringfence.events.decoding.decode import RECORD_LIMIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from numpy.typing import NDArray

    from ringfence.api.http.bodies import Headers, Receive

CHUNK: Final = 4096
"""Records handed on together at most."""

CHUNK_BYTES: Final = 1 << 20
"""Bytes after which records are handed on, however few they are."""

MOST_LINES: Final = 1_000_000
"""Lines or elements of one request, blank ones too."""

ARRAY_BYTES: Final = 16 << 20
"""Of a JSON array, which is there as a whole before its first element is looked at."""

_PIECE: Final = 64 << 10  # bytes that are cut without a turn for others
_NEWLINE, _SPACE = b"\n "


class Lines(Sequence[bytes]):
    r"""Lines of one block of text, none of them blank; one becomes bytes of its own when it is asked for.

    >>> Lines.of(b"{}\n \n[]")[1]
    b'[]'
    """

    __slots__ = ("block", "ends")

    def __init__(self, block: bytes, ends: NDArray[np.int64]) -> None:
        """`ends` are the places after each line, before its newline."""
        self.block = block
        self.ends = ends

    @classmethod
    def of(cls, block: bytes, longest: int = RECORD_LIMIT) -> Lines:
        """Without blank lines; of a line beyond the longest, what shows that it is too long."""
        ends = _ends(block)
        starts = np.append(0, ends[:-1] + 1)
        sizes = ends - starts
        data = np.frombuffer(block + b"\n", np.uint8)
        if sizes.max() <= longest and (data[starts] > _SPACE).all():
            return cls(block, ends)
        kept = [line[: longest + 1] for line in block.split(b"\n") if line and not line.isspace()]
        return cls(b"\n".join(kept), np.cumsum([len(line) + 1 for line in kept], dtype=np.int64) - 1)

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return list(self)[index]
        start = self.ends[index - 1] + 1 if index % len(self) else 0
        return self.block[start : self.ends[index]]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.block.split(b"\n") if len(self) else ())


class Cutter:
    r"""Cuts text that comes in pieces into blocks of whole lines.

    It never holds more than a block and a piece: of a line that goes on beyond `RECORD_LIMIT` only so much is
    kept as shows that it is too long.

    >>> cutter = Cutter()
    >>> list(cutter.feed(b'{"a":')), list(cutter.feed(b'1}\n{}')), list(cutter.end()[0])
    ([], [], [b'{"a":1}', b'{}'])
    """

    def __init__(self, most_lines: int = MOST_LINES) -> None:
        self._most = most_lines
        self._held: list[bytes] = []
        self.size = 0  # of what is held
        self._count = 0  # newlines in it
        self._tail = 0  # bytes after the last of them
        self._lines = 0

    def feed(self, piece: bytes) -> Iterator[Lines]:
        """Blocks that are whole now; `Refusal` 413 beyond the most lines."""
        found = piece.count(b"\n")
        self._lines += found
        if self._lines > self._most:
            raise too_many(self._most)
        if found:
            first = piece.find(b"\n")
            if self._tail > RECORD_LIMIT:  # the rest of the long line, of which enough is kept
                piece = piece[first:]
            self._tail = len(piece) - piece.rfind(b"\n") - 1
        elif self._tail > RECORD_LIMIT:
            return
        else:
            self._tail += len(piece)
        self._held.append(piece)
        self.size += len(piece)
        self._count += found
        if self._count >= CHUNK or (self.size >= CHUNK_BYTES and self._count):
            yield from self._blocks()

    def end(self) -> list[Lines]:
        """What is left, whose last line needs no newline."""
        lines = Lines.of(b"".join(self._held).removesuffix(b"\n"))
        return [lines] if lines else []

    def _blocks(self) -> Iterator[Lines]:
        block = b"".join(self._held)
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE)
        begin = done = 0
        while done < len(ends):
            last = min(done + CHUNK, int(np.searchsorted(ends, begin + CHUNK_BYTES, "right")))
            last = max(last, done + 1)
            if last == len(ends) < done + CHUNK and len(block) - begin < CHUNK_BYTES:
                break  # more may come to it
            end = int(ends[last - 1])
            if lines := Lines.of(block[begin:end]):
                yield lines
            begin, done = end + 1, last
        self._held = [block[begin:]]
        self.size, self._count = len(block) - begin, len(ends) - done


def too_many(most: int) -> Refusal:
    """The refusal of a batch of too many records."""
    return Refusal(413, "too_many_records", f"more than {most:,} records in one request: send fewer at once")


async def chunks(headers: Headers, receive: Receive, limit: int) -> AsyncIterator[Sequence[bytes]]:
    """The records of a body of at most `limit` bytes, some at a time; `Refusal` where it is no batch."""
    kind = content_type(headers)
    if kind in NDJSON:
        async for lines in _lines(pieces(headers, receive, limit)):
            yield lines
    elif kind == JSON:
        body = await read_body(headers, receive, min(limit, ARRAY_BYTES))
        async for records in elements(body, CHUNK, MOST_LINES):
            yield records
    else:
        raise Refusal(
            415,
            "unsupported_media_type",
            "send a JSON array (application/json) or lines (application/x-ndjson)",
        )


async def _lines(source: AsyncIterator[bytes]) -> AsyncIterator[Lines]:
    cutter, turns = Cutter(), Turns()
    async for piece in source:
        for start in range(0, len(piece), _PIECE):
            for lines in cutter.feed(piece[start : start + _PIECE]):
                yield lines
            await turns.give()
    for lines in cutter.end():
        yield lines


def _ends(block: bytes) -> NDArray[np.int64]:
    return np.append(np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE), len(block))
