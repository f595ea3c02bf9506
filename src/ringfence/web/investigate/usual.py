"""A payment beside what its customer, or its card, usually does: the last 30 days before it."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ringfence.decisions.index import Term, Wanted
from ringfence.web.parts.period import local, zone_name
from ringfence.web.parts.rendering import money, share

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ringfence.cases.model import Subject
    from ringfence.decisions.index import DecisionIndex

_WINDOW_MS: Final = 30 * 86_400_000
_MOST: Final = 500
_FEW: Final = 4  # payments below which nothing is called unusual
_FAR: Final = 3.0  # times the median from which an amount is
_NEAR_HOURS: Final = 2
_RARE: Final = 0.05
COLUMNS: Final = ("event_time_ms", "amount", "currency", "country", "merchant_id", "device_id")
"""Of the index, which a comparison needs of each payment."""


class Comparison(NamedTuple):
    """One thing of a payment: what it is, what is usual, and whether it stands out."""

    name: str
    this: str
    usual: str
    is_odd: bool


def compare(finder: DecisionIndex, row: dict[str, Any], subject: Subject) -> list[Comparison]:
    """A payment (a row of the index with `COLUMNS`) against the payments of a subject before it."""
    at_ms = row["event_time_ms"]
    wanted = Wanted(
        terms=(Term(subject.entity_type, subject.entity_id),), since_ms=at_ms - _WINDOW_MS, until_ms=at_ms
    )
    before = finder.find(wanted, _MOST, COLUMNS).rows
    found = [_amount(row, before), _hour(row, before)]
    found += [
        _value(name, row.get(column), [one[column] for one in before])
        for name, column in (("Country", "country"), ("Merchant", "merchant_id"), ("Device", "device_id"))
    ]
    return [one for one in found if one is not None]


def _amount(row: dict[str, Any], before: Sequence[dict[str, Any]]) -> Comparison | None:
    amount, currency = row["amount"], row["currency"]
    if amount is None:
        return None
    known = [one["amount"] for one in before if one["amount"] is not None and one["currency"] == currency]
    if not known:
        return Comparison("Amount", money(amount, currency), "no payment in 30 days", is_odd=False)
    usual = median(known)
    factor = amount / usual if usual else 0.0
    times = f", this is {factor:.0f} ×" if factor >= 2 else ""
    is_odd = len(known) >= _FEW and factor >= _FAR
    return Comparison("Amount", money(amount, currency), f"usually {money(usual, currency)}{times}", is_odd)


def _hour(row: dict[str, Any], before: Sequence[dict[str, Any]]) -> Comparison:
    hour = _hour_of(row["event_time_ms"])
    this = f"{hour:02d}:{_moment(row['event_time_ms']).minute:02d} {zone_name()}"
    if not before:
        return Comparison("Time", this, "no payment in 30 days", is_odd=False)
    apart = [abs(_hour_of(one["event_time_ms"]) - hour) for one in before]
    near = sum(min(gap, 24 - gap) <= _NEAR_HOURS for gap in apart)
    usual = f"{share(near, len(before), 0)} of {len(before)} payments come at about this time"
    return Comparison("Time", this, usual, len(before) >= _FEW and near / len(before) < _RARE)


def _value(name: str, this: str | None, before: Sequence[str | None]) -> Comparison | None:
    if this is None:
        return None
    counts = Counter(one for one in before if one is not None)
    if not counts:
        return Comparison(name, this, "no payment in 30 days", is_odd=False)
    total = counts.total()
    if not counts[this]:
        most, _ = counts.most_common(1)[0]
        usual = f"first time in 30 days; usually {most}" if name == "Country" else "first time in 30 days"
        return Comparison(name, this, usual, total >= _FEW)
    return Comparison(name, this, f"{counts[this]} of {total} payments", is_odd=False)


def _moment(time_ms: int) -> datetime:
    """In the zone of the page."""
    return local(time_ms)


def _hour_of(time_ms: int) -> int:
    return _moment(time_ms).hour
