"""Many records in one request: decided while they come in, and answered while the last ones are decided."""

from __future__ import annotations

from collections import deque
from tempfile import SpooledTemporaryFile
from time import perf_counter
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from starlette.responses import Response

from ringfence.api.hot import answer_columns
from ringfence.api.hot.outcomes import Decided, Result, is_large
from ringfence.api.hot.portions import cut
from ringfence.api.hot.records import chunks
from ringfence.api.http.callers import owner_of
from ringfence.api.http.problems import Refusal
from ringfence.api.streaming.batch_slots import in_time, read_in_time

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Sequence

    from ringfence.api.services import EventServices
    from ringfence.events.bad import BadRecord
    from ringfence.events.batch import EventBatch
    from ringfence.ports.tracing import RequestTrace

_AHEAD: Final = 3  # chunks under way at once
_TOGETHER: Final = 64  # records of a chunk that shares its step with other requests
_MOST_BAD: Final = 10_000  # records that cannot be read, about, after which the rest is not looked at
_IN_MEMORY: Final = 4 << 20  # bytes of answers
_PIECE: Final = 64 << 10
_BEFORE: Final = b'{"index":%d,"status":200,"replayed":false,"decision":'
_AFTER: Final = b"}\n"


class _Chunk(NamedTuple):
    """Records that are being decided."""

    first: int  # number of the first one in the request, from 0
    size: int
    results: asyncio.Future[Sequence[Result]]


class BatchResponse(Response):
    """Takes the records of a request's body and answers with a line of JSON for each, in order.

    Nothing is sent before the whole body is there: until then it may still be refused as a whole. Answers
    that wait for that are kept in a file once they are many.
    """

    def __init__(self, services: EventServices, *, wants_decisions: bool) -> None:
        super().__init__()
        self._server = services
        self._wants_decisions = wants_decisions
        self._under_way: deque[_Chunk] = deque()
        self._bad = 0
        self._trace: RequestTrace | None = None
        self._owner = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """`Refusal` where the body is no batch, too large, too slow or too much."""
        line = scope.get("ringfence.line")
        if line is not None:
            line.streamed = True
        caller, self._trace = scope["ringfence.caller"], scope.get("ringfence.trace")
        self._owner = owner_of(scope)
        with self._server.slots.take(caller) as slot, SpooledTemporaryFile(_IN_MEMORY) as done:
            await self._take(scope, in_time(receive, slot), done)
            send = read_in_time(send, slot, line)
            headers = [(b"content-type", b"application/x-ndjson")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            done.seek(0)
            while piece := done.read(_PIECE):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            async for piece in self._rest():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    async def _take(self, scope: Any, receive: Any, done: IO[bytes]) -> None:
        """Read the body to its end; `done` gets the answers that are there by then."""
        services, caller = self._server, scope["ringfence.caller"]
        spent: list[float] = []
        decode, first = services.aside.of_batch(spent.append), 0
        async for chunk in chunks(scope["headers"], receive, services.settings.batch_bytes):
            services.charge(caller, len(chunk))
            if len(chunk) <= _TOGETHER and not is_large(chunk):
                await self._ask(chunk, first, done)
            else:
                try:
                    events, bad = await services.pools.batches.run(decode, chunk, services.clock.now_ms())
                finally:
                    services.decider.shares.spend(self._owner, sum(spent), perf_counter())
                    spent.clear()
                self._count_bad(len(bad), first + len(chunk))
                begin, rows = first, services.decider.portions.rows(perf_counter())
                for part in cut(chunk, events, bad, rows):
                    await self._ask(part.lines, begin, done, (part.events, part.bad))
                    begin += len(part.lines)
            first += len(chunk)

    async def _ask(
        self,
        lines: Sequence[bytes],
        first: int,
        done: IO[bytes],
        prepared: tuple[EventBatch, list[BadRecord]] | None = None,
    ) -> None:
        """Have records decided; what is answered before there is room for them goes to `done`."""
        while len(self._under_way) >= _AHEAD:
            done.write(await self._next())
        future = self._server.decider.ask(
            lines,
            "http batch",
            wants_decisions=self._wants_decisions,
            first_position=first + 1,
            caller=self._owner,
            bounded=False,
            prepared=prepared,
            trace=self._trace,
        )
        future.add_done_callback(_heard)
        self._under_way.append(_Chunk(first, len(lines), future))

    def _count_bad(self, bad: int, last: int) -> None:
        """`Refusal` of a request that is mostly not what it should be."""
        if self._bad > _MOST_BAD:
            raise Refusal(
                422,
                "too_many_bad_records",
                f"more than {_MOST_BAD:,} of the first {last:,} records cannot be read: look at some of them "
                "under /quarantine or with `ringfence quarantine list`, and send the batch again",
            )
        self._bad += bad

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
        return await self._server.pools.batches.run(encode, await results, first)


def _heard(results: asyncio.Future[Sequence[Result]]) -> None:
    """Nobody may be left to hear of its error: the request may have been refused, or given up."""
    if not results.cancelled():
        results.exception()


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
