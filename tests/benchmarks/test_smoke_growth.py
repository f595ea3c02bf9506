"""The benchmark of growth runs on tiny input and prints its figures."""

from __future__ import annotations

import pytest
from tests.benchmarks.test_smoke import run

pytestmark = pytest.mark.slow


def test_growth_prints_the_longest_steps():
    printed = run("growth", "--events", "2000", "--rows", "8")
    assert "2,000 payments in steps of 8" in printed
    assert "longest" in printed
