"""Quarantined records tried again while the server runs: what can be read now goes the way of every event."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.adapters.files import read_original
from ringfence.adapters.sqlite.quarantine import Replayed
from ringfence.compose import registered_mapping
from ringfence.errors import InputError
from ringfence.intake import event_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.adapters.sqlite.quarantine import QuarantinedRecord
    from ringfence.api.outcomes import Result
    from ringfence.api.server import Server
    from ringfence.events.batch import EventBatch

SETTLED: Final = frozenset({"accepted", "duplicate"})
_TOGETHER: Final = 64


async def give(server: Server, records: Sequence[QuarantinedRecord]) -> Counter[str]:
    """Try these again, in order; how often each outcome came out."""
    outcomes: Counter[str] = Counter()
    for begin in range(0, len(records), _TOGETHER):
        group = records[begin : begin + _TOGETHER]
        found = [await _try(server, record) for record in group]
        outcomes.update(found)
        marks = [Replayed(record.id, outcome) for record, outcome in zip(group, found, strict=True)]
        now_ms = server.clock.now_ms()
        await asyncio.to_thread(server.session.store.commit, replayed=marks, now_ms=now_ms)
    return outcomes


async def _try(server: Server, record: QuarantinedRecord) -> str:
    try:
        lines, refused = await asyncio.to_thread(_read, server, record)
    except InputError:  # the mapping does not fit it, or nothing of it was left to keep
        return record.reason
    if refused is not None:
        return refused
    results = await server.decider.ask(lines, "quarantine", wants_decisions=False, bounded=False)
    return _outcome(results)


def _read(server: Server, record: QuarantinedRecord) -> tuple[list[bytes], str | None]:
    """Its events as the lines that they could have come as, or the reason why it is still bad."""
    session = server.session
    mapping = registered_mapping(session.store, record.mapping)
    form: Any = record.original_format
    row = max(record.position - 1, 0)
    piece = read_original(record.original, form, mapping, session.tokenizer, server.clock.now_ms(), row)
    if piece.bad:
        return [], piece.bad[0].reason.value
    labels = _lines(piece.labels) if piece.labels is not None else []
    return _lines(piece.events) + labels, None


def _lines(events: EventBatch) -> list[bytes]:
    return [msgspec.json.encode(event_json(events, row)) for row in range(len(events))]


def _outcome(results: Sequence[Result]) -> str:
    if any(result.status == 409 for result in results):
        return "conflict"
    if any(result.status >= 400 for result in results):
        return "refused"
    repeated = all(msgspec.json.decode(result.body)["duplicate"] for result in results)
    return "duplicate" if repeated else "accepted"
