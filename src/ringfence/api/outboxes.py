"""What the server tells of the outbox, which another process fills and empties."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from ringfence.compose.folder.bus import has_outbox, open_messages
from ringfence.compose.folder.companions import is_lost
from ringfence.errors import StoreError
from ringfence.store import BUS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from ringfence.ports import Clock
    from ringfence.store import DataFolder


class Outboxes:
    """A collector of metrics: messages that wait and dead letters, by kind of destination. Any thread."""

    def __init__(self, store: DataFolder, clock: Clock) -> None:
        self._folder = store.folder
        self._clock = clock
        self._is_lost = is_lost(store, BUS)
        kept = open_messages(store.folder)
        self.bus = kept.outbox
        self.alerts = kept.alerts

    @property
    def is_used(self) -> bool:
        """Whether there has ever been a message or a subscription; also where they are lost."""
        return self._is_lost or has_outbox(self._folder)

    def collect(self) -> Iterator[Metric]:
        """The figures, in Prometheus' form."""
        messages = GaugeMetricFamily(
            "ringfence_outbox_messages",
            "Messages that wait to be delivered, or are dead letters.",
            labels=("kind", "state"),
        )
        age = GaugeMetricFamily(
            "ringfence_outbox_oldest_seconds",
            "For how long the first message that may be delivered has waited.",
            labels=("kind",),
        )
        now_ms = self._clock.now_ms()
        for kind, waiting, dead, oldest_ms in self._figures():
            messages.add_metric((kind, "waiting"), waiting)
            messages.add_metric((kind, "dead"), dead)
            age.add_metric((kind,), max(0, now_ms - oldest_ms) / 1000 if waiting else 0.0)
        yield from (messages, age)

    def close(self) -> None:
        """Release the file."""
        self.bus.close()

    def _figures(self) -> list[tuple[str, int, int, int]]:
        if not self.is_used:
            return []
        try:
            return self.bus.figures()
        except StoreError:  # as the server stops
            return []
