"""The exam of `ringfence.ports.SnapshotStore`; `place.open()` gives one, `place.damage("7")` the one at 7."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from ringfence.ports import SnapshotStore
    from ringfence.testing.exams.places import Place


def state(seed: int = 0, size: int = 1000) -> dict[str, NDArray[Any]]:
    """Arrays of every sort."""
    chance = np.random.default_rng(seed)
    return {
        "times": chance.integers(-(2**63), 2**63 - 1, size),
        "sums": chance.normal(size=(size, 3)),
        "marks": chance.integers(0, 2, size).astype(bool),
        "empty": np.empty((0, 4), np.uint16),
        "single": np.array(7, np.uint8),
        "strided": np.arange(10)[::3],
    }


def assert_same(found: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]) -> None:
    """Names in order, types, shapes and bits."""
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[name], array)


class SnapshotExam:
    """What a store of snapshots promises, one sentence a test."""

    @pytest.fixture
    def place(self) -> Place[SnapshotStore]:
        raise NotImplementedError("an exam needs a `place` fixture that gives a Place of a SnapshotStore")

    @pytest.fixture
    def snapshots(self, place: Place[SnapshotStore]) -> Iterator[SnapshotStore]:
        with place.open() as opened:
            yield opened

    def test_a_snapshot_comes_back_as_it_was_saved(self, place: Place[SnapshotStore]) -> None:
        with place.open() as first:
            assert first.load_latest() == (None, [])
            first.save(state(), {"spec": "d1", "rows": [1, 2]}, 77)
        with place.open() as again:
            found, problems = again.load_latest()
        assert found is not None
        assert (found.offset, found.header, problems) == (77, {"spec": "d1", "rows": [1, 2]}, [])
        assert_same(found.arrays, state())

    def test_what_is_loaded_belongs_to_whoever_loads_it(self, snapshots: SnapshotStore) -> None:
        snapshots.save(state(), {}, 1)
        found, _ = snapshots.load_latest()
        assert found is not None
        found.arrays["times"][:] = 0
        again, _ = snapshots.load_latest()
        assert again is not None
        assert_same(again.arrays, state())

    def test_the_newest_is_loaded_and_few_stay(self, snapshots: SnapshotStore) -> None:
        for offset in (5, 10, 15, 20, 25, 30):
            snapshots.save(state(offset), {}, offset)
        kept = snapshots.offsets()
        assert kept == sorted(kept, reverse=True)
        assert kept[0] == 30
        assert 2 <= len(kept) < 6
        found, _ = snapshots.load_latest()
        assert found is not None
        assert_same(found.arrays, state(30))

    def test_a_background_snapshot_holds_the_state_at_its_start(self, snapshots: SnapshotStore) -> None:
        arrays = state(1)
        assert snapshots.save_in_background(arrays, {"n": 1}, 4)
        arrays["times"][:] = 0
        ended = snapshots.wait()
        assert ended is not None
        assert ended.problem is None
        found, _ = snapshots.load_latest()
        assert found is not None
        assert (found.offset, found.header) == (4, {"n": 1})
        assert_same(found.arrays, state(1))

    def test_one_in_the_background_at_a_time_and_its_end_is_told_once(self, snapshots: SnapshotStore) -> None:
        assert snapshots.poll() is None
        assert snapshots.save_in_background(state(), {}, 1)
        assert not snapshots.save_in_background(state(), {}, 2)
        assert snapshots.wait() is not None
        assert snapshots.wait() is None
        assert snapshots.poll() is None
        assert snapshots.offsets() == [1]
        assert snapshots.save_in_background(state(), {}, 3)
        assert snapshots.wait() is not None

    def test_what_the_log_no_longer_leads_to_is_removed(self, snapshots: SnapshotStore) -> None:
        for offset in (5, 10, 15):
            snapshots.save(state(offset), {}, offset)
        snapshots.discard_beyond(10)
        assert snapshots.offsets() == [10, 5]

    def test_one_that_cannot_be_used_is_set_aside(self, snapshots: SnapshotStore) -> None:
        for offset in (5, 10):
            snapshots.save(state(offset), {}, offset)
        snapshots.set_aside(10)
        found, problems = snapshots.load_latest()
        assert found is not None
        assert (found.offset, problems) == (5, [])
        snapshots.set_aside(99)  # was never there

    def test_a_damaged_one_is_told_and_the_one_before_is_used(self, place: Place[SnapshotStore]) -> None:
        if place.cannot_damage:
            pytest.skip(place.cannot_damage)
        with place.open() as first:
            for offset in (5, 10):
                first.save(state(offset), {}, offset)
        place.damage("10")
        with place.open() as again:
            found, problems = again.load_latest()
        assert found is not None
        assert found.offset == 5
        assert len(problems) == 1
        assert "10" in problems[0]
