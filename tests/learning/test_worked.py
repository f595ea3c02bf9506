"""Seconds worked, which a budget counts."""

import time

from ringfence.learning.worked import Worked


def test_seconds_worked_are_no_more_than_the_clock_s_and_no_fewer_than_a_third():
    worked, begin = Worked(), time.monotonic()
    time.sleep(0.3)  # as on a machine that is busy with something else
    idle = worked()
    assert idle <= time.monotonic() - begin
    assert idle >= 0.1
    before, start = worked(), time.process_time()
    while time.process_time() - start < 0.5:
        sum(range(1000))
    assert (
        worked() - before > 0.04
    )  # of a core's half second, with up to four cores, less what was lent above
    assert worked() <= time.monotonic() - begin
