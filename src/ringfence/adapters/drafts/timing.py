"""The time of the payment: one column, a date and a time of day, or year, month and day apart."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.drafts.calendars import ERAS, OtherYear, other_calendar, said_of
from ringfence.adapters.drafts.clocks import CLOCK_OUT, midnight_of, not_understood, time_of_day
from ringfence.adapters.drafts.moments import MomentGuess, moment_in, other_order
from ringfence.adapters.drafts.no_time import why_no_time
from ringfence.adapters.drafts.roles import time_points
from ringfence.events.values.visible import western
from ringfence.events.values.zones import SEVERAL
from ringfence.ports.mappings import Question

if TYPE_CHECKING:
    from ringfence.adapters.drafts.desk import DraftDesk
    from ringfence.adapters.drafts.sample import Column

_START_S: Final = 1_577_836_800  # 2020-01-01: where time that counts from 0 is put
_DAY_S: Final = 86_400
_MOST_DAYS: Final = 10_000
_ROWS_A_DAY: Final = 10
_FROM_ZERO: Final = 10_000  # a column of dates that begins beyond counts from no beginning of its own
_DAYS_TO_2000: Final = 10_957
_LONG_PAST_DAYS: Final = 3 * 366
_DAYS_OF_1904: Final = 1462  # that a spreadsheet's days since 1904 are behind those since 1900
_COUNTS: Final = frozenset({"step", "time", "date"})
_NAME: Final = re.compile(r"(?:^|[\d\s(])([A-Z]{3})\)?$")


def choose_time(desk: DraftDesk) -> None:
    """Fills `event_time`, or leaves it out with a remark."""
    if "event_time" not in desk.answers and _parts_of_date(desk):
        return
    column = desk.best("event_time", lambda one: time_points(one, desk.now)) or _only_later(desk)
    if column is None or column.moments is None:
        _counted(desk, column)
        return
    others = [one.name for one in desk.left.values() if one.is_dated]
    if others:
        desk.plan.runners.setdefault("event_time", others[0])
    moments, midnight = column.moments, ""
    at_midnight = midnight_of(column) if moments.timed else None
    is_day = at_midnight is not None or not moments.timed
    days = {} if at_midnight is not None else _days_of_years(desk, column, moments)
    clock = time_of_day(desk, moments.form) if is_day and not days else None
    if clock is not None and at_midnight is not None:
        midnight, moments = at_midnight
    moments = _ordered(desk, column, moments)
    source: dict[str, Any] = {"column": column.name}
    if clock is not None:
        source = {"join": [column.name, *clock.parts], "format": clock.behind(moments.form, midnight)}
    elif moments.form != "iso":
        source["format"] = moments.form
    source |= _since_1904(desk, column, moments) | days
    if is_day and clock is None:
        desk.plan.remarks.append(_at_midnight(f"{column.name} holds days") + not_understood(desk))
    if moments.share < 1:
        desk.plan.remarks.append(f"{column.name} holds values that are no times: those go to the quarantine")
    _zones(desk, column, moments, source)
    desk.plan.fields["event_time"] = source if len(source) > 1 else column.name


def _at_midnight(holds: str) -> str:
    return (
        f"{holds} without a time of day: all payments of a day are at midnight, so counts over minutes and "
        "hours see a whole day as one moment"
    )


def within_a_day(desk: DraftDesk) -> bool:
    """Whether the rows that were looked at are of one day, in which a time of day only grows."""
    source = desk.plan.fields.get("event_time")
    options: dict[str, Any] = source if isinstance(source, dict) else {"column": source}
    first = options.get("join", [""])[0]
    column = desk.sample.columns.get(options.get("column") or first)
    if column is None:
        return False
    moments = column.moments
    if moments is not None and moments.first is not None and moments.last is not None:
        return moments.last - moments.first < timedelta(days=1)
    if options.get("format") != "epoch_s":
        return False
    seconds = [float(text) for text in column.texts]
    return max(seconds) - min(seconds) < _DAY_S


def _ordered(desk: DraftDesk, column: Column, moments: MomentGuess) -> MomentGuess:
    """The moments with day and month in the order that the answers, other columns or the language tell."""
    moments = _year_placed(desk, column, moments)
    if not moments.swapped:
        return moments
    forms = (moments.form, moments.swapped)
    day_first = next((form for form in forms if form.find("%d") < form.find("%m")), forms[0])
    month_first = other_order(day_first)
    sure = {
        one.moments.form for one in desk.sample.columns.values() if one.moments and not one.moments.swapped
    }
    for form, other in ((day_first, month_first), (month_first, day_first)):
        start = form[:5]
        if any(one.startswith(start) for one in sure) and not any(one.startswith(other[:5]) for one in sure):
            desk.plan.remarks.append(
                f"{column.name} may have day or month first: taken as {_named(form)}, as in another column"
            )
            return _with(moments, form)
    american = not day_first.startswith("%d.") and not desk.sample.comma and _american(desk)
    ahead = _are_ahead(desk, column, day_first) - _are_ahead(desk, column, month_first)
    american = ahead > 0 if ahead else american  # payments have been made
    preferred, second = (month_first, day_first) if american else (day_first, month_first)
    shown = column.different[0]
    answers = ("month", "day") if american else ("day", "month")
    given = desk.ask(
        Question(
            "day_order",
            f"{column.name} may have the day or the month first: all its values, as {shown}, can be both",
            answers,
            tuple(f"{one} first" for one in answers),
        )
    )
    return _with(moments, preferred if given == answers[0] else second)


def _are_ahead(desk: DraftDesk, column: Column, form: str) -> int:
    """How many values would be still to come, read by a form."""
    limit = desk.now + timedelta(days=2)
    return sum((found := moment_in(text, form)) is not None and found > limit for text in column.different)


def _year_placed(desk: DraftDesk, column: Column, moments: MomentGuess) -> MomentGuess:
    """The moments with a year of two digits first or last, asked where both make sense."""
    other = moments.elsewhere
    if other is None or moments.last is None or other.last is None:
        return moments
    recent, latest = desk.now - timedelta(days=_LONG_PAST_DAYS), desk.now + timedelta(days=2)
    sure = moments.last >= recent > other.last or other.last > latest
    if sure and not moments.form.startswith("%y"):
        return moments
    answers = ("first", "last") if moments.form.startswith("%y") else ("last", "first")
    shown = next((text for text in column.different if moment_in(text, moments.form)), column.different[0])
    of_era = f"; {shown[:2]} may be a year of the era Reiwa, too: export Gregorian years then"
    era = of_era if shown[:2].isdigit() and int(shown[:2]) + ERAS["Reiwa"][-1] == desk.now.year else ""
    given = desk.ask(
        Question(
            "year_place",
            f"{column.name} may have the year first or last: {shown} can be "
            f"{_day_of(shown, moments)} or {_day_of(shown, other)}{era}",
            answers,
            tuple(f"the year stands {one}" for one in answers),
        )
    )
    return moments if given == answers[0] else other


def _day_of(shown: str, moments: MomentGuess) -> str:
    found = moment_in(shown, moments.form)
    return f"{found:%Y-%m-%d}" if found else "no day"


def _since_1904(desk: DraftDesk, column: Column, moments: MomentGuess) -> dict[str, Any]:
    """What is added to days of a spreadsheet: those of old Macs count from 1904."""
    if moments.form != "excel" or moments.last is None:
        return {}
    later = moments.last + timedelta(days=_DAYS_OF_1904)
    if not desk.now - timedelta(days=_LONG_PAST_DAYS) <= later <= desk.now + timedelta(days=2):
        return {}
    given = desk.ask(
        Question(
            "days_since",
            f"{column.name} counts days as a spreadsheet does, the last one is {moments.last:%Y-%m-%d}: from "
            f"1900, or from 1904 as workbooks of Macs may, then it is {later:%Y-%m-%d}",
            ("1900", "1904"),
            ("days since 1900", "days since 1904"),
        )
    )
    return {"offset_s": _DAYS_OF_1904 * _DAY_S} if given == "1904" else {}


def _days_of_years(desk: DraftDesk, column: Column, moments: MomentGuess) -> dict[str, Any]:
    """Digits such as 20121, the 121st day of 2020 or the 20,121st day since 1970, as answered."""
    texts = [western(text.strip(), ".", ",") for text in column.different] if moments.form == "%y%j" else []
    numbers = [int(text) for text in texts if text.isdecimal()]
    if not numbers or max(numbers) > (desk.now - datetime(1970, 1, 1, tzinfo=UTC)).days + 2:
        return {}
    told = {"days": "days since 1970", "years": "two digits of the year, then the day of the year"}
    clocked = any(
        one.clock is not None and one.meanings & {"time", "when"} and not one.meanings & CLOCK_OUT
        for one in desk.left.values()
    )  # no mapping can join a clock to days since 1970
    answers = ("years", "days") if clocked else ("days", "years")
    given = desk.ask(
        Question(
            "digits",
            f"{column.name} holds five digits, as {column.different[0]}: days since 1970, or a year and the "
            "day in it",
            answers,
            tuple(told[one] for one in answers),
        )
    )
    return {"format": "epoch_d"} if given == "days" else {}


def _only_later(desk: DraftDesk) -> Column | None:
    """The one column of times in a file, where its name tells of a later step: Processed On."""
    fits = [
        one for one in desk.left.values()
        if one.is_dated and "later" in one.meanings and not one.meanings & (CLOCK_OUT - {"later"})
        and not one.meanings & {"refund", "dispute"} and one.moments and one.moments.last
        and one.moments.last <= desk.now + timedelta(days=2)
    ]  # fmt: skip
    if len(fits) != 1 or sum(one.is_dated for one in desk.left.values()) > 1:
        return None
    column = desk.take(fits[0].name)
    desk.plan.remarks.append(
        f"{column.name} is the only time: taken as that of the payment, although its name may tell of a "
        "later step"
    )
    return column


def _american(desk: DraftDesk) -> bool:
    """Dollars and clocks of twelve hours hint at a month that stands first."""
    columns = desk.sample.columns.values()
    dollars = any(
        (one.money and one.money.signs == {"USD"}) or one.different == ["USD"] or "usd" in one.words
        for one in columns
    )
    return dollars or any("%p" in one.moments.form for one in columns if one.moments)


def _named(form: str) -> str:
    return "day first" if form.find("%d") < form.find("%m") else "month first"


def _with(moments: MomentGuess, form: str) -> MomentGuess:
    return MomentGuess(form, moments.share, moments.zoned, moments.timed, "", moments.first, moments.last)


def _zones(desk: DraftDesk, column: Column, moments: MomentGuess, source: dict[str, Any]) -> None:
    if not moments.zoned:
        _zone(desk, column, source)
        return
    if moments.bare:
        desk.plan.remarks.append(
            f"{moments.bare:,} of the first times of {column.name} name no time zone, unlike the others: "
            "taken as UTC"
        )
    _zone_names(desk, column.different)


def _zone(desk: DraftDesk, column: Column, source: dict[str, Any]) -> None:
    for name, other in desk.left.items():
        named = "zone" in other.meanings or (other.words and other.words[-1] == "offset")
        if named and other.different and not other.moments:
            desk.take(name)
            source["zone_column"] = name
            _zone_names(desk, other.different)
            return
    if set(column.words) & {"utc", "gmt"}:
        source.setdefault("zone", "UTC")
        return
    source["zone"] = "UTC"
    desk.plan.remarks.append(
        f'{column.name} names no time zone: taken as UTC; put yours there, zone = "Europe/Berlin" for example'
    )


def _zone_names(desk: DraftDesk, texts: list[str]) -> None:
    """Asks what the names mean that several zones have; currencies and other names speak for one of them."""
    named = {found[1] for text in texts if (found := _NAME.search(text.strip()))}
    codes = {
        one.different[0].strip().upper()
        for one in desk.sample.columns.values()
        if "currency" in one.meanings and len(one.different) == 1
    }
    for name in sorted(named & SEVERAL.keys()):
        places = sorted(
            SEVERAL[name].items(), key=lambda one: not set(one[1][1].split()) & (codes | named)
        )  # of those for which as much speaks, the more usual one
        given = desk.ask(
            Question(
                name,
                f"the time zone {name} may be that of {' or '.join(place for place, _ in places)}",
                tuple(offset for _, (offset, _) in places),
                tuple(f"{place}, {offset} from UTC" for place, (offset, _) in places),
            )
        )
        desk.plan.top.setdefault("zone_names", {})[name] = given


def _parts_of_date(desk: DraftDesk) -> bool:
    """Year, month and day in columns of their own, and a time of day where there is one."""
    parts: list[Column] = []
    for wanted in ("year", "month", "date"):
        fits = [
            one
            for one in desk.left.values()
            if wanted in one.meanings and not one.moments and one.different
            and len(one.words) <= 2 and all(text.isdigit() for text in one.different)
            and not one.meanings & (CLOCK_OUT | {"card", "account"})
        ]  # fmt: skip
        if not fits:
            return False
        parts.append(fits[0])
    names: list[Any] = [desk.take(one.name).name for one in parts]
    form = "%Y %m %d" if max(map(len, parts[0].different)) == 4 else "%y %m %d"
    clock = time_of_day(desk, form)
    if clock is not None:
        names += clock.parts
        form = clock.behind(form, "")
    source: dict[str, Any] = {"join": names, "format": form}
    _zone(desk, parts[2], source)
    desk.plan.fields["event_time"] = source
    return True


def _counted(desk: DraftDesk, named: Column | None) -> None:
    """Numbers that count from some beginning; nothing else is left to tell the time."""
    if named is None and (strange := _of_other_calendar(desk)) is not None:
        said = said_of(*strange)
        desk.plan.remarks.append(
            f"no column seems to be the time of the payment: event_time is missing; {said}"
        )
        return
    fits = [named] if named else [
        one
        for one in desk.left.values()
        if one.meanings & _COUNTS and not one.meanings & (CLOCK_OUT | {"amount", "balance", "id"})
        and one.clock in (None, "%H%M") and _grows(one)
    ]  # fmt: skip
    for column in fits:
        numbers = [float(text) for text in column.texts] if column.money else []
        if not numbers:
            break
        dates = "date" in column.meanings and not column.meanings & {"time", "step"}
        if dates and min(numbers) > _FROM_ZERO:
            if _days_since_1970(desk, column, numbers):
                return
            continue
        desk.left.pop(column.name, None)
        whole = all(number == int(number) for number in numbers) and max(numbers) < _MOST_DAYS
        days = whole and len(set(numbers)) * _ROWS_A_DAY <= len(numbers)
        desk.plan.fields["event_time"] = {
            "column": column.name,
            "format": "epoch_d" if days else "epoch_s",
            "offset_s": _START_S,
        }
        unit = "days" if days else "seconds"
        also = " (hours: epoch_h instead of epoch_d)" if days else ""
        desk.plan.remarks.append(
            f"{column.name} seems to count {unit} from some beginning, taken as 2020-01-01{also}"
        )
        return
    desk.plan.remarks.append(
        f"no column seems to be the time of the payment: event_time is missing{why_no_time(desk)}. "
        "Name it with --answer event_time=COLUMN, also where it counts steps"
    )


def _days_since_1970(desk: DraftDesk, column: Column, numbers: list[float]) -> bool:
    """Fills `event_time` with the days of a column, as data frames write dates; False where they are none."""
    last = (desk.now - datetime(1970, 1, 1, tzinfo=UTC)).days + 2
    if not all(number == int(number) and _DAYS_TO_2000 <= number <= last for number in numbers):
        return False
    desk.left.pop(column.name, None)
    desk.plan.fields["event_time"] = {"column": column.name, "format": "epoch_d"}
    desk.plan.remarks.append(_at_midnight(f"{column.name} holds days since 1970"))
    return True


def _of_other_calendar(desk: DraftDesk) -> tuple[str, OtherYear] | None:
    """A column whose years are another calendar's, and one of them."""
    for column in desk.left.values():
        if column.meanings & CLOCK_OUT or not column.meanings & {"date", "time", "when", "created", "booked"}:
            continue
        found = other_calendar(column.texts, desk.now)
        if found is not None:
            return column.name, found
    return None


def _grows(column: Column) -> bool:
    """Numbers that never go back, and no day of a month."""
    try:
        numbers = [float(text) for text in column.texts]
    except ValueError:
        return False
    rising = all(one <= two for one, two in itertools.pairwise(numbers))
    day = max(numbers, default=0) <= 31 and "step" not in column.meanings
    return len(numbers) > 1 and rising and numbers[-1] > numbers[0] and not day
