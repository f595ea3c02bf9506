"""The benchmark of a wide table runs on tiny input and prints its figures."""

from __future__ import annotations

import numpy as np
import pyarrow.csv as csv
import pytest
from benchmarks.masked_world import exported
from benchmarks.wide_world import FRAUD_SHARE, invented
from tests.benchmarks.test_smoke import run

from ringfence.adapters.drafts import draft_mapping


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
    printed = run("wide", "--payments", "2500", "--columns", "16", "--rounds", "2")
    for row in ("raw columns", "+ windows", "+ label rates", "+ the mean of five", "plain LightGBM"):
        assert row in printed
    assert "peak memory" in printed


def test_the_masked_export_is_the_same_by_seed_and_drafts_as_payments(tmp_path):
    table = exported(4000, seed=3)
    assert table.equals(exported(4000, seed=3))
    assert 0.02 < np.mean(table["isFraud"].to_numpy()) < 0.05
    csv.write_csv(table, tmp_path / "masked.csv")
    drafted = draft_mapping(str(tmp_path / "masked.csv"), "masked", now_ms=1_785_000_000_000, answers={})
    assert 'card_id = "card1"' in drafted.text
    assert 'format = "epoch_s"' in drafted.text
    assert not drafted.refused
