"""Amounts of every written form as integer minor units, rounded half to even on the digits as written."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.compiling import compiled
from ringfence.events.buffers import is_text, null_mask, spans
from ringfence.events.model import AMOUNT_LIMIT_MAJOR

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Status(IntEnum):
    """What became of one amount."""

    OK = 0
    EMPTY = 1
    NO_NUMBER = 2
    ABSURD = 3
    UNUSUAL = 4  # written with an exponent: left to the exact decimal path


_OK, _EMPTY, _NO_NUMBER, _ABSURD, _UNUSUAL = (int(status) for status in Status)
_EXACT_FLOAT: Final = 2.0**52
_COMMA: Final = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?$"
_NOISE: Final = 4  # units of the last place by which arithmetic may miss a decimal number
_LARGEST: Final = 1e300  # absurd, and safe to multiply
_SPACE, _PLUS, _MINUS, _POINT, _ZERO, _LARGE_E, _SMALL_E = (ord(letter) for letter in " +-.0Ee")


def to_minor(
    values: Any, digits: NDArray[np.int64], limit: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.bool_]]:
    """Minor units (0 where there are none), a `Status`, and whether it had more decimals, per value.

    `digits` is the number of decimal digits to keep per row: the currency's exponent for amounts in major
    units, 0 for minor units. `limit` is the largest absolute result per row.

    >>> import pyarrow as pa
    >>> to_minor(pa.array([1.005, 1.015, 57.16]), np.full(3, 2), np.full(3, 10**15))[0]
    array([ 100,  102, 5716])
    >>> to_minor(pa.array(["1.5", "1.500", "1.50001"]), np.full(3, 2), np.full(3, 10**15))[2]
    array([False, False,  True])
    """
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_integer(values.type):
        minor, status = _from_integers(values, digits, limit)
        rounded = np.zeros(len(values), np.bool_)
    elif pa.types.is_floating(values.type):
        minor, status, rounded = _from_floats(values, digits, limit)
    elif is_text(values) or pa.types.is_decimal(values.type):
        texts = values if is_text(values) else values.cast(pa.string())
        minor, status, rounded = _from_text(texts, digits, limit)
    else:
        minor, status = np.zeros(len(values), np.int64), np.full(len(values), _NO_NUMBER, np.uint8)
        rounded = np.zeros(len(values), np.bool_)
    empty = null_mask(values)
    if empty is not None:
        status[empty] = _EMPTY
    if status.any():
        lost = status != _OK
        minor[lost], rounded[lost] = 0, False
    return minor, status, rounded


def with_point(values: Any) -> Any:
    """Amounts written with a decimal comma, as text with a point; what is written otherwise is no number.

    >>> with_point(pa.array(["1.234,50", "7", "-0,5", "1.5"])).to_pylist()
    ['1234.50', '7', '-0.5', '?']
    """
    if not (is_text(values) or pa.types.is_dictionary(values.type)):
        return values
    texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    plain = pc.replace_substring(pc.replace_substring(texts, ".", ""), ",", ".")
    fits = pc.or_(pc.match_substring_regex(texts, _COMMA), pc.equal(texts, ""))
    return pc.if_else(fits, plain, "?")


def limit_of(digits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Largest allowed amount in minor units for currencies of so many digits."""
    return AMOUNT_LIMIT_MAJOR * 10**digits


def _from_integers(
    values: Any, digits: NDArray[np.int64], limit: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    # Bring what does not fit 64 bits to the edge first: it is absurd either way.
    whole = pc.fill_null(values, 0).to_numpy(zero_copy_only=False)
    edge = 10**16
    bounded = np.clip(whole, -edge if whole.dtype.kind == "i" and whole.dtype.itemsize == 8 else None, None)
    if bounded.dtype.itemsize == 8:
        bounded = np.minimum(bounded, edge)
    small = bounded.astype(np.int64)
    factor = 10**digits
    absurd = np.abs(small) > limit // factor
    return np.where(absurd, 0, small) * factor, np.where(absurd, _ABSURD, _OK).astype(np.uint8)


def _from_floats(
    values: Any, digits: NDArray[np.int64], limit: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.bool_]]:
    noise = _NOISE * float(np.finfo(values.type.to_pandas_dtype()).eps)
    floats = pc.fill_null(values.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
    finite = np.isfinite(floats)
    scaled = np.clip(np.where(finite, floats, 0.0), -_LARGEST, _LARGEST) * (10.0**digits)
    status = np.where(finite, _OK, _NO_NUMBER).astype(np.uint8)
    status[np.abs(scaled) > limit] = _ABSURD
    whole = np.rint(scaled)
    rounded = np.abs(scaled - whole) > noise * np.abs(scaled)
    # Below 2^52 / 1000 the product's error is far below 1e-3: only near a half may rounding go wrong.
    near_half = np.abs(np.abs(scaled - np.floor(scaled)) - 0.5) < 1e-3
    doubtful = np.flatnonzero((near_half | (np.abs(scaled) > _EXACT_FLOAT / 1000)) & (status == _OK))
    minor = np.where(status == _OK, whole, 0.0).astype(np.int64)
    for row in doubtful:
        minor[row], rounded[row] = _exactly(repr(float(floats[row])), int(digits[row])) or (0, False)
    return minor, status, rounded


def _from_text(
    values: Any, digits: NDArray[np.int64], limit: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.bool_]]:
    minor, status, rounded = _parse(*spans(values), digits, limit)
    for row in np.flatnonzero(status == _UNUSUAL):
        text = values[int(row)].as_py()
        exact = None if text is None else _exactly(text, int(digits[row]))
        if exact is None or abs(exact[0]) > limit[row]:
            status[row] = _NO_NUMBER if exact is None else _ABSURD
        else:
            status[row] = _OK
            minor[row], rounded[row] = exact
    return minor, status, rounded


def exact_minor(text: str, digits: int) -> int | None:
    """Minor units of a decimal text, None when it is no finite number of a sane size.

    >>> exact_minor("1.015", 2), exact_minor("1e2", 2), exact_minor("NaN", 2)
    (102, 10000, None)
    """
    found = _exactly(text, digits)
    return None if found is None else found[0]


def _exactly(text: str, digits: int) -> tuple[int, bool] | None:
    """Minor units of a decimal text, and whether it has more decimals."""
    try:
        number = Decimal(text.strip())
        if not number.is_finite():
            return None
        if number.adjusted() > 40:
            return (10**40 if number > 0 else -(10**40)), False
        with localcontext() as context:
            context.prec = 80
            scaled = number.scaleb(digits)
            whole = int(scaled.to_integral_value(ROUND_HALF_EVEN))
            return whole, whole != scaled
    except (InvalidOperation, ValueError):
        return None


@compiled(nogil=True)
def _parse(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int32] | NDArray[np.int64],
    digits: NDArray[np.int64],
    limit: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.bool_]]:
    """Plain decimal texts: an optional sign, digits, an optional point and more digits."""
    rows = len(offsets) - 1
    out, status, rounded = np.zeros(rows, np.int64), np.zeros(rows, np.uint8), np.zeros(rows, np.bool_)
    for row in range(rows):
        at, stop = offsets[row], offsets[row + 1]
        while at < stop and data[at] == _SPACE:
            at += 1
        while at < stop and data[stop - 1] == _SPACE:
            stop -= 1
        if at == stop:
            status[row] = _EMPTY
            continue
        negative = data[at] == _MINUS
        if negative or data[at] == _PLUS:
            at += 1
        value, status[row], rounded[row] = _unsigned(data, at, stop, digits[row], limit[row])
        out[row] = -value if negative else value
    return out, status, rounded


@compiled(nogil=True)
def _unsigned(data: NDArray[np.uint8], at: int, stop: int, digits: int, limit: int) -> tuple[int, int, bool]:
    """Value of digits and a point, in units of 10^-`digits`, its status, and whether it is rounded."""
    value, seen, kept, point = 0, 0, 0, False
    dropped, beyond = -1, False  # the first digit that is not kept, and whether any after it is not 0
    for i in range(at, stop):
        digit = int(data[i]) - _ZERO
        if digit == _POINT - _ZERO and not point:
            point = True
        elif digit < 0 or digit > 9:
            exponent = seen > 0 and (data[i] == _SMALL_E or data[i] == _LARGE_E)
            return 0, _UNUSUAL if exponent else _NO_NUMBER, False
        else:
            seen += 1
            if point and kept == digits:
                beyond = beyond or (dropped >= 0 and digit > 0)
                dropped = digit if dropped < 0 else dropped
            else:
                kept += 1 if point else 0
                value = min(value, limit + 1) * 10 + digit
    if value > limit:
        return 0, _ABSURD, False
    value *= 10 ** (digits - kept)
    value += 1 if dropped > 5 or (dropped == 5 and (beyond or value % 2 == 1)) else 0
    if seen == 0:
        return 0, _NO_NUMBER, False
    return (value, _OK, dropped > 0 or beyond) if value <= limit else (0, _ABSURD, False)
