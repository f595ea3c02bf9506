"""A command that is told to end clears up to the end, however often it is told."""

import os
import signal
from contextlib import suppress

import pytest

from ringfence.cli.terminal.signals import sigterm_as_ctrl_c


@pytest.fixture(autouse=True)
def heeds_ctrl_c():
    """Where the suite runs in the background, SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_what_comes_while_it_clears_up_does_not_break_that_off(first):
    handlers = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]
    cleared = []
    with suppress(KeyboardInterrupt), sigterm_as_ctrl_c():
        try:
            os.kill(os.getpid(), first)
            pytest.fail("it goes on")
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleared.append("whole")
    assert cleared == ["whole"]
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)] == handlers


def test_a_second_ctrl_c_breaks_off_what_the_first_began():
    cleared = []
    with suppress(KeyboardInterrupt), sigterm_as_ctrl_c():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            cleared.append("whole")
    assert cleared == []
