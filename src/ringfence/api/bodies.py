"""Reading request bodies: limited as they come and as they unfold, whatever the caller claims."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

import zstandard

from ringfence.api.problems import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    Receive = Callable[[], Awaitable[Any]]
    Headers = Iterable[tuple[bytes, bytes]]

JSON: Final = b"application/json"
NDJSON: Final = frozenset({b"application/x-ndjson", b"application/jsonl", b"application/ndjson"})
_STEP: Final = 256 * 1024  # bytes that one piece may unfold to before they are counted


class ClientGoneError(Exception):
    """The caller hung up before its request was whole."""


async def read_body(headers: Headers, receive: Receive, limit: int) -> bytes:
    """The whole body, decompressed. `Refusal` 413 beyond the limit, 415 for an encoding nobody knows."""
    encoding = header(headers, b"content-encoding")
    if not encoding:
        message = await receive()
        if not message.get("more_body") and message["type"] == "http.request":  # the usual case
            body: bytes = message.get("body", b"")
            if len(body) > limit:
                raise too_large(limit)
            return body
        return b"".join([piece async for piece in _limited(_rest(message, receive), limit)])
    return b"".join([piece async for piece in pieces(headers, receive, limit)])


def pieces(headers: Headers, receive: Receive, limit: int) -> AsyncIterator[bytes]:
    """The body piece by piece, as it comes; refused as `read_body` does."""
    encoding = header(headers, b"content-encoding")
    return _limited(_unfold(encoding, _pieces(receive), limit) if encoding else _pieces(receive), limit)


def content_type(headers: Headers) -> bytes:
    """The media type, in lower case and without parameters; empty where there is none."""
    return header(headers, b"content-type").partition(b";")[0].strip().lower()


def header(headers: Headers, name: bytes) -> bytes:
    """The first header of this (lower-case) name, empty where there is none."""
    for key, value in headers:
        if key == name:
            return value
    return b""


def too_large(limit: int) -> Refusal:
    """The refusal of a body beyond its limit."""
    return Refusal(413, "too_large", f"the body is larger than {limit} bytes: send less at once")


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    async for piece in _rest(await receive(), receive):
        yield piece


async def _rest(message: Any, receive: Receive) -> AsyncIterator[bytes]:
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return
        message = await receive()


async def _limited(pieces: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        yield piece


async def _unfold(encoding: bytes, pieces: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    name = encoding.strip().lower()
    if name not in (b"gzip", b"zstd"):
        raise Refusal(415, "unknown_encoding", "Content-Encoding is none of gzip, zstd: send the body plain")
    try:
        if name == b"gzip":
            async for piece in _gunzip(_limited(pieces, limit)):
                yield piece
        else:
            whole = b"".join([piece async for piece in _limited(pieces, limit)])
            with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(whole) as reader:
                while piece := reader.read(_STEP):
                    yield piece
    except (zlib.error, EOFError, zstandard.ZstdError):
        raise Refusal(400, "broken_encoding", "the body is not what Content-Encoding says") from None


async def _gunzip(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    decompressor = zlib.decompressobj(wbits=31)
    async for piece in pieces:
        left = piece
        while left and not decompressor.eof:
            yield decompressor.decompress(left, _STEP)
            left = decompressor.unconsumed_tail
    if not decompressor.eof:
        raise EOFError
