"""Seen ids against a dict."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.events.seen import SeenIds

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
    for start in range(0, len(hashes), 10_000):
        seen.admit(hashes[start : start + 10_000], start)
        if len(seen) >= 100_000:
            assert seen.nbytes <= 32.0 * len(seen)
