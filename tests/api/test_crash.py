"""kill -9 under load: what was answered is there, once, and as a clean run would have it."""

import pytest
from benchmarks.serving import ALONE, Process
from tests.api.conftest import payment
from tests.waiting import until

from benchmarks import crash
from ringfence.client import Client

pytestmark = pytest.mark.slow


def test_every_acknowledged_decision_survives_a_kill_and_a_replay_makes_the_same_ones(tmp_path):
    """Before the second start a file that is made from the log is damaged."""
    told = [
        crash.attempt(tmp_path, seed=1, name=f"r{number}", count=160, damaged=number == 1)
        for number in range(2)
    ]
    assert sum(told) > 0
    assert crash.assert_equal_to_a_replay(tmp_path) == 320


def test_a_stopped_server_finishes_what_it_accepted_and_keeps_a_snapshot(tmp_path):
    process = Process(tmp_path, **ALONE)
    caller = crash.Caller(process.url, [payment(f"t{n}") for n in range(200)])
    caller.start()
    until(lambda: len(caller.told) >= 20)  # of 200
    assert process.end() == 0
    caller.join()
    assert list((tmp_path / "snapshots").glob("snapshot-*.bin"))
    process = Process(tmp_path, **ALONE)
    with Client(process.url) as client:
        assert {name: client.decision(name)["decision"] for name in caller.told} == caller.told
    process.end()
