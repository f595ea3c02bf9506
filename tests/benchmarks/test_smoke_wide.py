"""The benchmark of a wide table runs on tiny input and prints its figures."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.wide_world import FRAUD_SHARE, invented
from tests.benchmarks.test_smoke import run


def test_the_wide_world_is_the_same_by_seed_and_has_its_habits():
    table = invented(6000, 40, seed=3)
    assert table.equals(invented(6000, 40, seed=3))
    assert table.num_columns == 40
    assert np.mean(table["is_fraud"]) == pytest.approx(FRAUD_SHARE, abs=0.012)
    missing = [table[name].null_count / len(table) for name in table.column_names]
    assert sum(share > 0.4 for share in missing) > 10
    assert np.all(np.diff(table["paid_at"].cast("int64")) >= 0)


@pytest.mark.slow
def test_the_ablation_prints_a_row_for_each_addition():
    printed = run("wide", "--rows", "2500", "--columns", "16", "--rounds", "2", "--budget", "5")
    for row in (
        "raw columns",
        "+ windows",
        "+ label rates",
        "+ label rates of pairs",
        "+ the mean of five",
        "ringfence train",
        "plain LightGBM",
    ):
        assert row in printed
    assert "peak memory" in printed
