"""How the times of a column are written, and in which order day and month stand."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from ringfence.adapters.drafts.money import MOST
from ringfence.events.values.visible import western
from ringfence.events.values.wording import at_midnight, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LOOKED_AT: Final = 400
_DATES: Final = (
    "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d",
    "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y",
    "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d %Y", "%Y-%m-%d",
    "%Y-%b-%d",
    "%a %b %d %Y", "%a, %d %b %Y", "%d%b%Y", "%d%b%y", "%Y-%j", "%G-W%V-%u", "%GW%V%u",
    "%y/%m/%d", "%y-%m-%d", "%y.%m.%d",
)  # fmt: skip
_CLOCKS: Final = (
    "%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p", "%H.%M.%S", "%H.%M", "%Hh%M",
    "%I.%M.%S.%f %p", "%I.%M.%S %p", "%I:%M:%S.%f %p",
)  # fmt: skip
_PIVOT: Final = 69  # of years in two digits
_EARLIEST_YEAR, _FARTHEST_YEAR = 1900, 2100  # beyond, dates say that nothing is known, or for ever
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DIRECTIVES: Final = {
    "d": r"(?P<d>\d{1,2})", "m": r"(?P<m>\d{1,2})", "Y": r"(?P<Y>\d{4})", "y": r"(?P<y>\d{2})",
    "b": r"(?P<b>[A-Za-z]{3})", "B": r"(?P<B>[A-Za-z]{3,9})", "a": r"[A-Za-z]{3}", "p": r"(?P<p>[AaPp][Mm])",
    "H": r"(?P<H>\d{1,2})", "I": r"(?P<I>\d{1,2})", "M": r"(?P<M>\d{1,2})", "S": r"(?P<S>\d{1,2})",
    "j": r"(?P<j>\d{3})", "G": r"(?P<G>\d{4})", "V": r"(?P<V>\d\d)", "u": r"(?P<u>[1-7])",
    "f": r"\d{1,6}", "z": r"(?:Z|[+-]\d\d:?\d\d)", "Z": r"(?!AM\b|PM\b)[A-Z]{2,5}",
}  # fmt: skip
_SPLIT: Final = re.compile(
    r".*?\d(?P<between>, | - |T| |_|-|(?<=[A-Za-z]\d{4}):|(?<=[A-Za-z]\d\d):)"
    r"\d{1,2}[:.h]\d\d(?:[:.]\d\d(?:\.\d+)?)?(?: [AaPp][Mm])?"
    r"(?P<zone> ?(?:(?:GMT|UTC)?[+-]\d\d:?\d\d|Z|\(?[A-Z]{2,5}\)?))?"
)
_COMPACT: Final = ("%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d")
_UNMARKED: Final = {
    5: ("%y%j",), 6: ("%y%m%d", "%d%m%y", "%m%d%y"), 7: ("1%y%m%d", "%Y%j"), 8: ("%d%m%Y", "%m%d%Y"),
    10: ("%y%m%d%H%M",), 12: ("%y%m%d%H%M%S", "%d%m%Y%H%M"), 14: ("%d%m%Y%H%M%S",), 17: ("%Y%m%d%H%M%S%f",),
}  # fmt: skip
"""By how many digits; a 1 before the year is that of this century."""
_SHORT: Final = 6
_NO_EPOCH_S: Final = 2_051_222_400  # 2035: no seconds since 1970
_MARKED: Final = (
    "%Y%m%dT%H%M%SZ", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%S%z", "%Y%m%dT%H%M", "%Y%m%d %H%M%S", "%Y%m%d %H%M",
    "%Y%m%d %H:%M:%S", "%Y%m%d %H:%M", "%Y%m%d-%H:%M:%S.%f", "%Y%m%d-%H:%M:%S",
    "%Y-%m-%d-%H.%M.%S.%f", "%Y-%m-%d-%H.%M.%S", "%Y-%m-%d-%H-%M-%S", "%Y%m%d%H%M%S.%f",
    "%Y%m%dT%H%M%S.%fZ", "%Y%m%dT%H%M%S.%f",
)  # fmt: skip
_DOTNET: Final = re.compile(r"\\?/Date\((\d+)(?:[+-]\d{4})?\)\\?/")
_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)? ?"
    r"(?:(?:Z|z|[+\u2212-]\d\d(?::?\d\d)?)(?:\[[A-Za-z0-9/_+-]+\])?"  # [Europe/Berlin], as Java writes it
    r"| ?(?:\(?[A-Z][a-z]+(?:/[A-Za-z_-]+)+\)?|(?:GMT|UTC)[+-]\d{1,2}|(?!AM|PM)[A-Z]{2,5}))?"
)
_ZONED: Final = re.compile(
    r"(?:Z|[+\u2212-]\d\d:?\d\d|[+\u2212-]\d\d|\b[A-Z]{2,5}|(?:GMT|UTC)[+-]\d{1,2})\)?$|[A-Za-z]/[A-Za-z_-]+\)?$|\]$"
)
_EPOCHS: Final = (("epoch_s", 1), ("epoch_ms", 1000), ("epoch_us", 10**6), ("epoch_ns", 10**9))
_FIRST_S, _LAST_S = 946_684_800, 4_102_444_800  # 2000 to 2100
_EXCEL: Final = (36_526.0, 73_050.0)  # 2000 to 2100, in days since 1899-12-30
_CLOCK: Final = re.compile(r"\d{1,2}[:.]\d\d(?:[:.]\d\d(?:\.\d+)?)?(?: ?[AaPp][Mm])?")


@dataclass(frozen=True, slots=True)
class MomentGuess:
    """How most values of a column are written as times."""

    form: str  # as a mapping says it
    share: float
    zoned: bool = False  # each value names its zone or its offset
    timed: bool = False  # it tells a time of day
    swapped: str = ""  # the form with day and month the other way round, where that fits as well
    first: datetime | None = None
    last: datetime | None = None
    early: datetime | None = None  # the first and the last but for a tenth of the values each
    late: datetime | None = None
    bare: int = 0  # values that name no zone, where others do
    elsewhere: MomentGuess | None = None  # with the year of two digits at the other end, where that fits


def moments_of(texts: Sequence[str], *, named: bool = False) -> MomentGuess | None:
    """How these texts are written as times; None where most are none.

    Digits without any mark, day first say, are times only where the column is `named` so.

    >>> moments_of(["31.12.2024 09:14"]).form, moments_of(["3/5/24 10:01"]).swapped
    ('%d.%m.%Y %H:%M', '%m/%d/%y %H:%M')
    """
    some = _spread(texts)
    if not some:
        return None
    if all(_is_number(text) for text in some):
        guess = _numeric(some, named=named)
        if guess is not None or all(text.isdigit() for text in some):
            return guess
    dotnet = [found[1] for text in some if (found := _DOTNET.fullmatch(text))]
    if len(dotnet) >= MOST * len(some):
        return _numeric(dotnet, named=False)
    iso = [text for text in some if _ISO.fullmatch(text)]
    if len(iso) >= MOST * len(some):
        dates = [_stamp(text) for text in iso]
        known = [date for date in dates if date is not None]
        if len(known) < MOST * len(some):
            return None
        with_zone = sum(bool(_ZONED.search(text[10:])) for text in iso)
        zoned, timed = with_zone >= MOST * len(iso), any(len(text) > 10 for text in iso)
        edges = *_edges(known), *_inner(known)
        return MomentGuess("iso", len(known) / len(some), zoned, timed, "", *edges, bare=len(iso) - with_zone)
    return _patterned([plain(text) for text in some], [plain(text) for text in texts])


def clock_of(texts: Sequence[str]) -> str | None:
    """The form of times of day without a date, None where most are none.

    >>> clock_of(["06:21", "17:05"]), clock_of(["143207", "91503"]), clock_of(["930", "1405"])
    ('%H:%M', '%H%M%S', '%H%M')
    """
    some = _spread(texts)
    if not some:
        return None
    if all(text.isdigit() and len(text) <= 6 for text in some):
        six = [text.zfill(6) for text in some]
        if max(map(len, some)) == 4:
            four = [text.zfill(4) for text in some]
            return "%H%M" if all(text[:2] < "24" and text[2:] < "60" for text in four) else None
        fits = [text for text in six if text[:2] < "24" and text[2:4] < "60" and text[4:] < "60"]
        return "%H%M%S" if len(fits) == len(six) and max(map(len, some)) >= 5 else None
    if sum(bool(_CLOCK.fullmatch(text)) for text in some) < MOST * len(some):
        return None
    best = max(_CLOCKS, key=lambda form: sum(_parsed(text, form) is not None for text in some))
    return best if sum(_parsed(text, best) is not None for text in some) >= MOST * len(some) else None


def moment_in(text: str, form: str) -> datetime | None:
    """The time that a text is, read by a form, its zone aside; None where it is none."""
    return _parsed(plain(text), form)


def turned(moments: MomentGuess, texts: Sequence[str]) -> MomentGuess:
    """The moments with day and month the other way round, where both fit: of the same column's texts."""
    dates = [found for text in texts if (found := moment_in(text, moments.swapped)) is not None]
    first, last = _edges(dates)
    early, late = _inner(dates)
    return replace(
        moments, form=moments.swapped, swapped=moments.form, first=first, last=last, early=early, late=late
    )


def other_order(form: str) -> str:
    """A form with day and month the other way round; itself where the month is a word."""
    day, month = form.find("%d"), form.find("%m")
    if min(day, month) < 0 or form.startswith(("%Y", "%y", "1%y")) or "." in form[:6]:
        return form  # nobody writes the month first before points
    return form.replace("%d", "%@").replace("%m", "%d").replace("%@", "%m")


def _patterned(some: Sequence[str], texts: Sequence[str]) -> MomentGuess | None:
    best: MomentGuess | None = None
    for form in _candidates(some):
        parsed = [_parsed(text, form) for text in some]
        known = [date for date in parsed if date is not None]
        share = len(known) / len(some)
        if share < MOST or (best is not None and share <= best.share):
            continue
        timed = "%H" in form or "%I" in form
        edges = *_edges(known), *_inner(known)
        best = MomentGuess(form, share, "%Z" in form or "%z" in form, timed, "", *edges)
    if best is None:
        return None
    other = other_order(best.form)
    if other != best.form:
        here, there = _share(texts, best.form), _share(texts, other)
        best = replace(best, swapped=other) if here == there else best
        best = replace(best, form=other) if there > here else best
    return _year_placed(best, some)


def _year_placed(last: MomentGuess, some: Sequence[str]) -> MomentGuess:
    """The year of two digits at the end, or where all values have one first, too, so that they are closer."""
    end = re.match(r"%[dm]([./-])%[dm]\1%y", last.form)
    if end is None:
        return last
    form = f"%y{end[1]}%m{end[1]}%d{last.form[end.end() :]}"
    known = [date for text in some if (date := _parsed(text, form)) is not None]
    if len(known) < last.share * len(some):
        return last
    assert last.first is not None
    assert last.last is not None
    first = replace(last, form=form, swapped="", first=min(known), last=max(known))
    if 2 * (max(known) - min(known)) < last.last - last.first:
        return replace(first, elsewhere=last)
    return replace(last, elsewhere=first)


def _edges(dates: Sequence[datetime]) -> tuple[datetime, datetime]:
    """The first and the last, without dates such as 9999-12-31 where most are of this time."""
    ours = [date for date in dates if _EARLIEST_YEAR <= date.year < _FARTHEST_YEAR]
    known = ours if len(ours) >= MOST * len(dates) else dates
    return min(known), max(known)


def _inner(dates: Sequence[datetime]) -> tuple[datetime, datetime]:
    ordered = sorted(dates)
    beyond = len(ordered) // 10
    return ordered[beyond], ordered[-1 - beyond]


def _candidates(some: Sequence[str]) -> list[str]:
    """Forms that fit some of the first and last values at all, in the order of preference."""
    probe = list(dict.fromkeys([*some[:3], *some[-3:]]))
    forms: dict[str, None] = {}
    for text in probe:
        found = _SPLIT.fullmatch(text)
        between = (found["between"] or "") if found else ""
        zone = _zone_form(found["zone"] or "") if found else ""
        for date in _DATES:
            for clock in _CLOCKS if between else ("",):
                forms[f"{date}{between}{clock}{zone}"] = None
    forms |= dict.fromkeys(_MARKED)
    return [form for form in forms if any(_parsed(text, form) for text in probe)]


def _zone_form(written: str) -> str:
    """The end of a form for a zone as it is written."""
    if not written:
        return ""
    bare = written.strip()
    blank = " " if written.startswith(" ") else ""
    if bare.startswith("("):
        return f"{blank}(%Z)"
    if bare[3:4] in ("+", "-"):
        return f"{blank}{bare[:3]}%z"
    return blank + ("%z" if bare[0] in "+-Z" else "%Z")


def _numeric(some: Sequence[str], *, named: bool) -> MomentGuess | None:
    for form in _COMPACT if all(text.isdigit() for text in some) else ():
        parsed = [_compact(text, form) for text in some]
        known = [date for date in parsed if date is not None and _plausible(date)]
        if len(known) >= MOST * len(some):
            return MomentGuess(form, len(known) / len(some), False, "%H" in form, "", min(known), max(known))
    numbers = sorted(float(text) for text in some)
    middle = numbers[len(numbers) // 2]
    if named and (len(some[0]) != 10 or middle > _NO_EPOCH_S) and (found := _unmarked(some)) is not None:
        return found
    for name, factor in _EPOCHS:
        if _FIRST_S <= middle / factor < _LAST_S:
            inside = [number / factor for number in numbers if _FIRST_S <= number / factor < _LAST_S]
            first, last = (datetime.fromtimestamp(edge, UTC) for edge in (inside[0], inside[-1]))
            return MomentGuess(name, len(inside) / len(some), True, True, "", first, last)
    if _EXCEL[0] <= middle < _EXCEL[1] and _EXCEL[0] <= numbers[0] and numbers[-1] < _EXCEL[1]:
        start = datetime(1899, 12, 30, tzinfo=UTC)
        first, last = (start + timedelta(days=edge) for edge in (numbers[0], numbers[-1]))
        return MomentGuess("excel", 1.0, False, any(number % 1 for number in numbers), "", first, last)
    return None


def _unmarked(some: Sequence[str]) -> MomentGuess | None:
    """Digits that begin with the day, the month or a short year, as mainframes write them.

    Of several forms that fit, the one that puts the rows closest together.
    """
    length = len(some[0])
    if any(len(text) != length or not text.isdigit() for text in some):
        return None
    best: tuple[timedelta, MomentGuess] | None = None
    for form in _UNMARKED.get(length, ()):
        parsed = [_strictly(text, form) for text in some]
        known = [date for date in parsed if date is not None and _plausible(date)]
        if len(known) < MOST * len(some):
            continue
        first, last = min(known), max(known)
        guess = MomentGuess(form, len(known) / len(some), False, "%H" in form, "", first, last)
        if best is not None and length == _SHORT:  # 150301: nobody can tell the year from the day
            return None
        if best is None or last - first < best[0]:
            best = last - first, guess
    if best is None:
        return None
    other = other_order(best[1].form)
    here = sum(_strictly(text, best[1].form) is not None for text in some)
    fits = other != best[1].form and sum(_strictly(text, other) is not None for text in some) == here
    return replace(best[1], swapped=other) if fits else best[1]


def _strictly(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None


def _compact(text: str, form: str) -> datetime | None:
    """A time without any mark between its parts."""
    if len(text) != len(datetime(2024, 12, 31, tzinfo=UTC).strftime(form)):
        return None
    return _strictly(text, form)


def _plausible(date: datetime) -> bool:
    return 2000 <= date.year < 2100


def _share(some: Sequence[str], form: str) -> float:
    return sum(_parsed(text, form) is not None for text in some) / len(some)


def _parsed(text: str, form: str) -> datetime | None:
    """As `strptime` reads it, zones aside, which knows few of their names and forgets its patterns."""
    text = text.strip()
    found = _pattern(form).fullmatch((at_midnight(text) or text) if "%H" in form else text)
    if found is None or ("%Y%m%d" in form and len(text.strip()) < len("20240301T1015")):
        return None
    part = found.groupdict()
    try:
        day = _day(part)
        hour = int(part.get("H") or part.get("I") or 0)
        if "p" in part:
            hour = hour % 12 + 12 * (part["p"].lower() == "pm") if 1 <= hour <= 12 else 99
        minute, second = (int(part.get(unit) or 0) for unit in "MS")
        return day.replace(hour=hour, minute=minute, second=second)
    except ValueError:
        return None


def _day(part: Mapping[str, str]) -> datetime:
    """By day and month, by the day of a week of the year (ISO 8601), or by the day of the year."""
    if "G" in part:
        week = datetime.fromisocalendar(int(part["G"]), int(part["V"]), int(part["u"]))
        return week.replace(tzinfo=UTC)
    year = int(part["Y"]) if "Y" in part else int(part.get("y") or 0)
    year += 0 if "Y" in part else 2000 if year < _PIVOT else 1900
    if "j" in part:
        found = datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=int(part["j"]) - 1)
        if found.year != year:
            raise ValueError(part["j"])
        return found
    word = (part.get("b") or part.get("B") or "").lower()[:3]
    month = _MONTHS.index(word) + 1 if word else int(part.get("m") or 1)
    return datetime(year, month, int(part.get("d") or 1), tzinfo=UTC)


@cache
def _pattern(form: str) -> re.Pattern[str]:
    out, at = "", 0
    compact = "%H%M" in form  # where no mark parts them, all their digits stand
    while at < len(form):
        if form[at] == "%":
            one = _DIRECTIVES[form[at + 1]]
            out += one.replace("{1,2}", "{2}") if compact else one
            at += 2
        else:
            out += re.escape(form[at])
            at += 1
    return re.compile(out)


def _stamp(text: str) -> datetime | None:
    try:
        clock = text[11:16]
        day = datetime.fromisoformat(text[:10])
        hours, minutes = (int(clock[:2]), int(clock[3:])) if clock else (0, 0)
        if (hours, minutes) == (24, 0):
            return day.replace(tzinfo=UTC) + timedelta(days=1)
        return day.replace(hour=hours, minute=minutes, tzinfo=UTC)
    except ValueError:
        return None


def _spread(texts: Iterable[str]) -> list[str]:
    """Some values from all over the column, so that all days of a month have a chance."""
    known = [western(text.strip().lstrip("'"), ".", ",") for text in texts if text.strip()]
    return known[:: max(len(known) // _LOOKED_AT, 1)]


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\d+(?:\.\d+)?", text))
