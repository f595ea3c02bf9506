"""How many messages a destination had within a period, and how many more were held back for a digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import Connection

    from ringfence.alerts.policy import AlertPolicy

OF_DECISIONS: Final = "cap"
OF_CLOCK: Final = "clock_cap"
"""Tables: what decisions make is counted anew when the outbox is made again, what the clock makes is not."""


class MessageCaps:
    """Counts messages by destination, severity and period: lesser alerts swallow no critical one.

    Alerts and escalations of a severity are counted apart.

    Args:
        table: one of the two.
        rows: the answer to a question, with its arguments.
    """

    def __init__(
        self, table: str, rows: Callable[[str, tuple[Any, ...]], list[Any]], policy: AlertPolicy
    ) -> None:
        self._table = table
        self._rows = rows
        self._policy = policy
        self._known: dict[tuple[str, int], tuple[int, dict[str, int]]] = {}
        self._held: list[tuple[str, int, int, str]] = []

    def allow(self, address: str, severity: str, at_ms: int, alert_id: str) -> bool:
        """Count a message on an alert; False where it is one too many, and goes into the digest."""
        which = f"{severity} {address}", at_ms // self._policy.per_ms
        if which not in self._known:
            text = f"SELECT sent, held FROM {self._table} WHERE destination = ? AND bucket = ?"  # noqa: S608 (a constant)
            found = self._rows(text, which)
            self._known[which] = (found[0][0], msgspec.json.decode(found[0][1])) if found else (0, {})
        sent, held = self._known[which]
        if sent >= self._policy.most:
            held[severity] = held.get(severity, 0) + 1
            self._held.append((*which, held[severity], alert_id))
            return False
        self._known[which] = sent + 1, held
        return True

    def write(self, connection: Connection) -> None:
        """Keep what was counted."""
        connection.executemany(
            f"INSERT OR REPLACE INTO {self._table} VALUES (?, ?, ?, ?)",  # noqa: S608 (a constant)
            [
                (*which, sent, msgspec.json.encode(held).decode())
                for which, (sent, held) in self._known.items()
            ],
        )
        connection.executemany(
            # what a digest has told of stands already where the outbox is made again
            "INSERT INTO capped_alert VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            self._held,
        )


def name_digest(connection: Connection, name: str, which: tuple[str, int], first: int, last: int) -> bool:
    """Have a digest's name stand for what was held back, from the first to the last, counted from 1.

    False where an earlier version held some of it back, which did not note what it was.
    """
    chosen = (*which, first, last)
    text = "SELECT count(*) FROM capped_alert WHERE destination = ? AND bucket = ? AND n BETWEEN ? AND ?"
    ((noted,),) = connection.execute(text, chosen)
    if noted != last - first + 1:
        return False
    connection.execute(
        "INSERT INTO digest_span VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", (name, *chosen)
    )
    return True
