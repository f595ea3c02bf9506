"""How customers are reached by their profiles: as these were when a payment came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.events import codec
from ringfence.events.model import ATTRIBUTE_PREFIX, Kind
from ringfence.ports import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from sqlite3 import Connection

    from ringfence.events.batch import EventBatch
    from ringfence.ports import EventLog

_NAMES: Final = ("email", "phone", "language")
_WHOSE: Final = ("customer", "account", "card")  # whose profile is asked, the first that has a contact
_REACHED: Final = "contacts"


class Contacts:
    """Contacts within one transaction on the file of the bus; they stay when the outbox is made again."""

    def __init__(self, connection: Connection, log: EventLog) -> None:
        self._connection = connection
        self._log = log

    def reach(self, until: int) -> None:
        """Take in the profiles before an offset of the log of events."""
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (_REACHED,)).fetchone()
        begin = max(int(row[0]) if row else 0, self._log.start_offset(EVENTS))
        reached = begin
        for batch in self._log.read(EVENTS, begin, until) if begin < until else ():
            reached = batch.next_offset
            events = codec.decode(batch.payload)
            if not events.only_payments:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO contact VALUES (?, ?, ?, ?, ?)",
                    list(_told(events, batch.base_offset)),
                )
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_REACHED, str(reached)))

    def of(self, payment: dict[str, str], offset: int) -> dict[str, str]:
        """Email, phone and language of whoever a payment is about, as known at its offset."""
        for whose in _WHOSE:
            rows = self._connection.execute(
                "SELECT name, value FROM contact WHERE entity_type = ? AND entity_id = ? AND log_offset < ? "
                "ORDER BY log_offset",
                (whose, payment.get(f"{whose}_id"), offset),
            ).fetchall()
            if rows:
                return dict(rows)
        return {}


def _told(events: EventBatch, base: int) -> Iterator[tuple[str, str, str, int, str]]:
    wanted = {ATTRIBUTE_PREFIX + name for name in _NAMES}
    if wanted.isdisjoint(events.attribute_names):
        return
    whose, ids = events.column("entity_type"), events.column("entity_id")
    for row in np.flatnonzero(events.kind == Kind.PROFILE).tolist():
        told = events.attributes_of(row)
        for name in _NAMES:
            if told.get(name) is not None:
                yield whose[row].as_py(), ids[row].as_py(), name, base + row, str(told[name])
