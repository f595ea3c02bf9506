"""Every benchmark runs on tiny input, prints its figures, and finds that all who compete agree on values."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.contestants import STATISTICS
from benchmarks.contestants.__main__ import agreement

from benchmarks import kernel, workload
from ringfence.events.batch import EventBatch
from ringfence.features.engine import Engine
from ringfence.testing.oracle import measure

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="the C kernels need gcc")


def run(module, *options, timeout=600):
    """Standard output of a benchmark that must succeed."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout


def crowded(work, keys):
    """The same payments by few enough keys that every window holds several."""
    ids = {name: column % keys for name, column in work.ids.items()}
    return workload.Workload(work.time_ms, work.amount_minor, ids, work.lat, work.lon)


def sparse_r1():
    """A few hundred payments spread over all sixty days."""
    return workload.r1(600, days=60 * workload.R1_EVENTS / 600)


@needs_gcc
@pytest.mark.parametrize(
    ("name", "prefetch", "make", "spec", "columns"),
    [
        ("r1", False, sparse_r1, workload.r1_spec(), kernel.r1_columns),
        ("r1", True, sparse_r1, workload.r1_spec(), kernel.r1_columns),
        ("r2", False, lambda: workload.r2(300), workload.r2_spec(), kernel.r2_columns),
    ],
)
def test_a_c_kernel_computes_what_the_definitions_say(name, prefetch, make, spec, columns):
    """A yardstick that cheats is none: the kernels stand the test of the brute-force oracle too."""
    work = crowded(make(), keys=7)
    with kernel.Kernel(name, len(spec.features), prefetch=prefetch) as state:
        found = np.concatenate([state.push(batch) for batch in columns(work, 100)], axis=1)
    expected = measure(EventBatch.concat(list(work.batches())), spec)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9, equal_nan=True)


@needs_gcc
def test_the_engine_and_the_c_kernels_agree_and_their_rates_are_printed():
    printed = run("engine", "--events", "8000", "--rounds", "1")
    assert printed.count("values equal within 1e-12") == 2
    assert re.search(r"engine, integers in +│ +[\d,]+ │", printed)
    assert "bytes in use per event" in printed
    assert "R3: everything retained" in printed


def test_the_contestants_that_are_installed_agree_with_the_engine_and_the_others_are_named():
    printed = run(
        "contestants",
        "--events",
        "2000",
        "--rounds",
        "1",
        "--only",
        "duckdb_windows",
        "plain_python",
        "csp_graph",
    )
    rows = {line.split()[1]: line for line in printed.splitlines() if line.startswith("│")}
    assert "equal" in rows["duckdb_windows"]
    assert "equal" in rows["plain_python"]
    assert "equal" in rows["csp_graph"] or "No module named" in rows["csp_graph"]


@pytest.mark.parametrize("statistic", range(len(STATISTICS)))
def test_a_value_that_differs_is_noticed(statistic):
    work = crowded(workload.r1(50), keys=7)
    ours = Engine(workload.r1_spec()).measure(next(work.batches()))
    theirs = ours * np.tile([1.0, 100.0, 100.0, 100.0], 8)[:, None]
    assert agreement(ours, theirs) == "equal"
    theirs[statistic + 4, np.flatnonzero(~np.isnan(theirs[statistic + 4]))[-1]] += 1.0
    assert STATISTICS[statistic] in agreement(ours, theirs)


def test_the_pause_of_a_snapshot_and_its_restore_are_printed():
    printed = run("snapshots", "--events", "600000", "--rounds", "1")
    assert re.search(r"the call: decisions wait +│ +[\d.,]+ │", printed)
    assert re.search(r"restore +│ +[\d.,]+ │", printed)


def test_a_file_becomes_decisions_and_each_stage_has_its_time():
    printed = run("spine", "--events", "3000", "--rounds", "1")
    assert printed.count("3,000 transactions") == 2
    for stage in ("read", "admit", "measure", "judge", "decide", "encode", "commit"):
        assert len(re.findall(rf"│ {stage} +│ +[\d.]+ │", printed)) == 2


def test_a_step_of_the_api_is_taken_apart():
    printed = run("api_step", "--steps", "3")
    for size in ("1", "8", "32"):
        figures = next(row for row in printed.splitlines() if re.match(rf"\W+{size} \W", row))
        assert len(re.findall(r"[0-9][0-9,]*", figures)) == 8
