"""What the benchmarks of the job show: nothing is lost, nothing decided twice, decisions come soon."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ringfence.adapters.flink.parts import flink_parts
from ringfence.errors import InputError

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


def printed(*command):
    """What a benchmark prints."""
    try:
        flink_parts()
    except InputError as error:
        if os.environ.get("RINGFENCE_ALL_PARTS"):
            pytest.fail(f"no Flink: {error}")
        pytest.skip(f"no Flink: {error}")
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=1500
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "asked",
    [
        ["--kinds", "rules,broker,checkpoint,upgrade", "--customers", "150", "--days", "4"],
        ["--kinds", "partition,rules", "--customers", "60", "--days", "3", "--longest-cut", "12"],
        ["--kinds", "split,rules", "--customers", "60", "--days", "3", "--longest-cut", "16"],
    ],
)
def test_faults_and_changes_leave_no_trace_in_what_is_decided(asked):
    """Rules change at work; broker and checkpoints fail; a model, 2 workers; networks that are cut."""
    said = printed("benchmarks.flink_faults", *asked)
    found = re.search(r"PASS: .*: ([\d,]+) of ([\d,]+) decisions equal", said)
    assert found, said
    assert found[1] == found[2] != "0"


def test_the_benchmark_of_the_latency_ends_with_a_figure():
    said = printed("benchmarks.flink", "--rate", "200", "--seconds", "4")
    assert re.search(r"(PASS|FAIL): p50 \d+ ms, p99 \d+ ms", said), said
