"""Spans, waits, lags and the roll: what the pump goes by."""

from contextlib import closing
from itertools import pairwise
from random import Random
from time import sleep

import pytest

from ringfence.adapters.sqlite.roll import SqliteRoll
from ringfence.errors import InputError, StoreError
from ringfence.follow import DeclaredFollower, Pump, declare
from ringfence.follow.backoff import LONGEST_SECONDS, wait_seconds
from ringfence.follow.history import check_history
from ringfence.follow.lag import Lag, Lags
from ringfence.follow.pump import advance
from ringfence.store import FOLLOWERS
from ringfence.testing.exams.event_log import batch
from ringfence.testing.memory.event_log import MemoryLog
from ringfence.testing.memory.target import MemoryFollower, MemoryRoll, MemoryTarget


def test_a_target_of_another_log_is_refused_with_the_remedy():
    target = MemoryTarget(positions={"events": 100})
    log = MemoryLog()
    log.append([batch(0, 3)])
    with pytest.raises(StoreError, match="followers rebuild memory"):
        advance(log, MemoryFollower(target), "events")


def test_one_that_keeps_nothing_is_told_and_not_asked_for_ever():
    class Idle(MemoryFollower):
        def take(self, topic, batches):
            pass

    log = MemoryLog()
    log.append([batch(0, 3)])
    with pytest.raises(StoreError, match="kept nothing"):
        advance(log, Idle(MemoryTarget()), "events")


def test_a_portion_is_whole_batches_up_to_the_most():
    log = MemoryLog()
    for base in range(0, 30, 4):
        log.append([batch(base, 4)])
    target = MemoryTarget()
    assert advance(log, MemoryFollower(target, most=10), "events")
    assert target.positions == {"events": 12}


def test_waits_grow_to_a_minute_and_are_spread():
    waits = [[wait_seconds(n, Random(seed)) for seed in range(50)] for n in range(1, 12)]
    for sooner, later in pairwise(waits):
        assert max(later) >= max(sooner) * 0.9
    assert all(LONGEST_SECONDS / 2 <= one <= LONGEST_SECONDS for one in waits[-1])
    assert len(set(waits[-1])) == 50


def test_a_lag_in_seconds_counts_from_when_there_was_enough():
    """10            20            25
    log end ────●─────────────●─────────────●────
    position 0, and it waits for 15 records"""
    lags = Lags()
    for now, end in ((100.0, 10), (101.0, 20), (102.0, 20), (109.0, 25)):
        lags.note(now, {"events": end})
    waiting = DeclaredFollower("lake", least=15, positions={"events": 0})
    assert lags.of(waiting, 110.0) == [Lag("events", 25, 9.0)]
    assert lags.of(DeclaredFollower("lake", least=15, positions={"events": 12}), 110.0) == [
        Lag("events", 13, 0.0)
    ]


@pytest.fixture(params=["memory", "sqlite"])
def roll(request, tmp_path):
    if request.param == "memory":
        yield MemoryRoll()
        return
    with closing(SqliteRoll(tmp_path)) as opened:
        yield opened


def test_a_roll_keeps_wishes_and_reports_apart(roll):
    roll.declare("lake", ("events", "decisions"), 100)
    roll.report("lake", {"events": 7, "decisions": 5}, 1000)
    roll.pause("lake")
    roll.rebuild("lake")
    roll.declare("lake", ("events", "decisions"), 200)  # at the next start
    assert roll.entry("lake") == DeclaredFollower(
        "lake", 200, {"events": 7, "decisions": 5}, paused=True, rebuild=True, heard_ms=1000
    )
    roll.report_failure("lake", "no room", 2000)
    roll.report_failure("lake", "no room", 3000)
    told = roll.entry("lake")
    assert (told.failures, told.failing, told.problem, told.heard_ms) == (2, 2, "no room", 3000)
    roll.resume("lake")
    roll.rebuilt("lake")
    assert roll.entry("lake").positions == {"events": 0, "decisions": 0}  # also if it is killed right now
    roll.report("lake", {"events": 8, "decisions": 5}, 4000)
    assert roll.entry("lake") == DeclaredFollower(
        "lake", 200, {"events": 8, "decisions": 5}, failures=2, heard_ms=4000
    )
    roll.declare("index", ("decisions",), 1)
    assert [one.name for one in roll.entries()] == ["index", "lake"]
    for wish in (roll.pause, roll.resume, roll.rebuild):
        with pytest.raises(InputError, match="no follower 'ledger': index, lake"):
            wish("ledger")


def test_a_target_of_a_time_that_a_restore_has_lost_proves_nothing_until_it_is_made_again(roll):
    log = MemoryLog()
    log.append([batch(0, 10)])
    target, other = MemoryTarget(positions={"events": 8}), MemoryTarget(positions={"events": 4})
    ahead, behind = MemoryFollower(target, name="ahead"), MemoryFollower(other, name="behind")
    check_history(roll, ahead)  # nothing was restored
    roll.restored({"events": 5})
    for _ in range(2):
        with pytest.raises(StoreError, match=r"offset 8, and this log was restored to 5: .*rebuild ahead"):
            check_history(roll, ahead)
    check_history(roll, behind)
    assert advance(log, behind, "events")
    assert behind.positions()["events"] == 10
    check_history(roll, behind)
    ahead.reset()
    check_history(roll, ahead)
    assert roll.unproven("ahead") is None


def test_a_pump_gives_nothing_to_a_follower_of_a_time_that_was_lost(roll):
    log, target = MemoryLog(), MemoryTarget(positions={"events": 8, "decisions": 0})
    log.append([batch(0, 10)])
    follower = MemoryFollower(target)
    declare(log, roll, [follower])
    roll.restored({"events": 5})
    pump = Pump(log, roll, [follower], lambda: 7, Random(1), lambda *_: 0.01)
    pump.start()
    try:
        until(lambda: roll.entry("memory").failures >= 3)
        assert target.positions["events"] == 8
        roll.rebuild("memory")
        until(lambda: target.positions.get("events") == 10)
    finally:
        pump.stop()


def until(is_so):
    """For a minute at most."""
    for _ in range(6000):
        if is_so():
            return
        sleep(0.01)
    raise AssertionError("it never came to that")


def test_a_damaged_roll_is_begun_anew(tmp_path):
    """All that is lost are wishes: a start declares every follower again."""
    (tmp_path / FOLLOWERS).write_bytes(b"no database at all " * 100)
    with closing(SqliteRoll(tmp_path)) as roll:
        assert roll.entries() == []
