"""Exponential, logarithm, sine, cosine and arc sine with the same bits on every machine.

Those of NumPy and of the C library take other ways on other processors and in other versions, and differ in
the last bit now and then. Here are only additions, multiplications, divisions and square roots, which IEEE
754 defines to the bit: an argument is brought near 0, and Taylor's series does the rest. Errors are below
four units in the last place.
"""

from __future__ import annotations

import math

import numpy as np

from ringfence.features.kernel.jit import inlined

# A constant as the sum of two: the first has so few bits that its small multiples are exact.
_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
_QUARTER_HIGH, _QUARTER_LOW = float.fromhex("0x1.921fb544p+0"), float.fromhex("0x1.0b4611a626331p-34")
_LOG2_E = float.fromhex("0x1.71547652b82fep+0")
_TWO_OVER_PI = float.fromhex("0x1.45f306dc9c883p-1")
_ROOT_HALF = float.fromhex("0x1.6a09e667f3bcdp-1")

_LARGEST = float.fromhex("0x1.62e42fefa39efp+9")  # beyond it the exponential is infinite
_SMALLEST = -745.2  # and below it 0
_NEAR = 0.2  # where twelve terms of the arc sine are enough

# Coefficients, the last one first.
_EXP = tuple(1.0 / math.factorial(n) for n in range(13, -1, -1))
_SIN = tuple((-1.0) ** n / math.factorial(2 * n + 1) for n in range(8, -1, -1))
_COS = tuple((-1.0) ** n / math.factorial(2 * n) for n in range(9, -1, -1))
_ASIN = tuple(math.comb(2 * n, n) / (4.0**n * (2 * n + 1)) for n in range(11, -1, -1))
_ATANH = tuple(1.0 / (2 * n + 1) for n in range(11, -1, -1))


@inlined
def exp(x: float) -> float:
    """E to the power of x; NaN for NaN."""
    if x > _LARGEST:
        return math.inf
    if x < _SMALLEST:
        return 0.0
    if x != x:
        return x
    whole = np.rint(x * _LOG2_E)
    rest = (x - whole * _LN2_HIGH) - whole * _LN2_LOW
    value = 0.0
    for coefficient in _EXP:
        value = value * rest + coefficient
    return math.ldexp(value, int(whole))


@inlined
def log(x: float) -> float:
    """The natural logarithm of a finite x > 0."""
    part, power = math.frexp(x)
    if part < _ROOT_HALF:
        part, power = part * 2.0, power - 1
    ratio = (part - 1.0) / (part + 1.0)
    square = ratio * ratio
    value = 0.0
    for coefficient in _ATANH:
        value = value * square + coefficient
    return power * _LN2_HIGH + (2.0 * ratio * value + power * _LN2_LOW)


@inlined
def sin(x: float) -> float:
    """The sine of |x| <= 2 pi."""
    turns = np.rint(x * _TWO_OVER_PI)
    return _wave((x - turns * _QUARTER_HIGH) - turns * _QUARTER_LOW, int(turns))


@inlined
def cos(x: float) -> float:
    """The cosine of |x| <= 2 pi."""
    turns = np.rint(x * _TWO_OVER_PI)
    return _wave((x - turns * _QUARTER_HIGH) - turns * _QUARTER_LOW, int(turns) + 1)


@inlined
def _wave(x: float, quarters: int) -> float:
    """The sine of x and so many right angles, for |x| <= pi / 4."""
    square, value = x * x, 0.0
    if quarters & 1:
        for coefficient in _COS:
            value = value * square + coefficient
    else:
        for coefficient in _SIN:
            value = value * square + coefficient
        value *= x
    return -value if quarters & 2 else value


@inlined
def asin(x: float) -> float:
    """The arc sine of 0 <= x <= 1."""
    times = 1.0
    while x > _NEAR:  # half the angle
        x /= math.sqrt(2.0 + 2.0 * math.sqrt((1.0 - x) * (1.0 + x)))
        times *= 2.0
    square, value = x * x, 0.0
    for coefficient in _ASIN:
        value = value * square + coefficient
    return times * x * value
