"""What people do to the event bus, the same from the command line, over HTTP and on a page."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from ringfence.bus.catalog import TOPICS, tables
from ringfence.bus.condition import Condition, paths_of
from ringfence.bus.pattern import fields, wanted
from ringfence.bus.subscription import Subscription, digest_of
from ringfence.errors import InputError
from ringfence.masking import find_cards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ringfence.bus.outbox import Outbox
    from ringfence.bus.pattern import Pattern
    from ringfence.bus.subscription import Destination
    from ringfence.bus.table import EventTable
    from ringfence.ports import EventLog

DAY_MS: Final = 86_400_000
_MOST_RECORDS: Final = 1_000_000  # of a topic, that are looked at
_PIECE: Final = 20_000  # of them, that are in memory at once
_OLDER_PIECES: Final = 3  # in a row without one of the last day: the others are taken for older
_EXAMPLES: Final = 3


class Subscriptions(Protocol):
    """Where subscriptions are kept."""

    def subscribe(self, wanted: Subscription) -> Subscription:
        """Keep one that has been checked."""
        ...


class Appraisal(msgspec.Struct, frozen=True):
    """What a pattern would have matched lately.

    Attributes:
        events: that there were, in the last day of the log.
        matched: of them, those that the pattern wants; `types` by type.
        examples: a few of these, newest last.
        remarks: what somebody should know before this is saved.
    """

    events: int
    matched: int
    types: dict[str, int] = {}
    examples: list[dict[str, Any]] = []
    remarks: list[str] = []


def appraise(
    log: EventLog, pattern_text: str, source: str, is_late: Callable[[], bool] = lambda: False
) -> Appraisal:
    """Try a pattern on the last day of each topic; `InputError` where it is none.

    The newest events come first. Once `is_late`, no more are looked at, and a remark says so.
    """
    pattern = _pattern(pattern_text)
    events = matched = 0
    types: dict[str, int] = {}
    examples: dict[str, list[dict[str, Any]]] = {}
    known: set[str] = set()
    cut: list[str] = []
    for topic in TOPICS:
        for table in _newest(log, topic, source, is_late, cut):
            events += len(table)
            known |= {".".join(path) for path in table.paths}
            rows = table.matching(pattern).nonzero()[0].tolist()
            if rows:
                matched += len(rows)
                latest = examples.setdefault(topic, [])
                found = table.events(rows[-_EXAMPLES:])
                types[found[0]["type"]] = types.get(found[0]["type"], 0) + len(rows)
                latest[:0] = found[-(_EXAMPLES - len(latest)) :] if len(latest) < _EXAMPLES else []
    shown = [one for found in examples.values() for one in found][-_EXAMPLES:]
    return Appraisal(events, matched, types, shown, cut + _remarks(pattern, events, matched, known))


def _newest(
    log: EventLog, topic: str, source: str, is_late: Callable[[], bool], cut: list[str]
) -> Iterator[EventTable]:
    """The last day of a topic, piece by piece, the newest first; `cut` hears where that is not all of it."""
    after = log.end_offset(topic)
    least = max(log.start_offset(topic), after - _MOST_RECORDS)
    since_ms, older = 0, 0  # an import of old events stands among those of today, or behind them
    while after > least and older < _OLDER_PIECES:
        begin = max(least, after - _PIECE)
        batches = [one for one in log.read(topic, begin, after) if one.base_offset < after]
        since_ms = max(since_ms, max((one.last_time_ms for one in batches), default=0) - DAY_MS)
        recent = [one for one in batches if one.last_time_ms > since_ms]
        for _, table in reversed(list(tables(topic, recent, log, source))):
            yield table
        older = 0 if recent else older + 1
        after = min(begin, batches[0].base_offset)
        if after > least and is_late():
            cut.append(f"only the newest events of {topic} were tried: the whole day takes too long")
            return
    if after <= least and least > log.start_offset(topic):
        cut.append(
            f"only the newest {_MOST_RECORDS:,} events of {topic} were tried, perhaps not the whole day"
        )


def _pattern(text: str) -> Pattern:
    """`InputError` where it is none, or has a card number, which all who see subscriptions would see."""
    if find_cards(text, strict=True):
        raise InputError(
            "the pattern has a card number, and events have none: write the card_id of its payments instead"
        )
    return wanted(text)


def subscribe(
    bus: Subscriptions,
    log: EventLog,
    name: str,
    pattern: str,
    to: str,
    *,
    ordered: bool,
    now_ms: int,
) -> Subscription:
    """Have events that come from now on sent to a destination; errors as of `Bus.subscribe`."""
    _pattern(pattern)
    start = {topic: log.end_offset(topic) for topic in TOPICS}
    made = Subscription(name=name, pattern=pattern, to=to, ordered=ordered, created_ms=now_ms, start=start)
    return bus.subscribe(made)


def address_of(bus: Outbox, digest: str, secret: bytes) -> str:
    """The destination with this `digest_of` its address; `InputError` where there is none."""
    for one in bus.destinations():
        if digest_of(one.address, secret) == digest:
            return one.address
    raise InputError(f"there is no destination {digest[:20]!r}: reload the page, or `GET /v1/bus`")


def enable(bus: Outbox, address: str) -> Destination:
    """Send to a destination again that had answered 410, gone; `InputError` where there is none."""
    return bus.change(address, disabled="", failing=0, failing_since_ms=0, open_until_ms=0)


def _remarks(pattern: Pattern, events: int, matched: int, known: set[str]) -> list[str]:
    remarks = []
    if isinstance(pattern, Condition):
        unknown = {
            name for name in pattern.names if known.isdisjoint(".".join(path) for path in paths_of(name))
        }
        known = {path.rpartition(".features.")[2].removeprefix("data.") for path in known}
    else:
        unknown = {".".join(field.path) for field in fields(pattern)} - known
    for path in sorted(unknown) if events else ():
        near = get_close_matches(path, sorted(known), 1)
        hint = f": did you mean {near[0]}?" if near else ""
        remarks.append(f"no event of the last day has a field {path}{hint}")
    if events and not matched:
        remarks.append(f"none of the last day's {events:,} events would have matched")
    elif events and matched == events:
        remarks.append(f"every one of the last day's {events:,} events would have matched")
    return remarks
