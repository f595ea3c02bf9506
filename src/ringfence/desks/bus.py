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

if TYPE_CHECKING:
    from ringfence.bus.outbox import Outbox
    from ringfence.bus.pattern import Pattern
    from ringfence.bus.subscription import Destination
    from ringfence.ports import EventLog

DAY_MS: Final = 86_400_000
_MOST_RECORDS: Final = 1_000_000  # of a topic, that are looked at
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


def appraise(log: EventLog, pattern_text: str, source: str) -> Appraisal:
    """Try a pattern on the last day of each topic; `InputError` where it is none."""
    pattern = wanted(pattern_text)
    events = matched = 0
    types: dict[str, int] = {}
    examples: list[dict[str, Any]] = []
    known: set[str] = set()
    for topic in TOPICS:
        end = log.end_offset(topic)
        first = max(log.start_offset(topic), end - _MOST_RECORDS)
        batches = list(log.read(topic, first, end)) if first < end else []
        since_ms = max((batch.last_time_ms for batch in batches), default=0) - DAY_MS
        recent = [batch for batch in batches if batch.last_time_ms > since_ms]
        for _, table in tables(topic, recent, log, source):
            events += len(table)
            known |= {".".join(path) for path in table.paths}
            rows = table.matching(pattern).nonzero()[0].tolist()
            if rows:
                matched += len(rows)
                found = table.events(rows[-_EXAMPLES:])
                types[found[0]["type"]] = types.get(found[0]["type"], 0) + len(rows)
                examples = [*examples, *found][-_EXAMPLES:]
    return Appraisal(events, matched, types, examples, _remarks(pattern, events, matched, known))


def subscribe(
    bus: Subscriptions,
    log: EventLog,
    name: str,
    pattern: str,
    to: str,
    *,
    ordered: bool,
    source: str,
    now_ms: int,
) -> tuple[Subscription, Appraisal]:
    """Have events that come from now on sent to a destination; errors as of `Bus.subscribe`."""
    appraisal = appraise(log, pattern, source)
    start = {topic: log.end_offset(topic) for topic in TOPICS}
    made = Subscription(name=name, pattern=pattern, to=to, ordered=ordered, created_ms=now_ms, start=start)
    return bus.subscribe(made), appraisal


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
