"""The benchmark of small engines and moving keys runs on tiny input; small engines are small."""

from __future__ import annotations

import pytest
from tests.benchmarks.test_smoke import run


@pytest.fixture(scope="module")
def printed():
    return run("cells", "--events", "3000")


def test_cells_prints_what_a_move_costs(printed):
    assert "1,000 in a cell" in printed
    assert "one by one" in printed


def test_many_engines_fit_in_a_hundred_megabytes(printed):
    """By the memory that they reserve, and by what the system has given them after a payment in each."""
    table = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines()]
    engines = {row[0]: row for row in table if len(row) == 5 and " of " in row[0]}
    assert engines.keys() == {"50 of 8", "19 of 1"}
    for _, size, _, _, resident in engines.values():
        assert 256 * int(size.replace(",", "")) < 100_000_000
        assert float(resident) * (1 << 20) < 100_000_000
