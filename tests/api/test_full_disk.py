"""A disk that fills up under the whole server: clear errors, nothing acknowledged is lost, and it goes on."""

import pytest
from tests import sandbox

from benchmarks import full_disk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(sandbox.why_not()), reason=sandbox.why_not()),
]


def test_nothing_acknowledged_is_lost_and_callers_are_told():
    ran = full_disk.apart("--rounds", "1")
    assert ran.returncode == 0, ran.stdout
    assert "1 full disks" in ran.stdout
    assert "503 unavailable: the server cannot decide" in ran.stdout
