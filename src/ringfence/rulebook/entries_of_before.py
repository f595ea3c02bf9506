"""List entries of a store whose ids were not in their norm yet: made again, so that they go on matching."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.events import codec
from ringfence.events.model import Kind
from ringfence.ports import EVENTS
from ringfence.rulebook.entries import Entry, to_events
from ringfence.scoring.rulesets.actions import ListKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.events.batch import EventBatch
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.ports import EventLog

_FIELDS: Final = ("list_name", "entity_type", "entity_id", "list_kind", "removed", "expires_at_ms")


def renewed(log: EventLog, tokenizer: Tokenizer, now_ms: int) -> Iterator[EventBatch]:
    """Events that put each entry that is in force, and not in its norm, on its list in its norm, too."""
    lists: dict[str, list[Entry]] = {}
    kinds: dict[str, str] = {}
    for name, entity_type, entity_id, kind, removed, until_ms in _in_force(log):
        kinds[name] = kind or kinds.get(name, ListKind.WATCH)
        if removed or (until_ms is not None and until_ms <= now_ms):
            continue
        entry = Entry(entity_id, entity_type, None, until_ms, "in its norm", "upgrade")
        lists.setdefault(name, []).append(entry)
    for name, entries in lists.items():
        kind = ListKind(kinds[name])
        events, _ = to_events(entries, name, kind, author="upgrade", now_ms=now_ms, tokenizer=tokenizer)
        ids = dict(zip(events.column("entity_id").to_pylist(), range(len(events)), strict=True))
        before = {entry.entity_id for entry in entries}
        rows = [row for entity_id, row in ids.items() if entity_id not in before]
        for row in rows:
            yield events.slice(row, row + 1)


def _in_force(log: EventLog) -> Iterator[tuple[str, str | None, str, str | None, bool | None, int | None]]:
    """The latest word on each entry, in the order of the log."""
    latest: dict[tuple[str, str | None, str], tuple[str | None, bool | None, int | None]] = {}
    for batch in log.read(EVENTS, log.start_offset(EVENTS)):
        events = codec.decode(batch.payload)
        entries = events.kind == Kind.LIST_ENTRY
        if entries.any():
            found = events.take(entries)
            columns = [found.column(name).to_pylist() for name in _FIELDS]
            for name, entity_type, entity_id, kind, removed, until_ms in zip(*columns, strict=True):
                latest[name, entity_type, entity_id] = (kind, removed, until_ms)
    for (name, entity_type, entity_id), (kind, removed, until_ms) in latest.items():
        yield name, entity_type, entity_id, kind, removed, until_ms
