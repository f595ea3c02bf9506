"""Kill and a full disk: what was acknowledged stays, what was not is there whole or not at all."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from ringfence.adapters.sqlite import SqliteLog
from ringfence.errors import StoreFullError
from ringfence.testing.exams.event_log import batch

WRITER = """
import os, random, sys
from pathlib import Path
from ringfence.adapters.sqlite import SqliteLog
from ringfence.ports import LogBatch

log = SqliteLog(Path(sys.argv[1]))
chance = random.Random(int(sys.argv[2]))
while True:
    base = log.end_offset("events")
    count = chance.randint(1, 9)
    content = f"{base}+{count};".encode() * chance.choice([1, 10, 20_000])
    log.append([LogBatch(topic, base, count, 0, 0, content) for topic in ("events", "decisions")])
    os.write(1, f"{base + count}\\n".encode())
"""


def _run_and_kill(path, seed):
    """The last offset that a writer acknowledged before it was killed at a moment that the seed decides."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(seed)], stdout=subprocess.PIPE)
    first = writer.stdout.readline()
    time.sleep(random.Random(seed).uniform(0, 0.05))
    os.kill(writer.pid, signal.SIGKILL)
    said = first + writer.stdout.read()
    writer.stdout.close()
    writer.wait()
    return int(said.split(b"\n")[:-1][-1])  # a torn last line acknowledges nothing


@pytest.mark.slow
def test_kill_at_any_moment_loses_nothing_halves_nothing_doubles_nothing(tmp_path):
    path = tmp_path / "data" / "ringfence.db"
    for seed in range(20):
        acknowledged = _run_and_kill(path, seed)
        log = SqliteLog(path)
        assert log.end_offset("events") >= acknowledged
        assert log.end_offset("decisions") == log.end_offset("events")
        expected = 0
        for event, decision in zip(log.read("events"), log.read("decisions"), strict=True):
            mark = f"{event.base_offset}+{event.count};".encode()
            assert event.base_offset == expected
            assert event.payload == decision.payload == mark * (len(event.payload) // len(mark))
            expected = event.next_offset
        assert expected == log.end_offset("events")
        log.close()


def test_a_full_disk_is_an_error_that_loses_nothing_and_passes(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(3_000_000))
    log = SqliteLog(small_disk / "data" / "ringfence.db")
    written = []

    def fill():
        for base in range(1000):
            one = batch(base, payload=os.urandom(50_000))
            log.append([one, batch(base, topic="decisions")])
            written.append(one)

    with pytest.raises(StoreFullError, match="what was acknowledged is safe"):
        fill()
    assert len(written) > 10
    assert list(log.read("events")) == written
    assert log.end_offset("decisions") == len(written)
    ballast.unlink()
    log.append([batch(len(written)), batch(len(written), topic="decisions")])
    log.close()
    log = SqliteLog(small_disk / "data" / "ringfence.db")
    assert list(log.read("events"))[:-1] == written
    assert log.end_offset("decisions") == log.end_offset("events") == len(written) + 1
    log.close()


def test_a_disk_that_is_full_before_the_store_exists_is_the_same_error(small_disk):
    with pytest.raises(OSError, match="No space"):
        (small_disk / "ballast").write_bytes(bytes(8_000_000))
    with pytest.raises(StoreFullError, match="free space"):
        SqliteLog(small_disk / "data" / "ringfence.db")
    (small_disk / "ballast").unlink()
    SqliteLog(small_disk / "data" / "ringfence.db").close()
