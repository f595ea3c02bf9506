from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest

from ringfence.scoring.forest.quadrature import gauss


@pytest.mark.parametrize("count", [*range(1, 33), 64])
def test_it_integrates_every_power_up_to_its_degree(count: int) -> None:
    points, weights = ([Fraction(value) for value in values] for values in gauss(count))
    exact = [Fraction(1, power + 1) for power in range(2 * count)]
    found = [sum(w * p**power for p, w in zip(points, weights, strict=True)) for power in range(2 * count)]
    assert max(abs(float(a / b) - 1) for a, b in zip(found, exact, strict=True)) < 2e-14


@pytest.mark.parametrize("count", [1, 2, 7, 32])
def test_it_is_what_numpy_has_to_within_rounding(count: int) -> None:
    at, weight = np.polynomial.legendre.leggauss(count)
    points, weights = gauss(count)
    np.testing.assert_allclose(points, (at + 1) / 2, rtol=0, atol=1e-15)
    np.testing.assert_allclose(weights, weight / 2, rtol=1e-13)


def test_two_points_are_those_of_the_formula() -> None:
    assert gauss(2) == ((0.21132486540518712, 0.7886751345948129), (0.5, 0.5))


def test_its_bits_are_the_same_everywhere() -> None:
    drawn = hashlib.sha256()
    for count in range(1, 65):
        for values in gauss(count):
            drawn.update(np.array(values, "<f8").tobytes())
    assert drawn.hexdigest() == "3c6bc842cb00f7973f68703f5f32c74a5f0215d37df62cbb71ccbb7527b78b6d"
