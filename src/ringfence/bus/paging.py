"""Events of a topic of the log in pages, from a place on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ringfence.bus.catalog import tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.bus.pattern import Pattern
    from ringfence.ports import EventLog

LOOKED_AT: Final = 20_000
"""Records of the log that one page looks at."""


class PulledEvents(NamedTuple):
    """Some events, each with the place behind it; the place behind all that was looked at, and the end."""

    events: list[tuple[int, dict[str, Any]]]
    after: int
    end: int


def page_of_log(
    log: EventLog,
    source: str,
    topic: str,
    after: int,
    limit: int,
    pattern: Pattern | None,
    is_late: Callable[[], bool] = lambda: False,
) -> PulledEvents:
    """Events that a pattern wants, from a place in a topic on; all of them without one.

    The page ends behind the batch after which it `is_late`.
    """
    end = log.end_offset(topic)
    begin = max(after, log.start_offset(topic))
    found: list[tuple[int, dict[str, Any]]] = []
    come = min(begin, end)
    for batch in log.read(topic, begin, min(end, begin + LOOKED_AT)) if begin < end else ():
        come = batch.next_offset
        for offsets, table in tables(topic, [batch], log, source):
            asked = offsets >= begin
            if pattern is not None:
                asked &= table.matching(pattern)
            rows = asked.nonzero()[0].tolist()
            chosen = rows[: limit - len(found)]
            places = (int(offsets[row]) + 1 for row in chosen)
            found += zip(places, table.events(chosen), strict=True)
            if len(chosen) < len(rows):
                return PulledEvents(found, int(offsets[rows[len(chosen)]]), end)
        if len(found) >= limit or is_late():
            break
    return PulledEvents(found, come, end)
