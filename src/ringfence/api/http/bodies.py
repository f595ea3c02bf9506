"""Reading request bodies: limited as they come and as they unfold, whatever the caller claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ringfence.api.http.problems import Refusal
from ringfence.api.http.turns import Turns
from ringfence.api.http.unfolding import unfold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]
    Headers = Iterable[tuple[bytes, bytes]]

JSON: Final = b"application/json"
NDJSON: Final = frozenset({b"application/x-ndjson", b"application/jsonl", b"application/ndjson"})
_PLAIN: Final = (b"", b"identity")


class ClientGoneError(Exception):
    """The caller hung up before its request was whole, or was hung up on because it read no answer."""


async def read_body(headers: Headers, receive: Receive, limit: int) -> bytes:
    """The whole body, decompressed. `Refusal` 413 beyond the limit, 415 for an encoding nobody knows."""
    if _encoding(headers) in _PLAIN:
        message = await receive()
        if not message.get("more_body") and message["type"] == "http.request":  # the usual case
            body: bytes = message.get("body", b"")
            if len(body) > limit:
                raise too_large(limit)
            return body
        return b"".join([piece async for piece in _limited(_rest(message, receive), limit)])
    return b"".join([piece async for piece in pieces(headers, receive, limit)])


def pieces(headers: Headers, receive: Receive, limit: int) -> AsyncIterator[bytes]:
    """The body piece by piece, as it comes; refused as `read_body` does. Others get their turns meanwhile."""
    encoding = _encoding(headers)
    came = _limited(_pieces(receive), limit)
    return came if encoding in _PLAIN else _limited(unfold(encoding, came), limit)


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


def _encoding(headers: Headers) -> bytes:
    return header(headers, b"content-encoding").strip().lower()


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
    size, turns = 0, Turns()
    async for piece in pieces:
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        yield piece
        await turns.give()
