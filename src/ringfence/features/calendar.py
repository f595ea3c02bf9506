"""Calendar windows: when the day, week or month of an event began, where the payer's clock stands.

A period begins at the first instant at which the zone's clocks show its first date, or one after it. Once
begun it goes on until the next one begins, also where clocks are put back past midnight. So days have 23 or
25 hours where the clocks change, and 0 where a zone leaves a date out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pyarrow as pa

from ringfence.errors import SpecError
from ringfence.events.model import ATTRIBUTE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch

_HOUR_MS: Final = 3_600_000
_PUT_BACK_MS: Final = 4 * _HOUR_MS  # clocks have been put back by three hours at most since 2000
LONGEST_MS: Final = {
    "day": 24 * _HOUR_MS + _PUT_BACK_MS,
    "week": 7 * 24 * _HOUR_MS + _PUT_BACK_MS,
    "month": 31 * 24 * _HOUR_MS + _PUT_BACK_MS,
}
"""No period is longer."""

_WORDS: Final = {"today": "day", "this_week": "week", "this_month": "month"}
_DAY_MS: Final = 24 * _HOUR_MS
_MARGIN_MS: Final = 33 * _DAY_MS  # more than a period and the difference of any two zones


@dataclass(frozen=True, slots=True, order=True)
class Calendar:
    """A window that begins with the event's calendar day, week (from Monday on) or month.

    `zone` is an IANA name, the specification's without one. `zone_field` is an attribute that may name an
    event's own zone; what is no zone there counts as nothing.
    """

    period: Literal["day", "week", "month"]
    zone: str | None = None
    zone_field: str | None = None

    def __post_init__(self) -> None:
        if self.period not in LONGEST_MS:
            raise SpecError(f"no calendar window {self.period!r}: a day, a week or a month")
        if self.zone is not None and not is_zone(self.zone):
            raise SpecError(f"{self.zone[:80]!r} is no time zone: write an IANA name such as Europe/Berlin")
        if self.zone_field is not None and not self.zone_field.startswith(ATTRIBUTE_PREFIX):
            raise SpecError(f"{self.zone_field[:80]!r} names no zone: give attributes.<name>")

    @property
    def word(self) -> str:
        """Its part in a feature's name: `today`, `this_week`, `this_month`."""
        return next(word for word, period in _WORDS.items() if period == self.period)

    def zones(self, batch: EventBatch, otherwise: str) -> tuple[NDArray[np.int32], list[str]]:
        """The zone of each event: a place in the names that follow."""
        names = [self.zone or otherwise]
        places = np.zeros(len(batch), np.int32)
        if self.zone_field is None:
            return places, names
        said = batch.text(self.zone_field).cast(pa.string()).dictionary_encode()
        words = said.dictionary.to_pylist()
        place_of = np.zeros(len(words) + 1, np.int32)  # the last is the null's
        for at, word in enumerate(words):
            if is_zone(word):
                place_of[at] = len(names)
                names.append(word)
        return place_of[said.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)], names


def calendar_of(window: str) -> Calendar | None:
    """The calendar window that a text stands for.

    >>> calendar_of("today"), calendar_of("1d")
    (Calendar(period='day', zone=None, zone_field=None), None)
    """
    word = window.strip().replace(" ", "_")
    return Calendar(_WORDS[word]) if word in _WORDS else None  # type: ignore[arg-type]


def starts_of(batch: EventBatch, calendars: Sequence[Calendar], zone: str) -> NDArray[np.int64]:
    """When each event's periods began, in ms: shape (events, calendars). `zone` is the specification's."""
    times = batch.event_time_ms
    starts = np.empty((len(times), len(calendars)), np.int64)
    for column, calendar in enumerate(calendars):
        places, names = calendar.zones(batch, zone)
        for place, name in enumerate(names):
            mine = slice(None) if len(names) == 1 else places == place
            starts[mine, column] = begun(times[mine], calendar.period, name)
    return starts


def begun(times: NDArray[np.int64], period: str, zone: str) -> NDArray[np.int64]:
    """When the period of each time (ms) began in a zone.

    >>> berlin = begun(np.array([1_711_870_000_000]), "day", "Europe/Berlin")  # 2024-03-31 09:26
    >>> datetime.fromtimestamp(int(berlin[0]) / 1000, UTC).isoformat()
    '2024-03-30T23:00:00+00:00'
    """
    if zone == "UTC" and period == "day":
        return times - times % _DAY_MS
    if not len(times):
        return times
    table = _table(period, zone, _year(int(times.min()) - _MARGIN_MS), _year(int(times.max()) + _DAY_MS))
    return table[np.searchsorted(table, times, side="right") - 1]


def next_start(time_ms: int, period: str, zone: str) -> int:
    """When the period after that of a time begins."""
    table = _table(period, zone, _year(time_ms), _year(time_ms + _MARGIN_MS))
    return int(table[np.searchsorted(table, time_ms, side="right")])


@lru_cache(maxsize=1024)
def is_zone(name: str) -> bool:
    """Whether this is an IANA name."""
    return name in _names()


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


def _year(time_ms: int) -> int:
    return datetime.fromtimestamp(time_ms // 1000, UTC).year


@lru_cache(maxsize=4096)
def _table(period: str, zone: str, first: int, last: int) -> NDArray[np.int64]:
    """Starts of the periods of some years, ascending, no two equal."""
    return np.unique(np.concatenate([_starts_in(period, zone, year) for year in range(first, last + 1)]))


@lru_cache(maxsize=4096)
def _starts_in(period: str, zone: str, year: int) -> NDArray[np.int64]:
    where = ZoneInfo(zone)
    return np.array([_first_instant_ms(day, where) for day in _first_days(period, year)], np.int64)


def _first_days(period: str, year: int) -> Iterator[date]:
    if period == "month":
        yield from (date(year, month, 1) for month in range(1, 13))
        return
    day = date(year, 1, 1)
    while day.year == year:
        if period == "day" or day.weekday() == 0:
            yield day
        day += timedelta(days=1)


def _first_instant_ms(day: date, zone: ZoneInfo) -> int:
    """The first instant at which the zone's clocks show this date or a later one, in ms."""
    early, late = sorted(
        int(datetime.combine(day, time(), zone).replace(fold=fold).timestamp()) for fold in (0, 1)
    )
    if early == late or datetime.fromtimestamp(early, zone).date() >= day:
        return early * 1000  # midnight, or of two midnights the first
    while early + 1 < late:  # clocks are put forward over midnight: when that is done
        middle = (early + late) // 2
        if datetime.fromtimestamp(middle, zone).date() >= day:
            late = middle
        else:
            early = middle
    return late * 1000
