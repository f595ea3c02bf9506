"""Snapshots come back as they were, and a damaged one is never taken for a sound one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ringfence.adapters.snapshots import Finished, Snapshots
from ringfence.errors import StoreError, StoreFullError


def arrays(seed=0, size=1000):
    chance = np.random.default_rng(seed)
    return {
        "times": chance.integers(-(2**63), 2**63 - 1, size),
        "sums": chance.normal(size=(size, 3)),
        "marks": chance.integers(0, 2, size).astype(bool),
        "empty": np.empty((0, 4), np.uint16),
        "single": np.array(7, np.uint8),
    }


def assert_equal(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.fixture
def snapshots(tmp_path):
    return Snapshots(tmp_path / "snapshots")


def saved(offset):
    return Finished(offset, None)


def newest(tmp_path):
    return max((tmp_path / "snapshots").glob("*.bin"))


def test_a_snapshot_comes_back_as_it_was_saved(snapshots):
    assert snapshots.load_latest() == (None, [])
    snapshots.save(arrays(), {"spec": "d1", "rows": [1, 2]}, 77)
    found, damaged = snapshots.load_latest()
    assert (found.offset, found.header, damaged) == (77, {"spec": "d1", "rows": [1, 2]}, [])
    assert_equal(found.arrays, arrays())


def test_restored_arrays_belong_to_the_caller(snapshots):
    snapshots.save(arrays(), {}, 1)
    found, _ = snapshots.load_latest()
    found.arrays["times"][:] = 0
    assert found.arrays["times"].flags.c_contiguous
    again, _ = snapshots.load_latest()
    assert_equal(again.arrays, arrays())


def test_arrays_need_not_be_contiguous(snapshots):
    snapshots.save({"part": np.arange(20).reshape(4, 5)[:, ::2]}, {}, 1)
    found, _ = snapshots.load_latest()
    np.testing.assert_array_equal(found.arrays["part"], np.arange(20).reshape(4, 5)[:, ::2])


def test_objects_are_refused(snapshots):
    with pytest.raises(TypeError, match="plain numbers"):
        snapshots.save({"words": np.array(["a", None], object)}, {}, 1)


def test_the_newest_three_stay(snapshots):
    for offset in (5, 10, 9_999_999_999, 20):
        snapshots.save(arrays(offset), {}, offset)
    assert snapshots.offsets() == [9_999_999_999, 20, 10]
    assert snapshots.load_latest()[0].offset == 9_999_999_999


def test_a_snapshot_at_the_same_offset_takes_the_place_of_the_first(snapshots):
    snapshots.save(arrays(1), {}, 5)
    snapshots.save(arrays(2), {}, 5)
    assert_equal(snapshots.load_latest()[0].arrays, arrays(2))


@pytest.mark.parametrize("sixteenth", range(16))
def test_a_torn_snapshot_is_found_and_the_one_before_is_used(snapshots, tmp_path, sixteenth):
    snapshots.save(arrays(1), {}, 10)
    snapshots.save(arrays(2), {}, 20)
    path = newest(tmp_path)
    os.truncate(path, path.stat().st_size * sixteenth // 16)
    found, (problem,) = snapshots.load_latest()
    assert found.offset == 10
    assert str(path) in problem
    assert "torn" in problem
    assert_equal(found.arrays, arrays(1))


def test_a_flipped_bit_anywhere_is_found(snapshots, tmp_path):
    snapshots.save(arrays(1, size=20), {"spec": "d1"}, 10)
    path = newest(tmp_path)
    sound = path.read_bytes()
    for position in range(len(sound)):
        damaged = bytearray(sound)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        assert snapshots.load_latest()[0] is None, position


def test_bytes_added_to_a_snapshot_are_found(snapshots, tmp_path):
    snapshots.save(arrays(), {}, 10)
    path = newest(tmp_path)
    path.write_bytes(path.read_bytes() + b"\0" * 100)
    assert snapshots.load_latest()[0] is None


def test_what_a_killed_writer_left_is_no_snapshot_and_is_cleared_away(snapshots, tmp_path):
    snapshots.save(arrays(), {}, 10)
    left_over = tmp_path / "snapshots" / "snapshot-00000000000000000020.99.partial"
    left_over.write_bytes(b"half")
    assert snapshots.load_latest()[0].offset == 10
    snapshots.save(arrays(), {}, 30)
    assert not left_over.exists()


def test_a_background_snapshot_holds_the_state_at_its_start(snapshots):
    state = {"values": np.zeros(1_000_000)}
    assert snapshots.save_in_background(state, {"n": 1}, 40)
    state["values"][:] = 1.0
    assert snapshots.is_writing
    assert snapshots.wait() == saved(40)
    found, _ = snapshots.load_latest()
    assert found.arrays["values"].sum() == 0
    assert snapshots.poll() is None


def test_one_background_snapshot_at_a_time(snapshots):
    state = {"values": np.zeros(4_000_000)}
    assert snapshots.save_in_background(state, {}, 1)
    assert not snapshots.save_in_background(state, {}, 2)
    snapshots.wait()
    assert snapshots.save_in_background(state, {}, 3)
    assert snapshots.wait().offset == 3
    assert snapshots.offsets() == [3, 1]


def test_polling_does_not_wait(snapshots):
    snapshots.save_in_background({"values": np.zeros(30_000_000)}, {}, 1)
    os.kill(snapshots._child[0], signal.SIGSTOP)  # so it cannot end while it is asked
    assert snapshots.poll() is None
    os.kill(snapshots._child[0], signal.SIGCONT)
    assert snapshots.wait() == saved(1)


def test_a_killed_background_writer_is_reported_and_harms_nothing(snapshots):
    snapshots.save(arrays(), {}, 10)
    snapshots.save_in_background({"values": np.zeros(30_000_000)}, {}, 20)
    os.kill(snapshots._child[0], signal.SIGKILL)
    ended = snapshots.wait()
    assert ended.offset == 20
    assert isinstance(ended.problem, StoreError)
    assert "signal 9" in str(ended.problem)
    assert snapshots.offsets() == [10]
    assert snapshots.save_in_background(arrays(), {}, 30)
    assert snapshots.wait() == saved(30)


ORPHAN = """
import os, signal, sys
from pathlib import Path
import numpy as np
from ringfence.adapters.snapshots import Snapshots
snapshots = Snapshots(Path(sys.argv[1]))
snapshots.save_in_background({"values": np.zeros(20_000_000)}, {}, 99)
print(snapshots._child[0], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_writer_that_outlives_its_parent_leaves_no_snapshot(snapshots, tmp_path):
    """Its state may be ahead of what its parent got into the log."""
    dying = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(tmp_path / "snapshots")], stdout=subprocess.PIPE, text=True
    )
    orphan = int(dying.stdout.readline())
    assert dying.wait() == -signal.SIGKILL
    dying.stdout.close()
    until = time.monotonic() + 20
    while Path(f"/proc/{orphan}").exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert snapshots.offsets() == []
    snapshots.discard_beyond(10)
    assert list((tmp_path / "snapshots").iterdir()) == []


def test_snapshots_ahead_of_the_log_are_removed(snapshots):
    for offset in (5, 10, 15):
        snapshots.save(arrays(), {}, offset)
    snapshots.discard_beyond(10)
    assert snapshots.offsets() == [10, 5]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_reported_and_the_older_snapshots_stay(small_disk):
    snapshots = Snapshots(small_disk)
    snapshots.save(arrays(), {}, 10)
    big = {"values": np.zeros(1_000_000)}
    with pytest.raises(StoreFullError, match="the log is safe"):
        snapshots.save(big, {}, 20)
    snapshots.save_in_background(big, {}, 30)
    assert isinstance(snapshots.wait().problem, StoreFullError)
    assert snapshots.offsets() == [10]
    snapshots.save(arrays(), {}, 40)
    assert snapshots.load_latest()[0].offset == 40
