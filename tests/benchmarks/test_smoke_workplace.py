"""The benchmark of the workplace runs on a small store, and every page of it answers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def test_each_page_is_timed_against_its_bar():
    command = [sys.executable, "-m", "benchmarks.workplace", "--customers", "20", "--cases", "120"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    for page in ("case of 500 payments", "next case", "queue, closed", "home, manager", "figures: trend"):
        assert re.search(rf"{page}\s*│\s*\d+\s*│\s*\d+\s*│\s*\d+\s*│\s*(PASS|FAIL)", done.stdout), page


def test_cases_that_an_analyst_closes_reach_the_model_that_is_trained_after():
    """The figures are those of `python -m benchmarks.analyst`, over twenty days."""
    command = [sys.executable, "-m", "benchmarks.analyst", "--quick", "--customers", "200", "--worked", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    told = re.search(r"([0-9,]+) cases of 2 days closed, ([0-9,]+) labels", done.stdout)
    assert told is not None, done.stdout
    assert 0 < int(told[1].replace(",", "")) <= int(told[2].replace(",", ""))
    assert len(re.findall(r"with(?:out)?\s*│\s*[0-9,]+\s*│\s*[0-9,]+\s*│\s*0\.[0-9]{3}", done.stdout)) == 2
