"""Work by the clock as a server tells of it: what failed, and how the model in force was found to stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from ringfence.compose.upkeep.scheduled_commands import failures, scheduled
from ringfence.compose.upkeep.watching import watch_book
from ringfence.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prometheus_client import Metric

    from ringfence.desks.model_desk import ModelDesk
    from ringfence.learning.watching.standing import Standing


class UpkeepWatcher:
    """Reads the small files in which other processes keep their findings. Any thread may ask."""

    def __init__(self, folder: Path, models: ModelDesk) -> None:
        """What was found of another model than the one in force by `models` is not told.

        What is scheduled is read here and never again: a settings' file that is being edited is no matter of
        a server that decides. `InputError` for a wrong setting.
        """
        self._folder, self._models = folder, models
        self._book = watch_book(folder)
        self._scheduled = scheduled(folder)

    def warnings(self, *, in_full: bool = False) -> list[str]:
        """What somebody should see to; `in_full` for people who are signed in."""
        found = failures(self._folder, self._scheduled, in_full=in_full)
        standing = self._standing()
        if standing is not None and standing.weakened:
            below = ", ".join(one.against for one in standing.weakened)
            found.append(
                f"model {standing.model} is below {below}: promote another, or `ringfence models retrain`"
            )
        return found

    def collect(self) -> Iterator[Metric]:
        """The figures, in Prometheus' form; nothing of what has never been done or is not scheduled."""
        failed = GaugeMetricFamily(
            "ringfence_scheduled_failed", "1 where work by the clock failed last time.", labels=("work",)
        )
        ended = GaugeMetricFamily(
            "ringfence_scheduled_ended_timestamp_seconds",
            "When work by the clock last ended, in seconds since 1970.",
            labels=("work",),
        )
        try:
            outcomes = self._book.outcomes()
        except StoreError:  # a warning says so
            outcomes = {}
        for name, one in outcomes.items():
            if name in self._scheduled:
                failed.add_metric((name,), float(one.code != 0))
                ended.add_metric((name,), one.ended_ms / 1000)
        yield failed
        yield ended
        standing = self._standing()
        if standing is None:
            return
        below = GaugeMetricFamily(
            "ringfence_model_below",
            "1 where the model in force is beyond chance below chance, the rules or a challenger.",
            labels=("against",),
        )
        for rivalry in standing.rivalries:
            below.add_metric((rivalry.against,), float(rivalry.state == "below"))
        yield below
        yield GaugeMetricFamily(
            "ringfence_model_measured_timestamp_seconds",
            "When the model in force was last measured, in seconds since 1970.",
            value=standing.measured_ms / 1000,
        )

    def _standing(self) -> Standing | None:
        found = self._book.standing()
        return (
            found
            if found is not None and found.model and found.model == self._models.active().champion
            else None
        )
