"""The benchmark of the sharded host's stages runs on tiny input, and both hosts decide the same."""

from __future__ import annotations

import pytest
from tests.benchmarks.test_smoke import run

pytestmark = pytest.mark.slow


def test_sharded_prints_shares_and_that_nothing_differs():
    printed = run("sharded", "--events", "2000", "--decisions", "3000")
    assert "PASS: 0 decisions differ from the embedded host's" in printed
    assert printed.count("of the embedded engine (at least") == 2
