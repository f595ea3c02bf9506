"""Compressed bodies, unfolded in small steps: what came so far bounds what may come out of it.

    pieces ──► one step of gzip, one block of zstd ──► at most 256 KiB ──► counted ──► handed on

Several gzip members and zstd frames in a row are one body, as their formats say. A body that ends in the
middle is refused: its last records would be lost without a word.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final, Protocol

import zstandard

from ringfence.api.http.problems import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

RATIO: Final = 200
"""Bytes that each compressed byte may unfold to, on average: payments as lines reach 20 to 100."""

FREE: Final = 4 << 20
"""Bytes that any body may unfold to."""

_STEP: Final = 256 << 10  # bytes of one step of gzip
_WINDOW: Final = 8 << 20  # memory of one zstd stream: what RFC 9659 allows in HTTP
_MOST_PARTS: Final = 10_000  # gzip members or zstd frames of one body
_SLACK: Final = 1 << 20  # bytes that may come without any coming out


class Unfolder(Protocol):
    """Decompresses one body."""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What a piece unfolds to, in steps."""
        ...

    def end(self) -> None:
        """The body ends here; `EOFError` where it should not."""
        ...


class Gzip:
    """Any number of gzip members; zeros may follow the last one, as tapes and tools pad them.

    >>> import gzip
    >>> b"".join(Gzip().feed(gzip.compress(b"one, ") + gzip.compress(b"two")))
    b'one, two'
    """

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._parts = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """See `Unfolder.feed`."""
        left = piece
        while left:
            if self._member.eof:
                left = left.lstrip(b"\0")
                if not left:
                    return
                self._parts = _one_more(self._parts)
                self._member = zlib.decompressobj(wbits=31)
            yield self._member.decompress(left, _STEP)
            left = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def end(self) -> None:
        """See `Unfolder.end`."""
        if not self._member.eof:
            raise EOFError


class Zstd:
    """Any number of zstd frames, block by block: one block unfolds to 128 KiB at most.

    >>> packed = zstandard.ZstdCompressor().compress(b"one, ") + zstandard.ZstdCompressor().compress(b"two")
    >>> b"".join(Zstd().feed(packed))
    b'one, two'
    """

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._checksum = 0  # bytes after the last block of this frame
        self._is_last = False  # its last block has come
        self._skip = 0  # bytes of a frame that is none of ours
        self._held = bytearray()
        self._parts = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """See `Unfolder.feed`."""
        self._held += piece
        while self._held:
            if self._skip:
                skipped = min(self._skip, len(self._held))
                del self._held[:skipped]
                self._skip -= skipped
                continue
            size = self._in_frame() if self._frame else self._begin()
            if size is None or len(self._held) < size:
                return
            taken = bytes(self._held[:size])
            del self._held[:size]
            if self._frame:
                yield self._frame.decompress(taken)
                if self._frame.eof:
                    self._frame = None

    def end(self) -> None:
        """See `Unfolder.end`."""
        if self._frame or self._held or self._skip:
            raise EOFError

    def _begin(self) -> int | None:
        """Size of a frame's head, None where that is not known yet."""
        head = bytes(self._held[:18])  # no head is longer
        if len(head) < 8:
            return None
        if head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5:
            self._parts = _one_more(self._parts)
            self._skip = int.from_bytes(head[4:8], "little")
            return 8
        size = zstandard.frame_header_size(head)
        if len(head) < size:
            return None
        self._parts = _one_more(self._parts)
        self._frame, self._is_last = self._zstd.decompressobj(), False
        self._checksum = 4 if zstandard.get_frame_parameters(head[:size]).has_checksum else 0
        return size

    def _in_frame(self) -> int | None:
        """Size of the next block, or of what follows the last one."""
        if self._is_last:
            return self._checksum
        if len(self._held) < 3:
            return None
        block = int.from_bytes(self._held[:3], "little")
        is_repeated, size = block >> 1 & 3 == 1, block >> 3
        whole = 3 + (1 if is_repeated else size)
        if len(self._held) >= whole:
            self._is_last = bool(block & 1)
        return whole


_UNFOLDERS: Final[dict[bytes, Callable[[], Unfolder]]] = {b"gzip": Gzip, b"x-gzip": Gzip, b"zstd": Zstd}


async def unfold(encoding: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces of a body, decompressed; `Refusal` 400, 413 or 415."""
    make = _UNFOLDERS.get(encoding)
    if make is None:
        raise Refusal(415, "unknown_encoding", "Content-Encoding is none of gzip, zstd: send the body plain")
    unfolder, came, unfolded = make(), 0, 0
    try:
        async for piece in pieces:
            came += len(piece)
            for out in unfolder.feed(piece):
                unfolded += len(out)
                if unfolded > FREE + RATIO * came:
                    raise _too_dense()
                yield out
            _has_substance(came, unfolded)
        unfolder.end()
    except (zlib.error, EOFError, zstandard.ZstdError):
        raise Refusal(
            400,
            "broken_encoding",
            f"the body is not what Content-Encoding says, is cut short, or needs a window of more than "
            f"{_WINDOW >> 20} MiB: compress it again at a usual level",
        ) from None


def _has_substance(came: int, unfolded: int) -> None:
    if came > _SLACK + 2 * unfolded:
        raise EOFError


def _one_more(parts: int) -> int:
    if parts >= _MOST_PARTS:
        raise EOFError
    return parts + 1


def _too_dense() -> Refusal:
    return Refusal(
        413,
        "expands_too_much",
        f"the body unfolds to more than {FREE >> 20} MiB and more than {RATIO} times its size: send it "
        "plain, or in several requests",
    )
