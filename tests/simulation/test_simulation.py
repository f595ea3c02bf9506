"""Histories of the whole product under a seed: all hold, and each planted fault shows."""

import pytest
from benchmarks.simulation.__main__ import caught_at
from benchmarks.simulation.mutants import MUTANTS
from benchmarks.simulation.world import World

pytestmark = pytest.mark.slow  # some thirty histories

FIRST, HISTORIES = 1_000, 12


def test_histories_hold():
    worlds = [World(seed) for seed in range(FIRST, FIRST + HISTORIES)]
    assert {world.seed: found for world in worlds if (found := world.run())} == {}
    assert sum(world.crashes for world in worlds) > 2 * HISTORIES
    assert sum(world.disk.lost for world in worlds) > 0
    assert sum(len(world.receiver.got) for world in worlds) > 20 * HISTORIES


def test_one_seed_is_one_history():
    first, second = World(7), World(7)
    assert first.run() == second.run() == []
    assert first.crashes > 0
    assert first.answers == second.answers
    assert first.receiver.got == second.receiver.got
    assert first.disk.commits == second.disk.commits


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_planted_fault_shows(mutant):
    assert caught_at(mutant, 12) is not None
