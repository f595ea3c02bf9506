"""The benchmark of the bus runs on tiny input, and both ways agree."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_patterns_agree_in_columns_and_one_by_one():
    command = [sys.executable, "-m", "benchmarks.bus", "--events", "300", "--subscriptions", "10"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True, timeout=300
    )
    assert "values agree: True" in done.stdout
