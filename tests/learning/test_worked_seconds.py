"""Seconds worked, which a budget counts."""

from types import SimpleNamespace

import pytest

from ringfence.learning.algorithms import worked_seconds


@pytest.fixture
def machine(monkeypatch):
    """What tells the time there, in seconds, moved by the test."""
    now = SimpleNamespace(wall=100.0, processor=7.0, cores=2)
    clocks = SimpleNamespace(monotonic=lambda: now.wall, process_time=lambda: now.processor)
    system = SimpleNamespace(sched_getaffinity=lambda _: set(range(now.cores)))
    monkeypatch.setattr(worked_seconds, "time", clocks)
    monkeypatch.setattr(worked_seconds, "os", system)
    return now


@pytest.mark.parametrize(
    ("wall", "processor", "counted"),
    [
        (0.0, 0.0, 0.0),
        (6.0, 12.0, 6.0),  # both cores were ours
        (6.0, 8.0, 4.0),  # two thirds of them
        (6.0, 0.0, 2.0),  # the machine was busy with something else: never less than a third
        (6.0, 13.0, 6.0),  # never more than the clock's, however the two are rounded
    ],
)
def test_seconds_worked_are_the_processor_s_within_a_third_and_all_of_the_clock_s(
    machine, wall, processor, counted
):
    since = worked_seconds.Worked()
    machine.wall += wall
    machine.processor += processor
    assert since() == counted


def test_no_more_than_four_cores_count(machine):
    machine.cores = 64
    since = worked_seconds.Worked()
    machine.wall += 6.0
    machine.processor += 16.0
    assert since() == 4.0
