"""Exact sums and sums of squares in pairs of int64 words, and the statistics made of them.

A sum is high * 2^32 + low, both words simply added to: what went in comes out again exactly, in any order. A
sum of squares is high * 2^62 + low with 0 <= low < 2^62. Values are at most 2^54 in size (10^13 major units
in thousandths), so that a sum holds 2^31 values and a sum of squares 2^17 of the very largest, or 2^31 of up
to 2^47.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ringfence.features.kernel.jit import inlined, kernel

if TYPE_CHECKING:
    from ringfence.features.kernel.layout import Words

_LOW27 = (1 << 27) - 1
_LOW32 = (1 << 32) - 1
_LOW35 = (1 << 35) - 1
_LOW62 = (1 << 62) - 1


@inlined
def square(x: int) -> tuple[int, int]:
    """(high, low) of x * x in base 2^62, for |x| <= 2^54."""
    size = abs(x)
    if size < 1 << 31:
        return 0, size * size
    high, low = size >> 27, size & _LOW27
    middle = 2 * high * low
    top = high * high
    words = low * low + ((middle & _LOW35) << 27)
    carry = (middle >> 35) + (top >> 8) + (words >> 62)
    words = (words & _LOW62) + ((top & 255) << 54)
    return carry + (words >> 62), words & _LOW62


@inlined
def count_value(cells: Words, at: int, x: int, squared: bool, sign: int) -> None:
    """Count x into n, sum and, if asked, squares at `at`; with sign -1 take it out again."""
    cells[at] += sign
    cells[at + 1] += sign * (x >> 32)
    cells[at + 2] += sign * (x & _LOW32)
    if squared:
        high, low = square(x)
        words = cells[at + 4] + sign * low
        cells[at + 3] += sign * high + (words >> 62)
        cells[at + 4] = words & _LOW62


@inlined
def total(high: int, low: int) -> float:
    """A sum as the nearest float."""
    if -(1 << 29) < high < 1 << 29:
        return float((high << 32) + low)
    return float(high) * 4294967296.0 + float(low)


@inlined
def above_mean(x: int, n: int, high: int, low: int) -> float:
    """The value minus the mean, subtracted exactly: nothing cancels among large close values."""
    return total(n * (x >> 32) - high, n * (x & _LOW32) - low) / n


@inlined
def fits_one_word(n: int, squares: int) -> bool:
    """Whether n Q, and with it all that `deviation_in_one_word` computes, fits a word."""
    return float(n) * float(squares) < 4.0e18


@inlined
def deviation_in_one_word(n: int, whole: int, squares: int) -> float:
    """Sample standard deviation of n >= 2 values from n Q - S^2, where n Q fits a word."""
    return math.sqrt(float(n * squares - whole * whole) / (float(n) * float(n - 1)))


@inlined
def standard_deviation(n: int, high: int, low: int, squares_high: int, squares_low: int) -> float:
    """Sample standard deviation of n >= 2 values from their sums.

    Small sums give n Q - S^2 in one word. Otherwise, with S = q n + r, the sum of squared deviations is
    Q - q (S + r) - r^2 / n,  in which all but the last step is exact.
    """
    if squares_high == 0:
        whole = (high << 32) + low
        if fits_one_word(n, squares_low):
            return deviation_in_one_word(n, whole, squares_low)
        q = whole // n
        r = whole - q * n
        rest = squares_low - q * (whole + r)
        if rest < 1 << 31:
            deviations = float(rest * n - r * r) / n
        else:
            deviations = float(rest) - float(r * r) / n
    else:
        deviations = _large_deviations(n, high, low, squares_high, squares_low)
    return math.sqrt(max(deviations, 0.0) / (n - 1))


@kernel
def _large_deviations(n: int, high: int, low: int, squares_high: int, squares_low: int) -> float:
    q_high = high // n
    rest = ((high - q_high * n) << 32) + low
    q_low = rest // n
    r = rest - q_low * n
    q = (q_high << 32) + q_low
    m_low = low + r
    m_high = high + (m_low >> 32)
    m_low &= _LOW32
    if not -(1 << 35) < m_high < 1 << 35:  # over 10^17 major units in one window
        mean = total(high, low) / n
        return float(squares_high) * float(1 << 62) + float(squares_low) - mean * mean * n
    p_high, p_low = _add_shifted(0, 0, (q & _LOW27) * m_low, 0)
    p_high, p_low = _add_shifted(p_high, p_low, (q >> 27) * m_low, 27)
    p_high, p_low = _add_shifted(p_high, p_low, (q & _LOW27) * m_high, 32)
    p_high, p_low = _add_shifted(p_high, p_low, (q >> 27) * m_high, 59)
    words = squares_low - p_low
    d_high = squares_high - p_high + (words >> 62)
    d_low = words & _LOW62
    if d_high == 0 and d_low < 1 << 31:
        return float(d_low * n - r * r) / n
    return float(d_high) * float(1 << 62) + float(d_low) - float(r * r) / n


@kernel
def _add_shifted(high: int, low: int, term: int, shift: int) -> tuple[int, int]:
    """(high, low) in base 2^62 plus term * 2^shift."""
    kept = 62 - shift
    words = low + ((term & ((1 << kept) - 1)) << shift)
    return high + (term >> kept) + (words >> 62), words & _LOW62
