"""Opens what a data folder keeps of messages and alerts."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ringfence.adapters.outbox import AlertBook, Bus
from ringfence.compose.folder import companions
from ringfence.store import BUS

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
    """Whether a bus has ever been used in a data folder; `CorruptError` where it is gone."""
    companions.check_not_lost(folder, BUS)
    return Bus.is_in(folder)


def open_bus(folder: Path) -> Bus:
    """The bus of a data folder, made if it was never there; `CorruptError` at its use where it is gone.

    Made anew, it would have all alerts of the log sent once more.
    """
    return Bus(folder, partial(companions.check_not_lost, folder, BUS))


def open_messages(folder: Path) -> OpenMessages:
    """The outbox and the alerts of a data folder, made if they were never there; errors as of `open_bus`."""
    bus = open_bus(folder)
    return OpenMessages(bus, AlertBook(bus.database))


@contextmanager
def messages(folder: Path) -> Iterator[OpenMessages]:
    """As `open_messages`, until the block is left."""
    opened = open_messages(folder)
    try:
        yield opened
    finally:
        opened.close()
