"""Why no column is the time of the payment, and what to do about it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ringfence.adapters.drafts.moments import moments_of
from ringfence.adapters.drafts.money import is_scientific

if TYPE_CHECKING:
    from datetime import datetime

    from ringfence.adapters.drafts.desk import DraftDesk
    from ringfence.adapters.drafts.sample import Column

_NAMED: Final = frozenset({"date", "time", "when", "created", "booked"})
_SOME: Final = 60
_MOST_FORMS: Final = 4


def why_no_time(desk: DraftDesk) -> str:
    """What can be told of columns that seem to hold times and cannot be the payment's; empty for nothing."""
    columns = list(desk.sample.columns.values())
    named = [one for one in columns if one.moments is None and one.texts and one.meanings & _NAMED]
    for column in named:
        if (said := _unread(column)) is not None:
            return f"; {said}"
    seen = [one for one in columns if one.moments is not None]
    for column in seen:
        if (said := _elsewhere(column, desk.now)) is not None:
            return f"; {said}"
    if seen:
        return f"; {', '.join(one.name for one in seen)}: these times seem to be others than the payment's"
    clocks = [one.name for one in columns if one.clock is not None and one.meanings & {"time", "when"}]
    return f"; {', '.join(clocks)} holds a time of day without a date" if clocks else ""


def _unread(column: Column) -> str | None:
    """What is wrong with times that are not written alike, or not whole."""
    if is_scientific(column.different[:_SOME]):
        return (
            f"{column.name} holds numbers that a spreadsheet has shortened ({column.different[0]}): export "
            "it as text"
        )
    forms: dict[str, str] = {}
    for text in column.different[:_SOME]:
        found = moments_of([text], named=True)
        forms.setdefault("" if found is None else found.form, text)
    read = [text for form, text in forms.items() if form]
    if len(read) < 2 or len(read) > _MOST_FORMS:
        return None
    return (
        f"{column.name} has times in {len(read)} ways ({' and '.join(read)}): write all in one, or part the "
        "file and read each part by a mapping of its own"
    )


def _elsewhere(column: Column, now: datetime) -> str | None:
    """What is wrong with times that lie where no payment can."""
    moments = column.moments
    if moments is None or moments.first is None or moments.last is None or not column.meanings & _NAMED:
        return None
    early, late = moments.early or moments.first, moments.late or moments.last
    if late.year < 2000:
        return f"{column.name} ends in {late.year}, and payments are taken from 2000 on: check the year"
    if early > now + timedelta(days=2):
        return f"{column.name} begins in {early.year}, which is still to come: check the year and the clock"
    return None
