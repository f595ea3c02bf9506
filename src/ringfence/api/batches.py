"""Many records in one request: a JSON array, or one JSON object a line, decided while they come in."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.api.bodies import JSON, NDJSON, content_type, lines, read_body
from ringfence.api.problems import Refusal, overloaded
from ringfence.events.decode import RECORD_LIMIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ringfence.access.principal import Principal
    from ringfence.api.outcomes import Result
    from ringfence.api.server import Server

CHUNK: Final = 4096  # records handed to the decider together
_AHEAD: Final = 3  # chunks under way at once
_TOGETHER: Final = 64  # records of a chunk that shares its step with other requests
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


async def take(
    server: Server, caller: Principal, scope: Any, receive: Any, *, wants_decisions: bool
) -> list[Result]:
    """A result for each record, in order; blank lines are no records. `Refusal` where it is no batch."""
    if server.batches.locked():
        raise overloaded()
    async with server.batches:
        results: list[Result] = []
        decode, now_ms = server.decoding.of_batch(), server.clock.now_ms
        under_way: deque[asyncio.Future[list[Result]]] = deque()
        async for first, chunk in _chunks(server, scope, receive):
            server.charge(caller, len(chunk))
            while len(under_way) >= _AHEAD:
                results += await under_way.popleft()
            prepared = await asyncio.to_thread(decode, chunk, now_ms()) if len(chunk) > _TOGETHER else None
            future = server.decider.ask(
                chunk,
                "http batch",
                wants_decisions=wants_decisions,
                first_position=first,
                bounded=False,
                prepared=prepared,
            )
            under_way.append(future)
        while under_way:
            results += await under_way.popleft()
        return results


def encode(results: list[Result]) -> Iterator[bytes]:
    """The results as lines of JSON, some at a time."""
    for begin in range(0, len(results), CHUNK):
        yield b"".join(
            b'{"index":%d,"status":%d,"replayed":%b,"%b":%b}\n'
            % (index, result.status, b"true" if result.replayed else b"false", _member(result), result.body)
            for index, result in enumerate(results[begin : begin + CHUNK], begin)
        )


def _member(result: Result) -> bytes:
    if result.status >= 400:
        return b"problem"
    return b"decision" if result.status == 200 else b"event"


async def _chunks(server: Server, scope: Any, receive: Any) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Records with the number of the first, from 1."""
    headers, limit = scope["headers"], server.settings.batch_bytes
    kind = content_type(headers)
    if kind in NDJSON:
        async for chunk in _grouped(lines(headers, receive, limit, RECORD_LIMIT)):
            yield chunk
    elif kind == JSON:
        records = _elements(await read_body(headers, receive, limit))
        for begin in range(0, len(records), CHUNK):
            yield begin + 1, records[begin : begin + CHUNK]
    else:
        raise Refusal(
            415,
            "unsupported_media_type",
            "send a JSON array (application/json) or lines (application/x-ndjson)",
        )


async def _grouped(source: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, list[bytes]]]:
    first, held = 1, []
    async for line in source:
        if line and not line.isspace():
            held.append(line)
            if len(held) == CHUNK:
                yield first, held
                first, held = first + CHUNK, []
    if held:
        yield first, held


def _elements(body: bytes) -> list[bytes]:
    try:
        return [bytes(element) for element in _ARRAY.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, "malformed_json", "the body is no JSON array: send [{...}, {...}]") from None
