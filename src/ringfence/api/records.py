"""The records of a batch as they come in: thousands of lines in one piece, or elements of a JSON array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, overload

import msgspec
import numpy as np

from ringfence.api.bodies import JSON, NDJSON, content_type, pieces, read_body
from ringfence.api.problems import Refusal
from ringfence.events.decode import RECORD_LIMIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from numpy.typing import NDArray

    from ringfence.api.bodies import Headers, Receive

CHUNK: Final = 4096  # records handed on together
_NEWLINE, _SPACE = b"\n "
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Lines(Sequence[bytes]):
    r"""Lines of one block of text, none of them blank; one becomes bytes of its own when it is asked for.

    >>> Lines.of(b"{}\n \n[]")[1]
    b'[]'
    """

    __slots__ = ("_ends", "block")

    def __init__(self, block: bytes, ends: NDArray[np.int64]) -> None:
        """`ends` are the places after each line, before its newline."""
        self.block = block
        self._ends = ends

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
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return list(self)[index]
        start = self._ends[index - 1] + 1 if index % len(self) else 0
        return self.block[start : self._ends[index]]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.block.split(b"\n") if len(self) else ())


async def chunks(headers: Headers, receive: Receive, limit: int) -> AsyncIterator[Sequence[bytes]]:
    """The records of a body of at most `limit` bytes, some at a time; `Refusal` where it is no batch."""
    kind = content_type(headers)
    if kind in NDJSON:
        async for lines in _lines(pieces(headers, receive, limit)):
            yield lines
    elif kind == JSON:
        records = _elements(await read_body(headers, receive, limit))
        for begin in range(0, len(records), CHUNK):
            yield records[begin : begin + CHUNK]
    else:
        raise Refusal(
            415,
            "unsupported_media_type",
            "send a JSON array (application/json) or lines (application/x-ndjson)",
        )


async def _lines(source: AsyncIterator[bytes]) -> AsyncIterator[Lines]:
    held: list[bytes] = []
    count = 0
    async for piece in source:
        held.append(piece)
        count += piece.count(b"\n")
        while count >= CHUNK:
            block = b"".join(held)
            cut = int(_ends(block)[CHUNK - 1])
            held, count = [block[cut + 1 :]], count - CHUNK
            if lines := Lines.of(block[:cut]):
                yield lines
    if lines := Lines.of(b"".join(held).removesuffix(b"\n")):
        yield lines


def _ends(block: bytes) -> NDArray[np.int64]:
    return np.append(np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE), len(block))


def _elements(body: bytes) -> Sequence[bytes]:
    try:
        return [bytes(element) for element in _ARRAY.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, "malformed_json", "the body is no JSON array: send [{...}, {...}]") from None
