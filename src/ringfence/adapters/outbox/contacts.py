"""How customers are reached by their profiles: as these were when a payment came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.events import codec
from ringfence.events.model import ATTRIBUTE_PREFIX, Kind
from ringfence.ports import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.adapters.outbox.database import OutboxDatabase
    from ringfence.events.batch import EventBatch
    from ringfence.ports import EventLog

_NAMES: Final = ("email", "phone", "language")
_WHOSE: Final = ("customer", "account", "card")  # whose profile is asked, the first that has a contact
_REACHED: Final = "contacts"
_AT_ONCE: Final = 16_384  # events of one transaction
_LATEST: Final = """
SELECT value FROM contact WHERE entity_type = :type AND entity_id = :id AND name = :name
AND log_offset < :offset ORDER BY log_offset DESC LIMIT 1
"""
_INSERT: Final = f"""
INSERT OR REPLACE INTO contact (entity_type, entity_id, name, log_offset, value)
SELECT :type, :id, :name, :offset, :value WHERE ({_LATEST}) IS NOT :value
AND NOT EXISTS (SELECT 1 FROM forgotten WHERE entity_id = :id AND log_offset > :offset)
"""  # noqa: S608 (constants)


class Contacts:
    """Contacts in the file of the bus; they stay when the outbox is made again."""

    def __init__(self, database: OutboxDatabase, log: EventLog) -> None:
        self._database = database
        self._log = log

    def reach(self, until: int, at_once: int = _AT_ONCE) -> None:
        """Take in the profiles before an offset of the log of events, so many events in a transaction."""
        found = self._database.rows("SELECT value FROM meta WHERE name = ?", (_REACHED,))
        begin = max(int(found[0][0]) if found else 0, self._log.start_offset(EVENTS))
        if begin >= until:
            return
        told: list[dict[str, Any]] = []
        count = 0
        for batch in self._log.read(EVENTS, begin, until):
            events = codec.decode(batch.payload)
            if not events.only_payments:
                told += _told(events, batch.base_offset)
            count += len(events)
            if count >= at_once or batch.next_offset >= until:
                self._keep(told, batch.next_offset)
                told, count = [], 0

    def _keep(self, told: list[dict[str, Any]], reached: int) -> None:
        """Values that changed, and how far the log was read."""
        with self._database.transaction(at_leisure=True) as connection:
            connection.executemany(_INSERT, told)
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_REACHED, str(reached)))

    def of(self, payment: dict[str, str], offset: int) -> dict[str, str]:
        """Email, phone and language of whoever a payment is about, as known at its offset."""
        for whose in _WHOSE:
            asked = {"type": whose, "id": payment.get(f"{whose}_id"), "offset": offset}
            rows = {name: self._database.rows(_LATEST, asked | {"name": name}) for name in _NAMES}
            if found := {name: one[0][0] for name, one in rows.items() if one}:
                return found
        return {}


def _told(events: EventBatch, base: int) -> Iterator[dict[str, Any]]:
    wanted = {ATTRIBUTE_PREFIX + name for name in _NAMES}
    if wanted.isdisjoint(events.attribute_names):
        return
    whose, ids = events.column("entity_type"), events.column("entity_id")
    for row in np.flatnonzero(events.kind == Kind.PROFILE).tolist():
        told = events.attributes_of(row)
        subject = {"type": whose[row].as_py(), "id": ids[row].as_py(), "offset": base + row}
        for name in _NAMES:
            if told.get(name) is not None:
                yield subject | {"name": name, "value": str(told[name])}
