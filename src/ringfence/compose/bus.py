"""Opens what a data folder keeps of messages and alerts."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ringfence.adapters.outbox import AlertBook, Bus
from ringfence.compose import companions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ringfence.alerts.book import Alerts
    from ringfence.bus.outbox import Outbox


@dataclass(frozen=True, slots=True)
class OpenMessages:
    """The outbox and the alerts of one data folder, which are in one file."""

    outbox: Outbox
    alerts: Alerts

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        self.outbox.close()


def has_outbox(folder: Path) -> bool:
    """Whether a bus has ever been used in a data folder."""
    return Bus.is_in(folder)


def open_messages(folder: Path) -> OpenMessages:
    """The outbox and the alerts of a data folder, made if they were never there.

    `CorruptError` where they are gone.
    """
    companions.check_not_lost(folder, companions.BUS)
    bus = Bus(folder)
    return OpenMessages(bus, AlertBook(bus.database))


@contextmanager
def messages(folder: Path) -> Iterator[OpenMessages]:
    """As `open_messages`, until the block is left."""
    opened = open_messages(folder)
    try:
        yield opened
    finally:
        opened.close()
