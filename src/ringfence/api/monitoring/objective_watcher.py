"""Counts what the service promises, every ten seconds, and tells of budgets that burn, as events."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Final

from msgspec.structs import asdict
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from ringfence.api.monitoring.watcher import Watcher
from ringfence.compose.upkeep.watching import watch_book
from ringfence.errors import RingfenceError, StoreError
from ringfence.learning.watching.drift_alerts import append_once, rows_of_topic
from ringfence.objectives import PAGE, SLO_NEWS_SCHEMA, TICKET, BurnWatch, ObjectiveStanding, still_raised
from ringfence.ports import SLO_NEWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from prometheus_client import Metric

    from ringfence.api.following import Following
    from ringfence.api.monitoring.metrics import Metrics
    from ringfence.api.outboxes import Outboxes
    from ringfence.objectives import SloNews
    from ringfence.ports import Clock, EventLog

EVERY_SECONDS: Final = 10.0
KEEP_MS: Final = 60_000
"""Budgets are written so often, and when the server stops: one that is killed loses what it counted since."""

LATE_SECONDS: Final = 60.0
"""A follower that is behind for so long is late."""

WAITED_SECONDS: Final = 300.0
"""A message that waits for so long is late."""

_LOGGER: Final = logging.getLogger(__name__)


class ObjectiveWatcher(Watcher):
    """Reads the server's own figures; a collector of metrics. Windows survive restarts."""

    def __init__(
        self,
        metrics: Metrics,
        following: Following,
        outboxes: Outboxes,
        log: EventLog,
        clock: Clock,
        folder: Path,
    ) -> None:
        self._metrics, self._following, self._outboxes = metrics, following, outboxes
        self._log, self._clock = log, clock
        told = (row for batch in log.read(SLO_NEWS) for row in rows_of_topic(batch))
        self._watch = BurnWatch(raised=still_raised(told))
        self._book = watch_book(folder)
        self._kept_ms = clock.now_ms()
        for name, kept in self._book.budgets().items():
            if name in self._watch.budgets:
                self._watch.budgets[name].restore(kept, self._kept_ms)
        self._totals = dict.fromkeys(self._watch.budgets, (0.0, 0.0))
        self._before = self._counted()
        self._dead: float = math.inf  # until the first look
        self._untold: list[SloNews] = []

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await asyncio.shield(asyncio.to_thread(self.look))
            except RingfenceError as error:
                _LOGGER.warning("news of objectives waits: %s", error)
            except Exception:
                _LOGGER.exception("news of objectives waits")

    async def stop(self) -> None:
        """See `Watcher.stop`; what was counted is kept for the next start."""
        await super().stop()
        await asyncio.to_thread(self._keep, self._clock.now_ms())

    def look(self) -> list[SloNews]:
        """Count what has come since the last time, off the event loop; what is news is in the log on return.

        Raises what kept the log from taking it, and then it comes again.
        """
        now_ms, counted = self._clock.now_ms(), self._counted()
        for name, (good, every) in counted.items():
            before_good, before_every = self._before[name]
            self._add(name, good - before_good, every - before_every, now_ms)
        self._before = counted
        self._add("followers", float(_is_seen(self._followers_keep_up)), 1.0, now_ms)
        if self._outboxes.is_used:
            self._add("delivery", float(_is_seen(lambda: self._messages_go_out(now_ms))), 1.0, now_ms)
        self._untold += self._watch.look(now_ms)
        told = self._untold
        tell(self._log, told, now_ms)
        self._untold = []
        if now_ms - self._kept_ms >= KEEP_MS:
            self._keep(now_ms)
        return told

    def warnings(self) -> list[str]:
        """Alarms that are raised, for `/readyz`."""
        return [
            f"the budget of {one.objective} burns {one.burn_rate:g} times too fast ({one.severity}): "
            "docs/operations/slo.md says what to look at"
            for one in self._watch.raised
        ]

    def standings(self) -> list[ObjectiveStanding]:
        """How each objective is doing."""
        return [self._watch.standing(name) for name in self._watch.budgets]

    def collect(self) -> Iterator[Metric]:
        """The figures, in Prometheus' form."""
        labels = ("objective",)
        good = CounterMetricFamily(
            "ringfence_slo_good", "What was good of what an objective counts.", labels=labels
        )
        every = CounterMetricFamily("ringfence_slo_events", "What an objective counts.", labels=labels)
        target = GaugeMetricFamily("ringfence_slo_target", "Share that has to be good.", labels=labels)
        rate = GaugeMetricFamily(
            "ringfence_slo_burn_rate",
            "How many times too fast the budget burned in the latest minutes.",
            labels=("objective", "minutes"),
        )
        burning = GaugeMetricFamily(
            "ringfence_slo_burning", "1 while an alarm is raised.", labels=("objective", "severity")
        )
        for standing in self.standings():
            name = standing.objective.name
            good.add_metric((name,), self._totals[name][0])
            every.add_metric((name,), self._totals[name][1])
            target.add_metric((name,), standing.objective.target)
            for minutes in standing.counts:
                rate.add_metric((name, str(minutes)), standing.burn_rate(minutes))
            severities = {one.severity for one in standing.burns}
            for severity in (PAGE, TICKET):
                burning.add_metric((name, severity), float(severity in severities))
        yield from (good, every, target, rate, burning)

    def _keep(self, now_ms: int) -> None:
        self._kept_ms = now_ms
        try:
            self._book.keep_budgets({name: one.kept() for name, one in self._watch.budgets.items()})
        except StoreError as error:  # they are in memory still, and written again in a minute
            _LOGGER.warning("budgets of objectives cannot be kept for a restart: %s", error)

    def _add(self, name: str, good: float, every: float, now_ms: int) -> None:
        before = self._totals[name]
        self._totals[name] = before[0] + good, before[1] + every
        self._watch.budgets[name].add(good, every, now_ms)

    def _counted(self) -> dict[str, tuple[float, float]]:
        """Good and all so far of what requests are counted by."""
        seen = self._metrics.deciding
        return {
            "latency": (seen.fast, seen.answered),
            "availability": (seen.asked - seen.failed, seen.asked),
            "decided": (max(seen.answered - seen.expired, 0), seen.answered),
        }

    def _followers_keep_up(self) -> bool:
        if self._following.process is not None and not self._following.process.is_running:
            return False
        return all(
            one.state == "paused" or (one.state != "failing" and one.lag_seconds < LATE_SECONDS)
            for one in self._following.states()
        )

    def _messages_go_out(self, now_ms: int) -> bool:
        figures = self._outboxes.bus.figures()
        dead, self._dead = self._dead, sum(given_up for _, _, given_up, _ in figures)
        oldest = [oldest_ms for _, waiting, _, oldest_ms in figures if waiting]
        return self._dead <= dead and all(now_ms - one < WAITED_SECONDS * 1000 for one in oldest)


def _is_seen(good: Callable[[], bool]) -> bool:
    """Whether it is good; what cannot be read is not, and the other objectives are still counted."""
    try:
        return good()
    except StoreError as error:
        _LOGGER.warning("an objective counts as missed while this cannot be read: %s", error)
        return False


def tell(log: EventLog, news: Sequence[SloNews], now_ms: int) -> None:
    """Append what the log does not hold yet, durable on return."""
    rows = {one.event_id: {**asdict(one), "found_ms": now_ms} for one in news}
    if rows:
        append_once(log, SLO_NEWS, SLO_NEWS_SCHEMA, rows, [one.since_ms for one in news])
