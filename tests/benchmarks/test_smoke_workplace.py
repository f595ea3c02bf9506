"""The benchmark of the workplace runs on a small store, and every page of it answers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def test_each_page_is_timed_against_its_bar():
    command = [sys.executable, "-m", "benchmarks.workplace", "--customers", "40", "--cases", "300"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    for page in ("case of 500 payments", "next case", "queue, closed", "home, manager", "figures: trend"):
        assert re.search(rf"{page}\s*│\s*\d+\s*│\s*\d+\s*│\s*\d+\s*│\s*(PASS|FAIL)", done.stdout), page
