"""Gauss's quadrature on [0, 1], with the same bits on every machine.

NumPy's `leggauss` asks LAPACK for eigenvalues, whose last bits differ between versions and processors. A
server and a Flink worker have different ones, and their decisions must not differ.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache

_DIGITS = 60
_NEAR = Decimal(10) ** -50
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")


@cache
def gauss(count: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """`count` points in ascending order and their weights: exact for polynomials of degree `2 * count - 1`.

    The points are the roots of Legendre's polynomial, by Newton's method with 60 digits, rounded once.
    """
    with localcontext() as context:
        context.prec = _DIGITS
        pairs = [_point(count, _start(count, row)) for row in range(count)]
        pairs.sort()
        return tuple(float(point) for point, _ in pairs), tuple(float(weight) for _, weight in pairs)


def _start(count: int, row: int) -> Decimal:
    """Near the root that `row` counts from the right: cos(pi (row + 3/4) / (count + 1/2)), by its series."""
    angle = _PI * (4 * row + 3) / (4 * count + 2)
    total, term, index = Decimal(0), Decimal(1), 0
    while abs(term) > _NEAR:
        total += term
        index += 2
        term *= -angle * angle / (index * (index - 1))
    return total


def _point(count: int, root: Decimal) -> tuple[Decimal, Decimal]:
    """The root of Legendre's polynomial at `root`, moved from [-1, 1] to [0, 1], and its weight there."""
    while True:
        value, slope = _legendre(count, root)
        step = value / slope
        root -= step
        if abs(step) < _NEAR:
            _, slope = _legendre(count, root)
            return (root + 1) / 2, 1 / ((1 - root * root) * slope * slope)


def _legendre(count: int, at: Decimal) -> tuple[Decimal, Decimal]:
    """Legendre's polynomial of degree `count` and its slope, by Bonnet's recursion."""
    before, value = Decimal(1), at
    for degree in range(1, count):
        before, value = value, ((2 * degree + 1) * at * value - degree * before) / (degree + 1)
    return value, count * (at * value - before) / (at * at - 1)
