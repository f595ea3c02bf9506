"""What the values of a column look like: numbers, times and how they are written, cards, counters.

A few bad values make no other column: a time is one when four of five are, so that the mapping is drafted and
the rest goes to the quarantine.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.amounts import with_point
from ringfence.events.buffers import is_text
from ringfence.events.numbers import to_bools, to_floats
from ringfence.events.times import to_ms
from ringfence.masking import is_card_number

_FEW: Final = 20
_MOST: Final = 0.8  # of the values of a column have to be what it is said to be
_EPOCH_MS: Final = (946_684_800_000, 4_102_444_800_000)  # 2000 to 2100
_MOST_DAYS: Final = 10_000
_ROWS_A_DAY: Final = 10
_START_S: Final = 1_577_836_800  # 2020-01-01: where time that counts from 0 is put
_PATTERNS: Final = (
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
)
_COMPACT: Final = ("%Y%m%d%H%M%S", "%Y%m%d")  # of texts that are numbers


class Times(NamedTuple):
    """How a mapping has to say it (empty for ISO), and what to tell who reads it."""

    form: str
    doubts: list[str]


def is_number(values: Any) -> bool:
    """All known values read as numbers."""
    known = _known(values)
    if not len(known) or pa.types.is_boolean(known.type):
        return False
    return not to_floats(known)[1].any()


def has_decimal_comma(values: Any) -> bool:
    """Amounts such as 1.234,50; most of them, and at least one with a comma.

    >>> has_decimal_comma(pa.array(["1.234,50", "7"])), has_decimal_comma(pa.array(["1,234.50"]))
    (True, False)
    """
    known = _known(values)
    if not is_text(known) or not len(known):
        return False
    good = np.count_nonzero(~to_floats(with_point(known))[1])
    return bool(pc.any(pc.match_substring(known, ",")).as_py() and good >= _MOST * len(known))


def is_truth(values: Any) -> bool:
    """All known values say true or false in some way."""
    known = _known(values)
    return len(known) > 0 and not to_bools(known)[1].any()


def is_clock(values: Any) -> bool:
    """Numbers that only ever grow, as a clock or a counter does."""
    known = _known(values)
    if not is_number(known) or len(known) < _FEW:
        return False
    numbers = to_floats(known)[0]
    return bool(np.all(np.diff(numbers) >= 0) and numbers[-1] > numbers[0])


def is_unique(values: Any) -> bool:
    """Every row has a value of its own."""
    return bool(values.null_count == 0 and len(values.unique()) == len(values))


def is_card(values: Any) -> bool:
    """Most values are card numbers."""
    words = [str(word) for word in _known(values).unique().to_pylist()[:200]]
    cards = sum(is_card_number(re.sub("[ -]", "", word)) for word in words)
    return bool(words) and cards >= _MOST * len(words)


def times_of(values: Any) -> Times | None:
    """How most of the values are written as times; None where they are none.

    >>> times_of(pa.array(["31.12.2024 09:14"])).form
    ', format = "%d.%m.%Y %H:%M", zone = "UTC"'
    """
    known = _known(values)
    if not len(known):
        return None
    if is_number(known) and not (pa.types.is_timestamp(known.type) or pa.types.is_date(known.type)):
        return _epoch(known)
    shares = {form: float(np.mean(~to_ms(known, form, "UTC")[1])) for form in ("iso", *_PATTERNS)}
    best = max(shares, key=shares.__getitem__)
    if shares[best] < _MOST:
        return None
    doubts = [] if shares[best] == 1 else ["holds values that are no times: those go to the quarantine"]
    if best.startswith("%d/") and shares[best.replace("%d/%m", "%m/%d")] == shares[best]:
        doubts.append("may have the day first or the month first: taken as day first")
    return Times("" if best == "iso" else f', format = "{best}", zone = "UTC"', doubts)


def _epoch(known: Any) -> Times:
    for form in _COMPACT if is_text(known) else ():
        ms = to_ms(known, form, "UTC")[0]
        if np.all((ms >= _EPOCH_MS[0]) & (ms < _EPOCH_MS[1])):
            return Times(f', format = "{form}", zone = "UTC"', [])
    middle = float(np.median(to_floats(known)[0]))
    if _EPOCH_MS[0] <= middle < _EPOCH_MS[1]:
        return Times(', format = "epoch_ms"', [])
    if _EPOCH_MS[0] <= middle * 1000 < _EPOCH_MS[1]:
        return Times(', format = "epoch_s"', [])
    if _counts_days(known):
        doubt = (
            "seems to count days from some beginning, taken as 2020-01-01 (hours: epoch_h instead of epoch_d)"
        )
        return Times(f', format = "epoch_d", offset_s = {_START_S}', [doubt])
    doubt = "seems to count seconds from some beginning, taken as 2020-01-01"
    return Times(f', format = "epoch_s", offset_s = {_START_S}', [doubt])


def _counts_days(known: Any) -> bool:
    """Small whole numbers that many rows share."""
    numbers = to_floats(known)[0]
    whole = bool(np.all(numbers == np.rint(numbers)) and numbers.max() < _MOST_DAYS)
    return whole and len(np.unique(numbers)) * _ROWS_A_DAY <= len(numbers)


def _known(values: Any) -> Any:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if is_text(values):
        values = pc.if_else(pc.equal(pc.utf8_trim_whitespace(values), ""), None, values)
    return values.drop_null()
