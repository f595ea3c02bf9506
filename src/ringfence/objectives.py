"""What the service promises, and alarms when the budget of failures burns too fast.

A budget is the share that may go wrong. At a burn rate of 1 it lasts exactly as long as the objective counts.
An alarm needs two windows: the long one says that it matters, the short one that it is still going on.

Source: "The Site Reliability Workbook", chapter 5, "Alerting on SLOs", O'Reilly 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PAGE: Final = "page"
"""Somebody has to get up."""

TICKET: Final = "ticket"
"""Somebody has to see to it in the next days."""

BURNING: Final = "burning"
RECOVERED: Final = "recovered"
LEAST_BAD: Final = 10
"""So much has to go wrong in the long window: one failure of three is no alarm."""

_MINUTE_MS: Final = 60_000
SLO_NEWS_SCHEMA: Final = pa.schema(
    [
        ("event_id", pa.string()),
        ("found_ms", pa.int64()),
        ("news", pa.string()),
        ("objective", pa.string()),
        ("severity", pa.string()),
        ("since_ms", pa.int64()),
        ("target", pa.float64()),
        ("burn_rate", pa.float64()),
        ("window_minutes", pa.int64()),
        ("note", pa.string()),
    ]
)


class Objective(NamedTuple):
    """A promise: at least the share `target` of what counts is good. `told` says what good is."""

    name: str
    target: float
    told: str


class Alarm(NamedTuple):
    """Raised where the budget burns `factor` times too fast, in the long and in the short window.

    Not before it has been watched for `least_minutes`: an outage pages at once, but the slow start of a new
    installation says nothing of three days.
    """

    severity: str
    long_minutes: int
    short_minutes: int
    factor: float
    least_minutes: int = 0


OBJECTIVES: Final = (
    Objective("latency", 0.99, "payments asked for one by one that are answered within 50 ms"),
    Objective(
        "availability", 0.999, "requests for decisions that are answered without an error of the server"
    ),
    Objective("decided", 0.999, "payments that are decided by rules and model, not by the deadline's policy"),
    Objective("followers", 0.99, "time in which no follower is late by a minute, or fails"),
    Objective("delivery", 0.99, "time in which no message waits for five minutes, and none is given up"),
)
"""What every installation promises."""

ALARMS: Final = (
    Alarm(PAGE, 60, 5, 14.4),
    Alarm(PAGE, 360, 30, 6.0, least_minutes=30),
    Alarm(TICKET, 4320, 360, 1.0, least_minutes=360),
)
"""2 % of a budget of 30 days gone within an hour, 5 % within six, 10 % within three days."""

_KEPT: Final = max(alarm.long_minutes for alarm in ALARMS)
_LONGEST_PAUSE: Final = max(alarm.short_minutes for alarm in ALARMS)


class Burn(msgspec.Struct, frozen=True):
    """An alarm that is raised: since when, and how fast the budget burned in the long window then."""

    objective: str
    severity: str
    since_ms: int
    burn_rate: float
    window_minutes: int


class SloNews(msgspec.Struct, frozen=True):
    """An alarm that was raised, or that is over, as an event of the log."""

    news: str
    objective: str
    severity: str
    since_ms: int
    target: float
    burn_rate: float
    window_minutes: int
    note: str

    @property
    def event_id(self) -> str:
        """The same however often it is told.

        >>> SloNews("burning", "latency", "page", 17, 0.99, 20.0, 60, "").event_id
        'burning-latency-page-17'
        """
        return f"{self.news}-{self.objective}-{self.severity}-{self.since_ms}"


@dataclass(frozen=True, slots=True)
class ObjectiveStanding:
    """How an objective is doing: good and all by window, in minutes, and for how many it is watched."""

    objective: Objective
    counts: Mapping[int, tuple[float, float]]
    burns: tuple[Burn, ...]
    watched_minutes: int

    def burn_rate(self, minutes: int) -> float:
        """How many times too fast the budget burns, 0 where nothing counted."""
        good, every = self.counts[minutes]
        return (1.0 - good / every) / (1.0 - self.objective.target) if every else 0.0


class KeptBudget(msgspec.Struct, frozen=True):
    """A budget as it outlives its server: since when it was watched and until when, and counts by minute."""

    since_minute: int
    until_minute: int
    counts: dict[int, tuple[float, float]]


class Budget:
    """Good and all of one objective, minute by minute; as many as the longest window has."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self._good, self._every = np.zeros(_KEPT), np.zeros(_KEPT)
        self._minute = self._since_minute = -1

    @property
    def watched_minutes(self) -> int:
        """For how long somebody has counted, without a pause that is longer than the short windows."""
        return self._minute - self._since_minute

    def kept(self) -> KeptBudget:
        """Everything that counts, for the next server."""
        places = np.flatnonzero(self._every)
        minutes = self._minute - (self._minute - places) % _KEPT
        counts = zip(self._good[places].tolist(), self._every[places].tolist(), strict=True)
        return KeptBudget(self._since_minute, self._minute, dict(zip(minutes.tolist(), counts, strict=True)))

    def restore(self, kept: KeptBudget, now_ms: int) -> None:
        """Go on from there. Minutes to come are of a clock that was wrong, and passed over."""
        now = now_ms // _MINUTE_MS
        for minute in sorted(kept.counts):
            if 0 <= minute <= now:
                self.add(*kept.counts[minute], minute * _MINUTE_MS)
        self._go_to(now)
        went_on = now - _LONGEST_PAUSE <= kept.until_minute <= now
        self._since_minute = kept.since_minute if went_on and 0 <= kept.since_minute <= now else now

    def add(self, good: float, every: float, now_ms: int) -> None:
        """Count what has come since the last time. Time that goes back counts as now."""
        self._go_to(now_ms // _MINUTE_MS)
        at = self._minute % _KEPT
        self._good[at] += good
        self._every[at] += every

    def counts(self, minutes: int) -> tuple[float, float]:
        """Good and all of the latest minutes, the one that has begun included."""
        if self._minute < 0:
            return 0.0, 0.0
        places = (self._minute - np.arange(minutes)) % _KEPT
        return float(self._good[places].sum()), float(self._every[places].sum())

    def _go_to(self, minute: int) -> None:
        if self._minute < 0:
            self._minute = self._since_minute = minute
        gone = min(max(minute - self._minute, 0), _KEPT)
        places = (self._minute + 1 + np.arange(gone)) % _KEPT
        if gone == _KEPT:
            places = np.arange(_KEPT)
        self._good[places] = self._every[places] = 0.0
        self._minute = max(self._minute, minute)


class BurnWatch:
    """Budgets and alarms of all objectives. What was raised before a restart is given to begin with.

    Such an alarm stays until its short windows have been seen whole, and something counted in them.
    """

    def __init__(self, objectives: Sequence[Objective] = OBJECTIVES, raised: Iterable[Burn] = ()) -> None:
        self.budgets = {one.name: Budget(one) for one in objectives}
        self._raised = {(one.objective, one.severity): one for one in raised if one.objective in self.budgets}
        self._inherited = set(self._raised)
        self._began_ms: int | None = None

    def look(self, now_ms: int) -> list[SloNews]:
        """Alarms that begin now, and those that are over."""
        news = []
        self._began_ms = now_ms if self._began_ms is None else self._began_ms
        for name, budget in self.budgets.items():
            standing = self.standing(name)
            for severity in (PAGE, TICKET):
                key, found = (name, severity), self._worst(standing, severity)
                before = self._raised.get(key)
                if found is not None and before is None:
                    alarm, rate = found
                    burn = Burn(name, severity, now_ms, round(rate, 3), alarm.long_minutes)
                    self._raised[key] = burn
                    news.append(_news(BURNING, burn, budget.objective))
                elif key in self._inherited and not _is_known(standing, severity, now_ms - self._began_ms):
                    continue
                elif before is not None and not self._goes_on(standing, severity):
                    del self._raised[key]
                    self._inherited.discard(key)
                    news.append(_news(RECOVERED, before, budget.objective))
        return news

    @property
    def raised(self) -> list[Burn]:
        """Alarms as they stand, by objective."""
        return [self._raised[key] for key in sorted(self._raised)]

    def standing(self, name: str) -> ObjectiveStanding:
        """How an objective is doing."""
        budget = self.budgets[name]
        windows = sorted({minutes for alarm in ALARMS for minutes in alarm[1:3]})
        burns = tuple(one for one in self.raised if one.objective == name)
        counts = {one: budget.counts(one) for one in windows}
        return ObjectiveStanding(budget.objective, counts, burns, budget.watched_minutes)

    @staticmethod
    def _worst(standing: ObjectiveStanding, severity: str) -> tuple[Alarm, float] | None:
        for alarm in ALARMS:
            if alarm.severity != severity or standing.watched_minutes < alarm.least_minutes:
                continue
            good, every = standing.counts[alarm.long_minutes]
            rate = standing.burn_rate(alarm.long_minutes)
            now = standing.burn_rate(alarm.short_minutes)
            if every - good >= LEAST_BAD and min(rate, now) >= alarm.factor:
                return alarm, rate
        return None

    @staticmethod
    def _goes_on(standing: ObjectiveStanding, severity: str) -> bool:
        """Whether some alarm would still be raised, however little counts by now."""
        return any(
            standing.burn_rate(alarm.long_minutes) >= alarm.factor
            and standing.burn_rate(alarm.short_minutes) >= alarm.factor
            for alarm in ALARMS
            if alarm.severity == severity
        )


def _is_known(standing: ObjectiveStanding, severity: str, seen_ms: int) -> bool:
    """Whether what was seen says that no alarm of this severity is raised."""
    short = max(alarm.short_minutes for alarm in ALARMS if alarm.severity == severity)
    return seen_ms >= short * _MINUTE_MS and standing.counts[short][1] > 0


def _news(news: str, burn: Burn, objective: Objective) -> SloNews:
    missed = f"less than {100 * objective.target:g} % of {objective.told}"
    note = f"{missed}: the budget burned {burn.burn_rate:g} times too fast" if news == BURNING else "over"
    return SloNews(
        news,
        burn.objective,
        burn.severity,
        burn.since_ms,
        objective.target,
        burn.burn_rate,
        burn.window_minutes,
        note,
    )


def still_raised(rows: Iterable[Mapping[str, object]]) -> list[Burn]:
    """Alarms that were raised and are not over, by rows of the topic in order."""
    found: dict[tuple[object, object], Burn] = {}
    for row in rows:
        key = row["objective"], row["severity"]
        if row["news"] == RECOVERED:
            found.pop(key, None)
        else:
            found[key] = msgspec.convert({name: row[name] for name in Burn.__struct_fields__}, Burn)
    return list(found.values())
