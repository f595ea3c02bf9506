"""Seen ids against a dict."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.events.ids.seen import SeenIds

EXTREMES = [2, 1, -1, 2**63 - 1, -(2**63), 2**32, 2**32 - 1, -(2**32)]


def rows(*numbers):
    return np.array(numbers, np.int64)


@settings(deadline=None, max_examples=40)  # the first example compiles
@given(
    st.lists(
        st.lists(
            st.one_of(st.sampled_from(EXTREMES), st.integers(-(2**63), 2**63 - 1).filter(bool)), max_size=50
        ),
        max_size=6,
    )
)
def test_it_answers_as_a_dict_would(calls):
    seen, expected, offset = SeenIds(), {}, 0
    for call in calls:
        answer, base = [], offset
        for number in call:
            answer.append(expected.get(number, -1))
            if number not in expected:
                expected[number] = offset
                offset += 1
        assert seen.admit(rows(*call), base).tolist() == answer
    assert len(seen) == len(expected)


def test_an_event_without_an_id_is_always_new_and_takes_an_offset():
    seen = SeenIds()
    assert seen.admit(rows(0, 5, 0, 6), 10).tolist() == [-1, -1, -1, -1]
    assert (seen.offsets_of(5), seen.offsets_of(6), len(seen)) == ([11], [13], 2)


def test_it_grows_and_forgets_nothing():
    hashes = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 8_000)
    seen = SeenIds()
    assert (seen.admit(hashes, 0) == -1).all()
    np.testing.assert_array_equal(seen.admit(hashes, 10**12), np.arange(len(hashes)))
    assert len(seen) == 8_000


def test_a_row_sees_the_rows_before_it_across_a_growth():
    hashes = np.tile(np.random.default_rng(1).integers(-(2**63), 2**63 - 1, 3000), 2)
    found = SeenIds().admit(hashes, 0)
    np.testing.assert_array_equal(found, np.r_[np.full(3000, -1), np.arange(3000)])


def growing():
    """A table of which a part has moved into a larger one, and the hashes in it."""
    hashes = np.random.default_rng(6).integers(-(2**63), 2**63 - 1, 832)
    seen = SeenIds()
    for start in range(0, len(hashes), 64):
        seen.admit(hashes[start : start + 64], start)
    assert "seen_larger" in seen.arrays()
    assert 0 < seen.arrays()["seen_count"][1] < len(seen.arrays()["seen_before"])
    return seen, hashes


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="the moves are the same, and plain Python takes minutes")
@pytest.mark.parametrize("step", [1, 7, 64])
def test_while_it_moves_into_a_larger_table_it_answers_as_before(step):
    hashes = np.random.default_rng(7).integers(-(2**63), 2**63 - 1, 110_000)
    seen, moving = SeenIds(), 0
    seen.admit(hashes[:103_000], 0)
    for begin in range(103_000, len(hashes) - step, step):
        again = hashes[begin - 50_000 : begin - 50_000 + step]
        found = seen.admit(np.r_[hashes[begin : begin + step], again], begin)
        assert found.tolist() == [-1] * step + list(range(begin - 50_000, begin - 50_000 + step))
        moving += "seen_larger" in seen.arrays()
    assert moving
    np.testing.assert_array_equal(seen.admit(hashes[: len(seen)], 10**9), np.arange(len(seen)))


def test_while_it_moves_entries_of_one_hash_are_found_in_their_order():
    seen, hashes = growing()
    for number, id_hash in enumerate(hashes.tolist()):
        seen.insert(id_hash, 10_000 + number)
    assert "seen_larger" in seen.arrays()
    more = np.random.default_rng(8).integers(-(2**63), 2**63 - 1, 300)
    seen.admit(more, 5_000)
    assert [seen.offsets_of(h) for h in hashes.tolist()] == [[n, 10_000 + n] for n in range(len(hashes))]
    assert len(seen) == 2 * len(hashes) + len(more)


def test_a_snapshot_may_be_taken_while_it_moves():
    seen, hashes = growing()
    again = SeenIds.from_arrays({name: array.copy() for name, array in seen.arrays().items()})
    assert again.admit(hashes, 5_000).tolist() == list(range(len(hashes)))
    assert len(again) == len(seen)


def test_a_snapshot_of_a_time_when_tables_moved_at_once_is_read():
    seen = SeenIds()
    seen.admit(rows(5, 6, 7), 0)
    old = {"seen": seen.arrays()["seen"], "seen_count": np.array([3], np.int64)}
    assert SeenIds.from_arrays(old).admit(rows(7, 8), 3).tolist() == [2, -1]


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="plain Python takes minutes")
def test_many_hashes_with_one_home_are_only_slower():
    hashes = np.arange(1, 9_000, dtype=np.int64) << 32
    others = np.random.default_rng(9).integers(-(2**63), 2**63 - 1, 30_000)
    seen, offset = SeenIds(), 0
    for start in range(0, len(hashes), 100):
        for some in (hashes[start : start + 100], others[start * 3 : (start + 100) * 3]):
            assert (seen.admit(some, offset) == -1).all()
            offset += len(some)
    assert (seen.admit(hashes, offset) >= 0).all()


def test_two_ids_may_share_a_hash():
    seen = SeenIds()
    seen.admit(rows(5, 6), 10)
    assert seen.offsets_of(5) == [10]
    seen.insert(5, 12)
    assert seen.offsets_of(5) == [10, 12]
    assert seen.admit(rows(5, 6, 7), 20).tolist() == [10, 11, -1]
    assert seen.offsets_of(8) == []
    assert len(seen) == 4


def test_entries_of_one_hash_keep_their_order_when_the_table_grows():
    seen = SeenIds()
    for offset in range(5):
        seen.insert(-(2**63), offset)
        seen.insert(2**63 - 1, offset)
        seen.insert(-1, offset)
    others = np.random.default_rng(2).integers(-(2**63), 2**63 - 1, 1500)
    seen.admit(others, 100)
    assert [seen.offsets_of(h) for h in (-(2**63), 2**63 - 1, -1)] == [[0, 1, 2, 3, 4]] * 3


@pytest.mark.parametrize("first", [1, 2**63 - 1, 2**32 - 300])
def test_hashes_that_are_not_random_are_only_slower(first):
    hashes = (np.arange(600, dtype=np.uint64) + np.uint64(first % 2**64)).view(np.int64)
    seen = SeenIds()
    assert (seen.admit(hashes, 0) == -1).all()
    np.testing.assert_array_equal(seen.admit(hashes, 9000), np.arange(600))
    assert seen.nbytes < 200_000


def test_the_state_goes_into_a_snapshot_and_back():
    seen = SeenIds()
    hashes = np.random.default_rng(3).integers(-(2**63), 2**63 - 1, 1500)
    seen.admit(hashes, 0)
    again = SeenIds.from_arrays({name: array.copy() for name, array in seen.arrays().items()})
    more = np.random.default_rng(4).integers(-(2**63), 2**63 - 1, 1500)
    for table in (seen, again):
        table.admit(more, 1500)
    assert len(again) == len(seen) == 3000
    np.testing.assert_array_equal(again.arrays()["seen"], seen.arrays()["seen"])


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="the size is the same, and plain Python takes a minute")
def test_an_id_costs_at_most_32_bytes():
    seen = SeenIds()
    hashes = np.random.default_rng(5).integers(-(2**63), 2**63 - 1, 140_000)
    for start in range(0, 90_000, 10_000):
        seen.admit(hashes[start : start + 10_000], start)
    for start in range(90_000, len(hashes), 10_000):
        seen.admit(hashes[start : start + 10_000], start)
        growing = "seen_larger" in seen.arrays()
        assert len(seen) == start + 10_000
        assert seen.nbytes <= (53.0 if growing else 32.0) * len(seen)
