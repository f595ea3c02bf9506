"""Shares and how sure they are."""

from ringfence.analysis.statistics import wilson


def test_the_interval_holds_the_share_and_shrinks_with_more_of_them():
    few, many = wilson(8, 10), wilson(800, 1000)
    assert few.low < 0.8 < few.high
    assert many.high - many.low < few.high - few.low


def test_none_and_all_have_an_interval_too():
    none, every = wilson(0, 20), wilson(20, 20)
    assert (none.value, none.low) == (0, 0)
    assert 0.1 < none.high < 0.2
    assert 0.8 < every.low < 0.9
    assert every.high == 1


def test_weights_count_as_fewer_observations():
    assert wilson(50, 100, 10).high > wilson(50, 100).high
