"""Whether the backups that are made by the clock were made: a figure to alarm on, and a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client.core import GaugeMetricFamily

from ringfence.compose.upkeep.backup import OVERDUE_MS, last_backup_ms, schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from ringfence.ports import Clock
    from ringfence.store import DataFolder

_HOUR_MS: Final = 3_600_000


class BackupWatcher:
    """Nothing to tell where no backups are made by the clock. Any thread may ask."""

    def __init__(self, store: DataFolder, clock: Clock) -> None:
        """`InputError` where the settings name what cannot be a place for backups."""
        self._store, self._clock = store, clock
        self._schedule = schedule()

    def overdue_ms(self) -> int | None:
        """For how long a backup has been due; None where none ever is. A store is new until its first one."""
        if self._schedule is None:
            return None
        latest_ms, now_ms = last_backup_ms(self._store.folder), self._clock.now_ms()
        if latest_ms is None or latest_ms > now_ms:  # none, or of a clock that ran ahead
            latest_ms = self._store.meta.created_ms
        return max(0, now_ms - latest_ms - self._schedule.every_ms)

    def warnings(self) -> list[str]:
        """What somebody should see to."""
        late_ms = self.overdue_ms()
        if self._schedule is None or late_ms is None or late_ms < OVERDUE_MS:
            return []
        return [
            f"the backup to {self._schedule.to} is {late_ms // _HOUR_MS} hours late: see this server's log"
        ]

    def collect(self) -> Iterator[Metric]:
        """The figure, in Prometheus' form."""
        late_ms = self.overdue_ms()
        if late_ms is not None:
            yield GaugeMetricFamily(
                "ringfence_backup_overdue_seconds",
                "For how long a backup has been due and was not made.",
                value=late_ms / 1000,
            )
