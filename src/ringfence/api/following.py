"""What the server tells of the followers, which run in another process: from the roll that they report to."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from ringfence.compose.folder.companions import told_of_lost
from ringfence.compose.folder.store import open_roll
from ringfence.errors import StoreError
from ringfence.follow.lag import Lags
from ringfence.ports import DECISIONS, EVENTS, FLAG_MATCHES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from ringfence.follow.roll import DeclaredFollower
    from ringfence.follow.supervised_process import Beside
    from ringfence.ports import Clock
    from ringfence.store import DataFolder

SILENT_MS: Final = 30_000
"""A follower of which nothing was heard for so long is not at work."""

_LATE_SECONDS: Final = 60.0  # what a warning is worth
_TOPICS: Final = (EVENTS, DECISIONS, FLAG_MATCHES)


class FollowerState(msgspec.Struct, frozen=True):
    """One follower: `running`, `failing`, `paused` or `silent`, and how far it is behind the log.

    `lag_records` counts what it waits for more of, too; `lag_seconds` is for how long there has been enough
    for it to go on. `restarts` are attempts that failed, ever; `problem` is of the latest.
    """

    name: str
    state: str
    lag_records: int
    lag_seconds: float
    restarts: int
    problem: str
    positions: dict[str, int]


class Following:
    """The followers of one store as the server sees them; a collector of metrics. Any thread may ask.

    `process` is the one that this server has started, if it has.
    """

    def __init__(self, store: DataFolder, clock: Clock) -> None:
        self.process: Beside | None = None
        self._store, self._log = store, store.log
        self._clock = clock
        self._roll = open_roll(store.folder)
        self._lags = Lags()
        self._lock = Lock()

    def look(self) -> None:
        """Note how long the log is; once a second, so that lags in seconds are right to a second."""
        with self._lock:
            self._lags.note(
                self._clock.now_ms() / 1000, {topic: self._log.end_offset(topic) for topic in _TOPICS}
            )

    def states(self) -> list[FollowerState]:
        """All that are declared, by name."""
        self.look()
        return [self._state(entry) for entry in self._roll.entries()]

    def readers(self) -> list[tuple[str, str, int]]:
        """All who read the log, as of `EventLog.readers`, each as far as it is by now."""
        latest = {
            (one.name, topic): at for one in self._roll.entries() for topic, at in one.positions.items()
        }
        readers = {(who, topic): at for who, topic, at in self._log.readers()}
        return [(*which, at) for which, at in sorted((readers | latest).items())]

    def warnings(self) -> list[str]:
        """What somebody should see to."""
        told = [] if self.process is None or not self.process.problem else [self.process.problem]
        told += told_of_lost(self._store)
        late = []
        for one in self.states():
            if one.state == "failing":
                told.append(f"follower {one.name} fails and is tried again: {one.problem}")
            elif one.state != "paused" and one.lag_seconds >= _LATE_SECONDS:
                late.append(one)
        if late:
            most = max(one.lag_seconds for one in late)
            names = ", ".join(one.name for one in late)
            who = f"follower {names} is" if len(late) == 1 else f"followers {names} are"
            told.append(f"{who} late by {'up to ' if len(late) > 1 else ''}{most:.0f} s")
        return told

    def close(self) -> None:
        """Release the roll."""
        self._roll.close()

    def collect(self) -> Iterator[Metric]:
        """The figures of each follower, in Prometheus' form."""
        labels = ("follower",)
        records = GaugeMetricFamily(
            "ringfence_follower_lag_records",
            "Records of the log that a follower has not taken.",
            labels=labels,
        )
        seconds = GaugeMetricFamily(
            "ringfence_follower_lag_seconds",
            "For how long there has been enough in the log for a follower to go on.",
            labels=labels,
        )
        restarts = CounterMetricFamily(
            "ringfence_follower_restarts", "Attempts of a follower that failed.", labels=labels
        )
        paused = GaugeMetricFamily(
            "ringfence_follower_paused", "1 while a follower is paused.", labels=labels
        )
        for one in self._told():
            records.add_metric((one.name,), one.lag_records)
            seconds.add_metric((one.name,), one.lag_seconds)
            restarts.add_metric((one.name,), one.restarts)
            paused.add_metric((one.name,), float(one.state == "paused"))
        yield from (records, seconds, restarts, paused)
        if self.process is not None:
            yield GaugeMetricFamily(
                "ringfence_follower_process_up",
                "1 while the process that runs the followers does.",
                value=float(self.process.is_running),
            )
            yield CounterMetricFamily(
                "ringfence_follower_process_restarts",
                "How often that process has ended by itself.",
                value=self.process.restarts,
            )

    def _told(self) -> list[FollowerState]:
        try:
            return self.states()
        except StoreError:  # as the server stops
            return []

    def _state(self, entry: DeclaredFollower) -> FollowerState:
        now_ms = self._clock.now_ms()
        with self._lock:
            lags = self._lags.of(entry, now_ms / 1000)
        state = "running"
        if entry.paused:
            state = "paused"
        elif entry.failing:
            state = "failing"
        elif now_ms - entry.heard_ms > SILENT_MS:
            state = "silent"
        return FollowerState(
            entry.name,
            state,
            sum(lag.records for lag in lags),
            round(max((lag.seconds for lag in lags), default=0.0), 3),
            entry.failures,
            entry.problem,
            dict(entry.positions),
        )
