"""Crimes with a card or its number. Each takes a scene and how many, and gives the payments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.simulate.crime.scene import CrimeScene, paced
from ringfence.simulate.draws import spread
from ringfence.simulate.honest import MINUTE_MS
from ringfence.simulate.places import ABROAD, HOMES, ONLINE_AT
from ringfence.simulate.rows import SimulatedEntry, SimulatedRows, SimulatedTypology

if TYPE_CHECKING:
    from numpy.typing import NDArray


def card_testing(scene: CrimeScene, count: int) -> SimulatedRows:
    """Small payments online show whether a stolen number works; what works is charged with more."""
    rng = scene.rng
    victim, begin, (device, ip) = scene.victims(count), scene.begins(count), _shared(scene, count)
    contact = scene.posing(victim)
    pace = np.exp(rng.uniform(np.log(0.3), np.log(6), count))  # bots are fast, the careful are not
    item, step = spread(rng.integers(4, 11, count))
    times = begin[item] + (pace[item] * (step + rng.random(len(item))) * MINUTE_MS).astype(np.int64)
    small = np.rint(100 * rng.uniform(0.5, 5.3, len(item))).astype(np.int64)
    trial = scene.bought(
        SimulatedTypology.CARD_TESTING,
        victim[item],
        times,
        scene.category(["digital", "online_retail"], len(item)),
        ONLINE_AT,
        1.0,
        device=device[item],
        ip=ip[item],
        contact=contact[item],
        amount_minor=small,
    )
    works = rng.random(count) < 0.7
    item, step = spread(np.where(works, rng.integers(1, 4, count), 0))
    waits = np.exp(rng.uniform(np.log(3), np.log(4000), count))  # minutes
    after = begin[item] + ((10 * pace + waits)[item] * MINUTE_MS).astype(np.int64) + step * 9 * MINUTE_MS
    gain = scene.bought(
        SimulatedTypology.CARD_TESTING,
        victim[item],
        after,
        scene.category(["online_retail", "online_electronics"], len(item)),
        ONLINE_AT,
        rng.uniform(0.8, 4, count)[item],
        device=device[item],
        ip=ip[item],
        contact=contact[item],
    )
    return SimulatedRows.joined([trial, gain])


def stolen_card(scene: CrimeScene, count: int) -> SimulatedRows:
    """A stolen card goes shopping where it was stolen, until somebody notices."""
    rng = scene.rng
    victim = scene.victims(count)
    item, step = spread(rng.integers(2, 9, count))
    begin = scene.begins(count, (8, 20))
    times = paced(rng, begin, item, step, (6, 70))
    category = scene.category(["electronics", "fashion", "grocery", "fuel", "home", "pharmacy"], len(item))
    greed = rng.uniform(0.7, 3.5, count)[item]
    city = scene.people.place(victim)[item].astype(np.int64)
    return scene.bought(SimulatedTypology.STOLEN_CARD, victim[item], times, category, city, greed)


def counterfeit(scene: CrimeScene, count: int) -> SimulatedRows:
    """A copied card pays in another city, near or far, while its owner pays at home."""
    rng = scene.rng
    victim = scene.victims(count)
    near = rng.random(count) < 0.4
    city = np.where(
        near, rng.integers(0, len(HOMES), count), len(HOMES) + rng.integers(0, len(ABROAD), count)
    )
    item, step = spread(rng.integers(1, 6, count))
    times = paced(rng, scene.begins(count, (9, 22)), item, step, (4, 60))
    category = scene.category(["electronics", "fashion", "fuel", "grocery", "cash"], len(item))
    return scene.bought(
        SimulatedTypology.COUNTERFEIT,
        victim[item],
        times,
        category,
        city[item],
        rng.uniform(0.8, 3, count)[item],
        entry=np.where(rng.random(len(item)) < 0.7, SimulatedEntry.SWIPE, SimulatedEntry.CHIP),
    )


def _shared(scene: CrimeScene, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Devices and addresses; some criminals try several cards on one."""
    device, ip = scene.hidden(count)
    gang = np.arange(count) // 3 * 3
    together = scene.rng.random(count) < 0.5
    return np.where(together, device[gang], device), np.where(together, ip[gang], ip)
