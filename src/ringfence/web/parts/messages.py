"""Records of the log as people read them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import pyarrow as pa

from ringfence.decisions.decision import DecisionBatch
from ringfence.events import codec
from ringfence.events.values.currencies import currency_exponent
from ringfence.intake import event_json
from ringfence.ports import DECISIONS, EVENTS
from ringfence.web.parts.period import moment_ms
from ringfence.web.parts.rendering import money

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.api.services import RecordServices
    from ringfence.ports import LogBatch


@dataclass(frozen=True, slots=True)
class Messages:
    """Some records with their offsets in the topic, ascending; `schema` are the columns of their batches."""

    messages: list[tuple[int, dict[str, Any]]]
    schema: list[tuple[str, str]]
    start: int
    end: int
    first: int
    problem: str = ""


def page(services: RecordServices, topic: str, offset: str, key: str, count: int) -> Messages:
    """Records from an offset on, or the one that has to do with a transaction, or the last ones."""
    log = services.store.log
    start, end = log.start_offset(topic), log.end_offset(topic)
    first, problem = max(start, end - count), ""
    if key:
        place = _place(services, topic, key)
        if place is None:
            problem = "No record of this topic that is still kept has this key."
        else:
            first, count = place, 1
    elif offset:
        if offset.isdecimal() and start <= int(offset) < end:
            first = int(offset)
        else:
            problem = f"Offsets go from {start:,} to {end - 1:,}." if end > start else "This topic is empty."
    return _read(services, topic, first, min(end, first + count), (start, end), problem)


def _time_ms(message: dict[str, Any]) -> int | None:
    """An event says its time as text, a decision in milliseconds."""
    told = message.get("event_time", message.get("event_time_ms", message.get("day_ms")))
    try:
        return told if told is None or isinstance(told, int) else moment_ms(str(told))
    except ValueError:
        return None


MOST_SCANNED: Final = 20_000
"""Records that a text is looked for in, from where the page begins."""

_SCANNED_AT_ONCE: Final = 1000

MOST_EXPORTED: Final = 10_000


class Brief(NamedTuple):
    """What a record's line says of it; parts that it does not have are empty."""

    time_ms: int | None
    what: str
    entity: str
    amount: str
    id: str


def brief(topic: str, message: dict[str, Any], payment: dict[str, Any] | None = None) -> Brief:
    """The line of a record; of a decision with the amount and the entity of its payment."""
    when, message = _time_ms(message), (payment or {}) | message
    amount, currency = message.get("amount_minor"), message.get("currency")
    shown = "" if amount is None else money(amount / 10 ** currency_exponent(currency or ""), currency)
    named = ((kind, message.get(f"{kind}_id")) for kind in ("customer", "card", "account", "merchant"))
    entity = next((f"{kind} {name}" for kind, name in named if name), message.get("entity_id") or "")
    what = message.get("outcome") if topic == DECISIONS else message.get("kind") or message.get("outcome")
    return Brief(
        when,
        str(what or topic),
        str(entity),
        shown,
        str(message.get("transaction_id") or message.get("event_id") or ""),
    )


def payments_of(services: RecordServices, topic: str, found: Messages) -> dict[int, dict[str, Any]]:
    """By the decision's place in the topic; payments that the log has forgotten are missing."""
    if topic != DECISIONS:
        return {}
    log = services.store.log
    payments, batch, events = {}, None, None
    for number, offset in ((number, message["offset"]) for number, message in found.messages):
        if batch is None or events is None or not batch.base_offset <= offset < batch.next_offset:
            batch = next(log.read(EVENTS, offset, offset + 1), None)
            events = codec.decode(batch.payload) if batch is not None else None
        if batch is not None and events is not None and offset >= batch.base_offset:
            payments[number] = event_json(events, offset - batch.base_offset)
    return payments


def matching(services: RecordServices, topic: str, found: Messages, text: str, count: int) -> Messages:
    """The records, of those from `found.first` on, in which a text stands; at most `count`."""
    begin = found.first if found.messages else found.start
    after = min(found.end, begin + MOST_SCANNED)
    kept = _having(services, topic, range(begin, after), text)[:count]
    if len(kept) == count:
        return replace(found, messages=kept)
    searched = f"{len(kept)} of the {after - begin:,} records from offset {begin:,} on have {text[:60]!r}."
    return replace(found, messages=kept, problem=found.problem or searched)


def newest_matching(
    services: RecordServices, topic: str, text: str, count: int, since: int = 0, seen: Sequence[int] = ()
) -> Messages:
    """The newest records in which a text stands, of the last that are looked through; at most `count`.

    Whoever looks again says up to where it has looked, and which offsets it has `seen` there.
    """
    found = page(services, topic, "", "", 1)
    first, after = max(found.start, found.end - MOST_SCANNED), found.end
    kept: list[tuple[int, dict[str, Any]]] = []
    until = max(first, since)
    while after > until and len(kept) < count:
        begin = max(until, after - _SCANNED_AT_ONCE)
        kept = (_having(services, topic, range(begin, after), text) + kept)[-count:]
        after = begin
    left = count - len(kept)
    earlier = sorted({at for at in seen if found.start <= at < min(since, found.end)})[-left:] if left else ()
    span = (found.start, found.end)
    kept = [one for at in earlier for one in _read(services, topic, at, at + 1, span, "").messages] + kept
    searched = f"{len(kept)} of the last {found.end - first:,} records have {text[:60]!r}."
    told = "" if len(kept) == count else searched
    return replace(found, messages=kept, first=kept[0][0] if kept else found.first, problem=told)


def _having(services: RecordServices, topic: str, span: range, text: str) -> list[tuple[int, dict[str, Any]]]:
    log, word = services.store.log, text.lower()
    begin, after = span.start, span.stop
    kept: list[tuple[int, dict[str, Any]]] = []
    for batch in log.read(topic, begin, after) if begin < after else ():
        rows, _ = _decoded(topic, batch)
        for number in range(max(begin, batch.base_offset), min(after, batch.next_offset)):
            message = rows(number - batch.base_offset)
            if word in msgspec.json.encode(message, enc_hook=str).decode().lower():
                kept.append((number, message))
    return kept


def _place(services: RecordServices, topic: str, key: str) -> int | None:
    """Where in a topic a transaction is."""
    found = services.stored.decision_of(key)
    if found is None or topic not in (EVENTS, DECISIONS):
        return None
    offset: int = found.batch.table.column("offset")[found.row].as_py()
    if topic == EVENTS:
        return offset
    return found.position


def _read(
    services: RecordServices, topic: str, first: int, after: int, span: tuple[int, int], problem: str
) -> Messages:
    messages: list[tuple[int, dict[str, Any]]] = []
    schema: dict[str, str] = {}
    for batch in services.store.log.read(topic, first, after) if first < after else ():
        rows, columns = _decoded(topic, batch)
        schema |= columns
        span_here = range(max(first, batch.base_offset), min(after, batch.next_offset))
        messages += [(number, rows(number - batch.base_offset)) for number in span_here]
    return Messages(messages, list(schema.items()), *span, first, problem)


def _decoded(topic: str, batch: LogBatch) -> tuple[Any, dict[str, str]]:
    """A function from row to record, and the type of each column."""
    if topic == EVENTS:
        events = codec.decode(batch.payload)
        return lambda row: event_json(events, row), _types(events.table.schema)
    if topic == DECISIONS:
        decisions = DecisionBatch.decode(batch.payload)
        return lambda row: msgspec.to_builtins(decisions.row(row)), _types(decisions.table.schema)
    with pa.ipc.open_stream(batch.payload) as reader:
        table = reader.read_all()
    return lambda row: table.slice(row, 1).to_pylist()[0], _types(table.schema)


def _types(schema: pa.Schema) -> dict[str, str]:
    return {field.name: str(field.type) for field in schema}
