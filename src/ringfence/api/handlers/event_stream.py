"""Events of the bus to whoever listens, as server-sent events: whoever comes back misses none."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.alerts.case_events import case_event, is_told
from ringfence.api.handlers.reading import check_log
from ringfence.api.http.problems import Refusal
from ringfence.bus.catalog import ALERT_FEED, FEEDS, TOPICS
from ringfence.bus.paging import PulledEvents, page_of_log
from ringfence.bus.pattern import matches

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ringfence.api.services import BusServices
    from ringfence.api.streaming.stream_places import Place
    from ringfence.bus.pattern import Pattern

LOOK_SECONDS: Final = 0.25  # between two looks at the log
_QUIET_LOOKS: Final = 60  # after which a quiet stream says where it is
_AT_ONCE: Final = 200  # events of a topic
_OF_FEED: Final = 2000  # likewise, of a feed
_STREAMED: Final = (*TOPICS, *FEEDS)
_FEWEST_TOPICS: Final = 4  # of places that were written before there were more topics
_PLACE: Final = re.compile(
    rf"([0-9]{{1,16}}(?:\.[0-9]{{1,16}}){{{_FEWEST_TOPICS - 1},{len(_STREAMED) - 1}}})-([0-9A-Za-z]{{1,64}})"
)
_ENCODER: Final = msgspec.json.Encoder()


def page_of(
    services: BusServices,
    topic: str,
    after: int,
    limit: int,
    pattern: Pattern | None,
    queues: tuple[str, ...] = (),
) -> PulledEvents:
    """Events of a topic of the log, or of a feed beside it, from a place on; of cases in these queues only.

    Without queues the cases of all.
    """
    if topic in FEEDS:
        return _page_of_feed(services, topic, after, limit, pattern, queues)
    return page_of_log(services.store.log, _source(services), topic, after, limit, pattern)


def _page_of_feed(
    services: BusServices, feed: str, after: int, limit: int, pattern: Pattern | None, queues: tuple[str, ...]
) -> PulledEvents:
    end = _end_of(services, feed)
    come = min(after, end)
    if come == end:
        return PulledEvents([], come, end)
    told = list(_alerts_told(services, come) if feed == ALERT_FEED else _cases_told(services, come, queues))
    found: list[tuple[int, dict[str, Any]]] = []
    for number, event in told:
        if event is not None and (pattern is None or matches(pattern, event)):
            found.append((number, event))
            if len(found) >= limit:
                return PulledEvents(found, number, max(end, number))
    come = told[-1][0] if len(told) == _OF_FEED else max([end, *(number for number, _ in told)])
    return PulledEvents(found, come, max(end, come))


def _alerts_told(services: BusServices, after: int) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, body in services.outboxes.alerts.notices(after, _OF_FEED):
        yield number, msgspec.json.decode(body)


def _cases_told(
    services: BusServices, after: int, queues: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, Any] | None]]:
    for number, event, case in services.case_book.feed(after, _OF_FEED):
        told = is_told(event) and (not queues or case.queue in queues)
        yield number, case_event(event, case, _source(services)) if told else None


def _end_of(services: BusServices, topic: str) -> int:
    if topic not in FEEDS:
        return services.store.log.end_offset(topic)
    if topic == ALERT_FEED:
        return services.outboxes.alerts.last_notice() if services.outboxes.is_used else 0
    return services.case_book.last_event()


def _source(services: BusServices) -> str:
    return f"/ringfence/{services.store.meta.store_id}"


def start_of(services: BusServices, last_event_id: str, *, from_beginning: bool) -> list[int]:
    """The place in each topic and feed from which a stream begins.

    `Refusal` 422 for a place that is none here.
    """
    if last_event_id:
        found = _PLACE.fullmatch(last_event_id)
        if found is None:
            raise Refusal(422, "invalid_parameter", "Last-Event-ID is not the id of an event of this stream")
        check_log(found[2], services.store.log)
        offsets = [int(part) for part in found[1].split(".")]
        later = _STREAMED[len(offsets) :]  # feeds that the place knows nothing of begin now
        return offsets + [_end_of(services, topic) if topic in FEEDS else 0 for topic in later]
    return [0 if from_beginning else _end_of(services, topic) for topic in _STREAMED]


async def stream(
    services: BusServices, at: list[int], pattern: Pattern | None, place: Place, queues: tuple[str, ...] = ()
) -> AsyncIterator[bytes]:
    """The stream of one listener, until it hangs up, the server stops or its place is another's.

    Or until streams have lasted as long as the settings let them. Of cases it tells of those in `queues`.
    """
    quiet, clock, seconds = 0, asyncio.get_running_loop().time, services.settings.stream_seconds
    end = clock() + seconds if seconds else float("inf")
    try:
        yield b": events follow\n\n"
        while not (services.stopping.is_set() or place.over or clock() > end):
            told = await services.pools.topics.run(_news, services, at, pattern, queues)
            for piece in told:
                yield piece
            quiet = 0 if told else quiet + 1
            if quiet >= _QUIET_LOOKS:
                quiet = 0
                yield b"id: %b\n\n" % _written(at, services)
            if not told:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(
                        services.stopping.wait(), min(LOOK_SECONDS, seconds or LOOK_SECONDS)
                    )
        if place.over:
            yield b"retry: 30000\nevent: closed\ndata: {}\n\n"
    finally:
        services.places.leave(place)


def _news(
    services: BusServices, at: list[int], pattern: Pattern | None, queues: tuple[str, ...]
) -> list[bytes]:
    """What there is behind a place, which moves on; in the order of each topic."""
    told = []
    for number, topic in enumerate(_STREAMED):
        page = page_of(services, topic, at[number], _AT_ONCE, pattern, queues)
        for at[number], event in page.events:
            body = _ENCODER.encode(event)
            told.append(
                b"id: %b\nevent: %b\ndata: %b\n\n" % (_written(at, services), event["type"].encode(), body)
            )
        at[number] = max(at[number], page.after)
    return told


def _written(at: list[int], services: BusServices) -> bytes:
    """A place in every topic and feed of this log."""
    offsets = ".".join(map(str, at))
    return f"{offsets}-{services.store.log.identity}".encode()
