"""Years of other calendars: said to be such, with the remedy, and never read as years of ours.

Japanese eras (R8.05.01, 令和8年5月1日), the Persian and the Islamic calendar, those of Thailand and Taiwan.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ringfence.adapters.drafts.money import MOST
from ringfence.events.values.visible import western

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

_LOOKED_AT: Final = 400
_BEFORE: Final = 40  # years before now in which payments may be
_LATELY: Final = 15  # in which they are where nothing else tells the calendar
_TAIWAN: Final = 1911  # what is added to a year for one of ours
_PERSIAN: Final = 621
_THAI: Final = -543
ERAS: Final = {
    "Reiwa": ("R", "令和", "㋿", 2018),
    "Heisei": ("H", "平成", "㍻", 1988),
    "Showa": ("S", "昭和", "㍼", 1925),
}
"""A letter, the name and the sign that years of a Japanese era begin with, and the year before its first."""

_OF_ERA: Final = re.compile(
    r"(R|H|S|令和|平成|昭和|㋿|㍻|㍼)\s?(\d{1,2}|元)\s?[年./-]\s?\d{1,2}\s?[月./-]\s?\d{1,2}(?!\d).*",
    re.IGNORECASE | re.DOTALL,
)
_YEAR_FIRST: Final = re.compile(r"(\d{4}|\d{3})[./-]\d{1,2}[./-]\d{1,2}(?!\d).*", re.DOTALL)
_YEAR_LAST: Final = re.compile(r"\d{1,2}[ ./-](?:\d{1,2}|[^\W\d_]{2,}\.?)[ ./-](\d{4})(?!\d).*", re.DOTALL)
_SHORT: Final = re.compile(r"\d{1,2}[ ./-](?:\d{1,2}|[^\W\d_]{2,}\.?)[ ./-](\d\d)(?!\d).*", re.DOTALL)
_DIGITS: Final = re.compile(
    r"(?:(\d{4})(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|(1[0-4]\d)(?:0[1-9]|1[0-2])\d\d)(?:\d{4}|\d{6})?"
)
_THAI_MONTH: Final = re.compile(
    r"(\d{1,2})\s?(ม\.ค|ก\.พ|มี\.ค|เม\.ย|พ\.ค|มิ\.ย|ก\.ค|ส\.ค|ก\.ย|ต\.ค|พ\.ย|ธ\.ค|[ก-๙]{4,})\.?\s?(?:พ\.ศ\.\s?)?(\d{2,4}).*"
)


class OtherYear(NamedTuple):
    """A year that is written as another calendar has it."""

    written: str  # the year as it stands there
    ours: int
    calendar: str


def other_calendar(texts: Sequence[str], now: datetime) -> OtherYear | None:
    """What most of these texts have their years from; None where they are ours, or no dates.

    >>> from datetime import UTC, datetime
    >>> other_calendar(["R8.05.01", "R8.05.02"], datetime(2026, 7, 1, tzinfo=UTC))
    OtherYear(written='R8', ours=2026, calendar='years of the Japanese era Reiwa')
    """
    some = [western(text.strip(), ".", ",") for text in texts if text.strip()]
    some = some[:: max(len(some) // _LOOKED_AT, 1)]
    if not some:
        return None
    for look in (_of_era, _thai, _of_years(_YEAR_FIRST), _of_years(_YEAR_LAST), _of_years(_DIGITS), _short):
        found = [one for text in some if (one := look(text, now.year)) is not None]
        if len(found) >= MOST * len(some):
            return found[-1]
    return None


def said_of(name: str, found: OtherYear) -> str:
    """What a draft says of a column with such years."""
    return (
        f"{name} seems to have {found.calendar}, {found.written} for {found.ours}: a mapping cannot convert "
        "them; export the file with Gregorian years, or add a column that has them"
    )


def _of_era(text: str, _now: int) -> OtherYear | None:
    found = _OF_ERA.fullmatch(text)
    if found is None:
        return None
    begin, year = found[1], 1 if found[2] == "元" else int(found[2])
    era = next(name for name, (*signs, _) in ERAS.items() if begin.upper() in signs)
    return OtherYear(found[1] + found[2], ERAS[era][-1] + year, f"years of the Japanese era {era}")


def _of_years(pattern: re.Pattern[str]) -> Callable[[str, int], OtherYear | None]:
    def look(text: str, now: int) -> OtherYear | None:
        found = pattern.fullmatch(text)
        written = next(filter(None, found.groups()), "") if found else ""
        return _converted(written, now) if written else None

    return look


def _converted(written: str, now: int) -> OtherYear | None:
    """A year of three or four digits by the calendar in which it is not long past."""
    year = int(written)
    if len(written) == 3:
        ours = year + _TAIWAN
        return OtherYear(written, ours, "years of Taiwan's calendar") if ours in _recent(now) else None
    for ours, calendar in (
        (round(622 + year * 0.970224), "years of the Islamic calendar (Hijri)"),
        (year + _PERSIAN, "years of the Persian calendar"),
        (year + _THAI, "years of the Buddhist calendar of Thailand"),
    ):
        if year not in _recent(now) and ours in range(now - _LATELY, now + 2):
            return OtherYear(written, ours, calendar)
    return None


def _recent(now: int) -> range:
    return range(now - _BEFORE, now + 2)


def _thai(text: str, now: int) -> OtherYear | None:
    found = _THAI_MONTH.fullmatch(text)
    if found is None:
        return None
    written = found[3]
    year = int(written) + (2500 if len(written) == 2 else 0)
    ours = year + _THAI
    return (
        OtherYear(written, ours, "years of the Buddhist calendar of Thailand")
        if ours in _recent(now)
        else None
    )


def _short(text: str, now: int) -> OtherYear | None:
    """A year of two digits at the end that is still to come, or long past, unless it is one of Thailand's."""
    found = _SHORT.fullmatch(text)
    if found is None:
        return None
    year = int(found[1])
    ours = 2500 + year + _THAI
    is_ours = 2000 + year <= now + 1
    if is_ours or ours not in range(now - _LATELY, now + 2):
        return None
    return OtherYear(found[1], ours, "years of the Buddhist calendar of Thailand")
