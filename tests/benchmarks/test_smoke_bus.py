"""The benchmarks of bus and alerts run on tiny input, and what they check holds."""

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


def test_an_exchange_of_versions_loses_no_payment():
    command = [sys.executable, "-m", "benchmarks.upgrade", "--rounds", "1", "--payments", "160"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True, timeout=300
    )
    assert "decided once, as its caller was told: True" in done.stdout
    assert "a replay decides the same: True" in done.stdout


def test_every_message_arrives_although_the_followers_are_killed():
    command = [sys.executable, "-m", "benchmarks.alerts", "kills", "--kills", "3"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True, timeout=300
    )
    assert "each arrived: True" in done.stdout


def test_messages_arrive_when_their_destination_is_back():
    command = [sys.executable, "-m", "benchmarks.outage", "--messages", "40", "--seconds", "5"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=300
    )  # it may miss its bar on a busy machine
    assert "40 of 40 messages arrived" in done.stdout
