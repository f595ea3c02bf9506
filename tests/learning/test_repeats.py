"""Frauds that stand in a file more than once are told of; payments that people make again are not."""

import numpy as np
import pytest

from ringfence.learning.data.dataset import dataset
from ringfence.learning.data.history import collect
from ringfence.learning.data.repeats import copied_frauds
from ringfence.learning.data.splits import train_and_test

from .conftest import DAY_MS, SPEC, START_MS, World, history, in_batches, world


def copied(made, rows, shift_ms=0):
    """The world with these payments once more, in order of time."""
    again = np.concatenate([np.arange(len(made.time_ms)), rows])
    time_ms = made.time_ms[again]
    time_ms[len(made.time_ms) :] = START_MS + (time_ms[len(made.time_ms) :] - START_MS + shift_ms) % (
        60 * DAY_MS
    )
    order = np.argsort(time_ms, kind="stable")
    rest = (made.card, made.merchant, made.cents, made.channel, made.fraud)
    return World(time_ms[order], *(column[again][order] for column in rest))


def said_of(made):
    data = dataset(collect(in_batches(history(made)), SPEC))
    return copied_frauds(data, *train_and_test(data, None, data.maturity_ms))


@pytest.mark.parametrize("shift_ms", [0, 25 * DAY_MS])
def test_frauds_that_stand_there_twice_are_told_with_how_many_the_test_shares(shift_ms):
    made = world()
    (said,) = said_of(copied(made, np.flatnonzero(made.fraud), shift_ms))
    assert "frauds repeat another one under a different id" in said
    assert ("of the test part repeat one that was learned from" in said) == bool(shift_ms)
    assert (" 0 of them have the same time" in said) == bool(shift_ms)


def test_a_table_in_which_all_payments_repeat_alike_says_nothing_of_its_frauds():
    made = world()
    assert said_of(made) == []
    assert said_of(copied(made, np.arange(len(made.fraud)))) == []
    assert said_of(copied(made, np.flatnonzero(made.fraud)[:3])) == []
