"""Many records in one request: decided while they come in, and answered while the last ones are decided."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.responses import Response

from ringfence.api import answer_columns
from ringfence.api.outcomes import Decided, Result
from ringfence.api.problems import Refusal, overloaded
from ringfence.api.records import chunks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ringfence.api.server import Server

_AHEAD: Final = 3  # chunks under way at once
_TOGETHER: Final = 64  # records of a chunk that shares its step with other requests
_BEFORE: Final = b'{"index":%d,"status":200,"replayed":false,"decision":'
_AFTER: Final = b"}\n"


class _Chunk(NamedTuple):
    """Records that are being decided."""

    first: int  # number of the first one in the request, from 0
    size: int
    results: asyncio.Future[Sequence[Result]]


class BatchResponse(Response):
    """Takes the records of a request's body and answers with a line of JSON for each, in order.

    Nothing is sent before the whole body is there: until then it may still be refused as a whole.
    """

    def __init__(self, server: Server, *, wants_decisions: bool) -> None:
        super().__init__()
        self._server = server
        self._wants_decisions = wants_decisions
        self._under_way: deque[_Chunk] = deque()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """`Refusal` where the body is no batch, too large or too much."""
        if self._server.batches.locked():
            raise overloaded()
        async with self._server.batches:
            done = await self._take(scope, receive)
            headers = [(b"content-type", b"application/x-ndjson")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for piece in done:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            async for piece in self._rest():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    async def _take(self, scope: Any, receive: Any) -> list[bytes]:
        """Read the body to its end; the answers that are there by then."""
        server, caller = self._server, scope["ringfence.caller"]
        decode, done, first = server.decoding.of_batch(), [], 0
        async for chunk in chunks(scope["headers"], receive, server.settings.batch_bytes):
            server.charge(caller, len(chunk))
            while len(self._under_way) >= _AHEAD:
                done.append(await self._next())
            prepared = None
            if len(chunk) > _TOGETHER:
                prepared = await asyncio.to_thread(decode, chunk, server.clock.now_ms())
            future = server.decider.ask(
                chunk,
                "http batch",
                wants_decisions=self._wants_decisions,
                first_position=first + 1,
                bounded=False,
                prepared=prepared,
            )
            self._under_way.append(_Chunk(first, len(chunk), future))
            first += len(chunk)
        return done

    async def _rest(self) -> AsyncIterator[bytes]:
        """The answers of what is under way; from now on each record is refused by itself."""
        while self._under_way:
            first, size, _ = self._under_way[0]
            try:
                yield await self._next()
            except Refusal as refusal:
                yield encode([Result(refusal.status, refusal.body)] * size, first)

    async def _next(self) -> bytes:
        first, _, results = self._under_way.popleft()
        return await asyncio.to_thread(encode, await results, first)


def encode(results: Sequence[Result], first: int) -> bytes:
    """Results as lines of JSON, numbered from `first`."""
    if isinstance(results, Decided):
        return answer_columns.lines(results.bodies, _BEFORE, _AFTER, first)
    return b"".join(
        b'{"index":%d,"status":%d,"replayed":%b,"%b":%b}\n'
        % (index, result.status, b"true" if result.replayed else b"false", _member(result), result.body)
        for index, result in enumerate(results, first)
    )


def _member(result: Result) -> bytes:
    if result.status >= 400:
        return b"problem"
    return b"decision" if result.status == 200 else b"event"
