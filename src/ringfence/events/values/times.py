"""Times of every written form as UTC integer milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.compiling import compiled
from ringfence.events.buffers import is_text, null_mask, spans
from ringfence.events.values.visible import visible
from ringfence.events.values.wording import at_midnight, has_width, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

NO_TIME: Final = np.iinfo(np.int64).min
"""Stands for a null time."""

_EPOCHS: Final = {
    "epoch_ms": 1,
    "epoch_s": 1000,
    "epoch_h": 3_600_000,
    "epoch_d": 86_400_000,
    "epoch_us": -1000,
    "epoch_ns": -1_000_000,
}  # milliseconds of a unit; below zero, units of a millisecond
EXCEL: Final = "excel"
_EXCEL_DAYS: Final = 25_569  # from the day that spreadsheets count from to 1970
NUMBERED: Final = (*_EPOCHS, EXCEL)
"""Forms of times that are numbers."""

_OTHER_UNITS: Final = (
    ("seconds", "epoch_s", 1000),
    ("microseconds", "epoch_us", -1000),
    ("nanoseconds", "epoch_ns", -1_000_000),
)
_DOTNET: Final = r"^\s*\\?/Date\((-?[0-9]+)(?:[+-][0-9]{4})?\)\\?/\s*$"
_FARTHEST: Final = 2**62
_DAY_MS: Final = 86_400_000
_FAR_MS: Final = 10**15  # beyond every allowed time, and safe to add to
_OK, _NAIVE, _BAD = 0, 1, 2
BAD: Final = 2
"""Status of what is no time."""
_MONTH_DAYS: Final = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def to_ms(values: Any, form: str, zone: str | None) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Milliseconds since 1970 UTC (`NO_TIME` for null), and which values are no time.

    `form` is `iso` (of integers: milliseconds), `epoch_ms`, `epoch_s`, `epoch_us`, `epoch_ns`, `epoch_h`
    (hours), `epoch_d` (days), `excel` (a spreadsheet's days, local) or a strptime pattern. A time without a
    zone is in `zone`; with `zone` None it is no time. A local time that the clock change repeats is the
    earlier one, one that it skips moves to the change.

    >>> to_ms(pa.array(["2024-03-01T00:00:00+01:00", "soon"]), "iso", "UTC")[0][0]
    np.int64(1709247600000)
    """
    ms, bad, naive = parsed(values, form)
    return _localised(ms, bad, naive, zone)


def parsed(values: Any, form: str) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """The same before zones: milliseconds as written, which values are no time, which name no zone."""
    if pa.types.is_dictionary(values.type):
        found = parsed(values.dictionary, form)
        rows = pc.fill_null(values.indices, len(values.dictionary)).to_numpy(zero_copy_only=False)
        ms, bad, naive = (
            np.append(part, end) for part, end in zip(found, (NO_TIME, False, False), strict=True)
        )
        return ms[rows], bad[rows], naive[rows]
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        ms, naive = _from_arrow(values)
        bad = np.zeros(len(ms), bool)
    elif form in _EPOCHS or (form == "iso" and pa.types.is_integer(values.type)):
        ms, bad = _from_epoch(values, _EPOCHS.get(form, 1))
        naive = np.zeros(len(ms), bool)
    elif form == EXCEL:
        days, bad = _floats(values, _days)
        ms = np.rint((np.clip(days, -1e6, 1e6) - _EXCEL_DAYS) * 86_400_000).astype(np.int64)
        naive = ~bad
    elif not is_text(values):
        ms, bad = np.full(len(values), NO_TIME), ~np.asarray(values.is_null())
        naive = np.zeros(len(ms), bool)
    else:
        ms, status = parse_iso(*spans(values)) if form == "iso" else _from_pattern(values, form)
        bad, naive = status == _BAD, status == _NAIVE
    empty = null_mask(values)
    if empty is not None:
        ms[empty], bad[empty], naive[empty] = NO_TIME, False, False
    return ms, bad, naive


def format_ms(ms: int) -> str:
    """ISO 8601 text of a time, for messages.

    >>> format_ms(0)
    '1970-01-01T00:00:00.000Z'
    """
    try:
        moment = datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{ms} ms after 1970"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_BUDDHIST_YEARS: Final = 543  # before those of the Gregorian calendar
_YEAR_3000_MS: Final = 32_503_680_000_000


def other_unit(ms: int, earliest: int, latest: int) -> str:
    """A hint where the number was meant in another unit or calendar, empty where it was not.

    >>> other_unit(1_714_557_600_123_456, 946_684_800_000, 1_800_000_000_000)
    '; taken as microseconds (format = "epoch_us") it is 2024-05-01T10:00:00.123Z'
    >>> other_unit(18_850_010_400_000, 946_684_800_000, 1_800_000_000_000)
    '; 2567 is 2024 in the Buddhist calendar of Thailand: export the file with Gregorian years'
    """
    year = int(format_ms(ms)[:4]) if 0 < ms < _YEAR_3000_MS else 0
    gregorian = year - _BUDDHIST_YEARS
    if int(format_ms(earliest)[:4]) <= gregorian <= int(format_ms(latest)[:4]):
        return (
            f"; {year} is {gregorian} in the Buddhist calendar of Thailand: export the file with "
            "Gregorian years"
        )
    for name, form, factor in _OTHER_UNITS:
        moment = ms * factor if factor > 0 else ms // -factor
        if earliest <= moment <= latest:
            return f'; taken as {name} (format = "{form}") it is {format_ms(moment)}'
    return ""


def _localised(
    ms: NDArray[np.int64], bad: NDArray[np.bool_], naive: NDArray[np.bool_], zone: str | None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    if zone == "UTC" or not naive.any():
        return ms, bad
    if zone is None:
        return ms, bad | naive
    inside = naive & (np.abs(ms) < _FAR_MS)
    local = pa.array(ms[inside], pa.timestamp("ms"))
    moments = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="latest")
    ms[inside] = moments.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return ms, bad


def _from_arrow(values: Any) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    naive = np.full(len(values), pa.types.is_date(values.type) or values.type.tz is None)
    stamps = values.cast(pa.timestamp("ms", getattr(values.type, "tz", None)), safe=False)
    return pc.fill_null(stamps.cast(pa.int64()), NO_TIME).to_numpy(zero_copy_only=False).copy(), naive


def _from_epoch(values: Any, factor: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    if is_text(values):
        values = pc.replace_substring_regex(values.cast(pa.string()), _DOTNET, r"\1")
    whole = _integers(values)
    far = _FARTHEST // max(factor, 1)
    if whole is not None:
        limited = np.clip(pc.fill_null(whole, 0).to_numpy(zero_copy_only=False), -far, far)
        return limited * factor if factor > 0 else limited // -factor, np.zeros(len(values), bool)
    floats, bad = _floats(values)
    limited = np.clip(floats, -far, far)
    if factor < 0:
        return np.floor(limited / -factor).astype(np.int64), bad
    return np.rint(limited * factor).astype(np.int64), bad


def _integers(values: Any) -> Any:
    """Whole numbers, written or not; None where one is none. Nanoseconds have more digits than floats."""
    if pa.types.is_integer(values.type) and not pa.types.is_uint64(values.type):
        return values.cast(pa.int64())
    if not is_text(values) and not pa.types.is_uint64(values.type):
        return None
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:
        return None


def _floats(
    values: Any, read: Callable[[str | bytes | None], float | None] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Finite numbers, 0 where there is none, and where there is none."""
    if is_text(values):
        numbers = [(read or _number)(text) for text in values.to_pylist()]
        floats = np.array([np.nan if number is None else number for number in numbers], np.float64)
    elif pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        floats = pc.fill_null(values.cast(pa.float64(), safe=False), np.nan).to_numpy(zero_copy_only=False)
    else:
        floats = np.full(len(values), np.nan)
    bad = ~np.isfinite(floats)
    return np.where(bad, 0.0, floats), bad


def _number(text: str | bytes | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _days(text: str | bytes | None) -> float | None:
    """A spreadsheet's day, or a day and the part of it that has passed, of two columns."""
    parts = (text if isinstance(text, str) else (text or b"").decode("utf-8", "replace")).split()
    numbers = [_number(part.replace(",", ".")) for part in parts]
    known = [number for number in numbers if number is not None]
    if not 0 < len(parts) == len(known) <= 2 or (len(known) == 2 and not 0 <= known[1] < 1):
        return None
    return sum(known)


def _from_pattern(values: Any, pattern: str) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    encoded = values.dictionary_encode()
    parsed = [strptime_ms(text, pattern) for text in encoded.dictionary.to_pylist()] + [(NO_TIME, _BAD)]
    rows = pc.fill_null(encoded.indices, len(parsed) - 1).to_numpy(zero_copy_only=False)
    return np.array([one[0] for one in parsed], np.int64)[rows], np.array(
        [one[1] for one in parsed], np.uint8
    )[rows]


def strptime_ms(text: str, pattern: str) -> tuple[int, int]:
    """Milliseconds of a text as written, and whether it names a zone (0), none (1) or is no time (2)."""
    late = 0
    moment = _strptime(visible(text), pattern)
    if moment is None:
        said, form = plain(text, pattern), plain(pattern)
        moment = _strptime(said, form)
        if moment is None and "%H" in form and (early := at_midnight(said)):
            moment, late = _strptime(early, form), _DAY_MS
    if moment is None:
        return NO_TIME, _BAD
    since = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    return ms + late, _OK if moment.tzinfo else _NAIVE


def _strptime(text: str, pattern: str) -> datetime | None:
    if not has_width(text, pattern):
        return None
    try:
        return datetime.strptime(text, pattern)  # noqa: DTZ007  # the zone is told apart by the caller
    except ValueError:
        return None


@compiled(nogil=True)
def _digits(data: NDArray[np.uint8], at: int, count: int, stop: int) -> int:
    """Value of exactly `count` digits at `at`, -1 when they are not there."""
    if at + count > stop:
        return -1
    value = 0
    for i in range(at, at + count):
        digit = int(data[i]) - 48
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value


@compiled(nogil=True)
def _day_number(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar."""
    shifted = year - (1 if month <= 2 else 0)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


@compiled(nogil=True)
def _date(data: NDArray[np.uint8], at: int, stop: int) -> int:
    """Day number of YYYY-MM-DD at `at`, -1_000_000 when there is none."""
    year, month, day = (
        _digits(data, at, 4, stop),
        _digits(data, at + 5, 2, stop),
        _digits(data, at + 8, 2, stop),
    )
    if year < 0 or month < 1 or month > 12 or day < 1 or data[at + 4] != 45 or data[at + 7] != 45:
        return -1_000_000
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _MONTH_DAYS[month - 1] + (1 if leap else 0):
        return -1_000_000
    return _day_number(year, month, day)


@compiled(nogil=True)
def _clock(data: NDArray[np.uint8], at: int, stop: int) -> tuple[int, int]:
    """Milliseconds of HH:MM[:SS[.fraction]] at `at` and the place after it; -1 when there is none.

    A leap second is the beginning of the next minute: no clock here counts it.
    """
    hour, minute = _digits(data, at, 2, stop), _digits(data, at + 3, 2, stop)
    if hour < 0 or hour > 24 or minute < 0 or minute > 59 or data[at + 2] != 58:
        return -1, at
    ms, end = (hour * 60 + minute) * 60_000, at + 5
    if end < stop and data[end] == 58:
        second = _digits(data, end + 1, 2, stop)
        leap = second == 60 and minute == 59
        if second < 0 or (second > 59 and not leap):
            return -1, at
        ms, end = ms + second * 1000, end + 3
        if end + 1 < stop and (data[end] == 46 or data[end] == 44):
            end, weight = end + 1, 100
            first = end
            while end < stop and 48 <= data[end] <= 57:
                ms += 0 if leap else (int(data[end]) - 48) * weight
                weight //= 10
                end += 1
            if end == first:
                return -1, at
    if ms > 86_400_000:  # 24:00 ends its day, and nothing follows it
        return -1, at
    return ms, end


@compiled(nogil=True)
def _offset(data: NDArray[np.uint8], at: int, stop: int) -> int:
    """Minutes of Z, +HH, +HHMM or +HH:MM that ends the text, 10_000 when it does not."""
    if stop - at == 1 and (data[at] == 90 or data[at] == 122):
        return 0
    sign = 1 if data[at] == 43 else -1 if data[at] == 45 else 0
    if stop - at > 3 and data[at] == 226 and data[at + 1] == 136 and data[at + 2] == 146:  # U+2212, a minus
        sign, at = -1, at + 2
    hours, left = _digits(data, at + 1, 2, stop), stop - at - 3
    minutes = 0
    if left == 2:
        minutes = _digits(data, at + 3, 2, stop)
    elif left == 3 and data[at + 3] == 58:
        minutes = _digits(data, at + 4, 2, stop)
    elif left != 0:
        return 10_000
    if sign == 0 or hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
        return 10_000
    return sign * (hours * 60 + minutes)


@compiled(nogil=True)
def parse_iso(
    data: NDArray[np.uint8], offsets: NDArray[np.int32] | NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Milliseconds per ISO 8601 text, and 0 when it has a zone, 1 when it has none, 2 when it is no time."""
    rows = len(offsets) - 1
    out, status = np.empty(rows, np.int64), np.full(rows, _BAD, np.uint8)
    for row in range(rows):
        out[row] = NO_TIME
        at, stop = offsets[row], offsets[row + 1]
        while at < stop and data[at] == 32:
            at += 1
        while at < stop and data[stop - 1] == 32:
            stop -= 1
        day = _date(data, at, stop) if stop - at >= 10 else -1_000_000
        if day == -1_000_000:
            continue
        ms, end = 0, at + 10
        if end < stop:
            if data[end] != 84 and data[end] != 32 and data[end] != 116:
                continue
            ms, end = _clock(data, end + 1, stop)
            if ms < 0:
                continue
            if end + 1 < stop and data[end] == 32 and end > at + 10:  # 10:00:00 +0530
                end += 1
        zone = _offset(data, end, stop) if end < stop else 0
        if zone == 10_000:
            continue
        out[row] = day * 86_400_000 + ms - zone * 60_000
        status[row] = _OK if end < stop else _NAIVE
    return out, status
