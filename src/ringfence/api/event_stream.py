"""Events of the bus to whoever listens, as server-sent events: whoever comes back misses none."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.api.problems import Refusal
from ringfence.api.reading import check_log
from ringfence.bus.catalog import TOPICS, tables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ringfence.api.places import Place
    from ringfence.api.server import Server
    from ringfence.bus.pattern import Pattern

LOOK_SECONDS: Final = 0.25  # between two looks at the log
_QUIET_LOOKS: Final = 60  # after which a quiet stream says where it is
_AT_ONCE: Final = 200  # events of a topic
LOOKED_AT: Final = 20_000
"""Records of the log that one page looks at."""

_FEWEST_TOPICS: Final = 4  # of places that were written before there were more topics
_PLACE: Final = re.compile(
    rf"([0-9]{{1,16}}(?:\.[0-9]{{1,16}}){{{_FEWEST_TOPICS - 1},{len(TOPICS) - 1}}})-([0-9A-Za-z]{{1,64}})"
)
_ENCODER: Final = msgspec.json.Encoder()


def page_of(
    server: Server, topic: str, after: int, limit: int, pattern: Pattern | None
) -> tuple[list[dict[str, Any]], int, int]:
    """Events of a topic from an offset on, the offset behind them, and where the topic ends now."""
    log = server.session.store.log
    end = log.end_offset(topic)
    begin = max(after, log.start_offset(topic))
    found: list[dict[str, Any]] = []
    come = min(begin, end)
    for batch in log.read(topic, begin, min(end, begin + LOOKED_AT)) if begin < end else ():
        come = batch.next_offset
        source = f"/ringfence/{server.session.store.meta.store_id}"
        for offsets, table in tables(topic, [batch], log, source):
            asked = offsets >= begin
            if pattern is not None:
                asked &= table.matching(pattern)
            rows = asked.nonzero()[0].tolist()
            chosen = rows[: limit - len(found)]
            found += table.events(chosen)
            if len(chosen) < len(rows):
                return found, int(offsets[rows[len(chosen)]]), end
        if len(found) >= limit:
            break
    return found, come, end


def start_of(server: Server, last_event_id: str, *, from_beginning: bool) -> list[int]:
    """The offset in each topic from which a stream begins; `Refusal` 422 for a place that is none here."""
    if last_event_id:
        found = _PLACE.fullmatch(last_event_id)
        if found is None:
            raise Refusal(422, "invalid_parameter", "Last-Event-ID is not the id of an event of this stream")
        check_log(found[2], server.session.store.log)
        offsets = [int(part) for part in found[1].split(".")]
        return offsets + [0] * (len(TOPICS) - len(offsets))
    if from_beginning:
        return [0] * len(TOPICS)
    return [server.session.store.log.end_offset(topic) for topic in TOPICS]


async def stream(
    server: Server, at: list[int], pattern: Pattern | None, place: Place
) -> AsyncIterator[bytes]:
    """The stream of one listener, until it hangs up, the server stops or its place is another's.

    Or until streams have lasted as long as the settings let them.
    """
    quiet, clock, seconds = 0, asyncio.get_running_loop().time, server.settings.stream_seconds
    end = clock() + seconds if seconds else float("inf")
    try:
        yield b": events follow\n\n"
        while not (server.stopping.is_set() or place.over or clock() > end):
            told = await server.pools.reading.run(_news, server, at, pattern)
            for piece in told:
                yield piece
            quiet = 0 if told else quiet + 1
            if quiet >= _QUIET_LOOKS:
                quiet = 0
                yield b"id: %b\n\n" % _written(at, server)
            if not told:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(server.stopping.wait(), min(LOOK_SECONDS, seconds or LOOK_SECONDS))
        if place.over:
            yield b"retry: 30000\nevent: closed\ndata: {}\n\n"
    finally:
        server.places.leave(place)


def _news(server: Server, at: list[int], pattern: Pattern | None) -> list[bytes]:
    """What there is behind a place, which moves on; in the order of each topic."""
    told = []
    for number, topic in enumerate(TOPICS):
        events, after, _ = page_of(server, topic, at[number], _AT_ONCE, pattern)
        for event in events:
            at[number] = int(event["id"].rpartition(":")[2]) + 1
            body = _ENCODER.encode(event)
            told.append(
                b"id: %b\nevent: %b\ndata: %b\n\n" % (_written(at, server), event["type"].encode(), body)
            )
        at[number] = max(at[number], after)
    return told


def _written(at: list[int], server: Server) -> bytes:
    """A place in every topic of this log."""
    offsets = ".".join(map(str, at))
    return f"{offsets}-{server.session.store.log.identity}".encode()
