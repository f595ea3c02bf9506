"""The time of day that belongs to a date: a clock, hours and minutes apart, or the part of a day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.drafts.moments import MomentGuess, clock_of, moments_of

if TYPE_CHECKING:
    from ringfence.adapters.drafts.desk import DraftDesk
    from ringfence.adapters.drafts.sample import Column

CLOCK_OUT: Final = frozenset({"later", "expiry", "opened", "birth", "zone", "count"})
"""Meanings of columns whose time of day is not the payment's."""

_PADS: Final = {"%H%M%S": 6, "%H%M": 4}
_MIDNIGHT: Final = re.compile(r"(.*\S)([T ]0?0:00(?::00(?:\.0+)?)?| 12:00(?::00)? ?AM)")
_SAME_DAY: Final = re.compile(r"(\d\S*[T ])(\d{1,2}:\d\d.*)")
_UNITS: Final = (
    ("%H", 24, "hour hours hr hrs hh stunde stunden hora horas heure heures uur ora godzina"),
    ("%M", 60, "minute minutes min mins mi minuten minuto minutos minuti minuta"),
    ("%S", 60, "second seconds sec secs ss sekunde sekunden segundo seconde secondi sekunda"),
)


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """Columns that are joined to a date, and how they are written behind it."""

    parts: list[Any]
    form: str

    def behind(self, date: str, midnight: str) -> str:
        """The form of the whole, of a date after which `midnight` always stands."""
        if date == "excel":
            return date
        return f"{'%Y-%m-%d' if date == 'iso' else date}{midnight} {self.form}"


def midnight_of(column: Column) -> tuple[str, MomentGuess] | None:
    """What each time ends with where all are midnights, and how the days before it are written."""
    found = [_MIDNIGHT.fullmatch(text.strip()) for text in column.different]
    matches = [one for one in found if one is not None]
    if not matches or len(matches) < len(found) or len({one[2] for one in matches}) > 1:
        return None
    days = moments_of([one[1] for one in matches])
    return None if days is None or days.timed else (matches[0][2], days)


def time_of_day(desk: DraftDesk, date: str) -> TimeOfDay | None:
    """What tells the time of day behind a date of this form; its columns are taken."""
    named = [
        one for one in desk.left.values() if one.meanings & {"time", "when"} and not one.meanings & CLOCK_OUT
    ]
    if date == "excel":
        part = next((one for one in named if _is_part_of_day(one)), None)
        return None if part is None else TimeOfDay([desk.take(part.name).name], "")
    for column in named:
        if column.clock is not None:
            return TimeOfDay([_padded(desk.take(column.name), column.clock)], column.clock)
        found = _on_one_day(column)
        if found is not None:
            return TimeOfDay([desk.take(column.name).name], found)
    return _apart(desk)


def not_understood(desk: DraftDesk) -> str:
    """A hint at a column that may tell the time of day in a way that no mapping can say."""
    for name, column in desk.left.items():
        numbers = [float(text) for text in column.different if text.isdigit()]
        whole = bool(numbers) and len(numbers) == len(column.different)
        seconds = {"sec", "secs", "second", "seconds"} & set(column.words)
        if seconds and whole and max(numbers) < 86_400:
            return f"; {name} may count the seconds of the day: write both as one time in the export"
        named = "time" in column.meanings and not column.meanings & CLOCK_OUT
        if named and column.texts and not column.moments:
            return f"; {name} ({column.different[0]}) is not understood as a time of day"
    return ""


def _padded(column: Column, form: str) -> Any:
    pad = _PADS.get(form, 0)
    return {"column": column.name, "pad": pad} if pad else column.name


def _is_part_of_day(column: Column) -> bool:
    try:
        numbers = [float(text.replace(",", ".")) for text in column.texts]
    except ValueError:
        return False
    return bool(numbers) and all(0 <= number < 1 for number in numbers) and any(numbers)


def _on_one_day(column: Column) -> str | None:
    """The form of clocks that a spreadsheet has put on one day: 1899-12-30 10:00:00."""
    found = [_SAME_DAY.fullmatch(text.strip()) for text in column.texts]
    matches = [one for one in found if one is not None]
    if not matches or len(matches) < len(found) or len({one[1] for one in matches}) > 1:
        return None
    clock = clock_of([one[2] for one in matches])
    return None if clock is None or len({one[2] for one in matches}) < 2 else f"{matches[0][1]}{clock}"


def _apart(desk: DraftDesk) -> TimeOfDay | None:
    """Hours, minutes and seconds in columns of their own."""
    names: list[Any] = []
    forms: list[str] = []
    for form, most, words in _UNITS:
        column = next((one for one in desk.left.values() if _counts(one, words.split(), most)), None)
        if column is None:
            break
        names.append(desk.take(column.name).name)
        forms.append(form)
    return TimeOfDay(names, " ".join(forms)) if names else None


def _counts(column: Column, words: list[str], most: int) -> bool:
    named = len(column.words) <= 2 and column.words and column.words[-1] in words
    return bool(named and column.different) and all(
        text.isdigit() and int(text) < most for text in column.different
    )
