"""Crimes at a shop: a terminal that copies cards, and a shop whose customers' cards are used elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ringfence.simulate.honest import DAY_MS, MINUTE_MS
from ringfence.simulate.places import ONLINE_AT
from ringfence.simulate.rows import NO_ROWS, Channel, SimulatedEntry, SimulatedRows, SimulatedTypology

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.simulate.crime.scene import CrimeScene

_SOLD_A_DAY = 0.8  # numbers of a compromised shop's cards


@dataclass(slots=True)
class Compromised:
    """What is compromised now: until which day, and a terminal's cards a day."""

    terminals: list[tuple[int, int, int, float]] = field(
        default_factory=list
    )  # merchant, terminal, until, a day
    merchants: list[tuple[int, int]] = field(default_factory=list)  # merchant, until

    def begin_terminal(self, scene: CrimeScene, payments: SimulatedRows) -> None:
        """One terminal where many pay copies cards for one to four weeks."""
        tills = np.flatnonzero((payments.terminal >= 0) & (payments.truth == SimulatedTypology.HONEST))
        if len(tills):
            at = scene.rng.choice(tills)
            until = scene.day.number + int(scene.rng.integers(7, 29))
            pace = float(np.exp(scene.rng.uniform(np.log(0.6), np.log(4))))
            self.terminals.append((int(payments.merchant[at]), int(payments.terminal[at]), until, pace))

    def begin_merchant(self, scene: CrimeScene, payments: SimulatedRows) -> None:
        """The cards of one shop online are copied for two to six weeks."""
        online = np.flatnonzero(
            (payments.channel == Channel.ONLINE) & (payments.truth == SimulatedTypology.HONEST)
        )
        if len(online):
            merchant = int(payments.merchant[scene.rng.choice(online)])
            self.merchants.append((merchant, scene.day.number + int(scene.rng.integers(14, 43))))

    def pay_at_terminals(self, scene: CrimeScene) -> SimulatedRows:
        """Today's payments with copied cards where they were copied, in amounts like anybody's."""
        self.terminals = [item for item in self.terminals if item[2] > scene.day.number]
        parts = [self._at(scene, *item) for item in self.terminals]
        return SimulatedRows.joined(parts) if parts else NO_ROWS

    def _at(
        self, scene: CrimeScene, merchant: int, terminal: int, _until: int, a_day: float
    ) -> SimulatedRows:
        rng, shops = scene.rng, scene.shops
        count = int(rng.poisson(a_day))
        victim, kind = scene.victims(count), np.full(count, shops.category[merchant])
        city = int(shops.city[merchant])
        greed = rng.uniform(0.6, 2.2, count)
        begin = scene.begins(count, (9, 21))
        found = scene.bought(SimulatedTypology.COMPROMISED_TERMINAL, victim, begin, kind, city, greed)
        found.merchant[:], found.terminal[:] = merchant, terminal
        found.entry[:] = SimulatedEntry.SWIPE if rng.random() < 0.3 else SimulatedEntry.CONTACTLESS
        return found

    def use_stolen_numbers(self, scene: CrimeScene, payments: SimulatedRows) -> SimulatedRows:
        """Of the cards that paid at a compromised shop today, some are used elsewhere within weeks."""
        self.merchants = [item for item in self.merchants if item[1] > scene.day.number]
        leaking = [merchant for merchant, _ in self.merchants]
        seen = np.unique(payments.customer[np.isin(payments.merchant, leaking)])
        rng = scene.rng
        victim: NDArray[np.int32] = rng.permutation(seen)[: rng.poisson(_SOLD_A_DAY * len(leaking))]
        count = len(victim)
        times = scene.begins(count) + rng.integers(1, 25, count) * DAY_MS
        device, ip = scene.hidden(count)
        item = np.repeat(np.arange(count), rng.integers(1, 4, count))
        return scene.bought(
            SimulatedTypology.COMPROMISED_MERCHANT,
            victim[item],
            times[item] + rng.integers(0, 300, len(item)) * MINUTE_MS,
            scene.category(["digital", "online_retail", "online_electronics", "travel"], len(item)),
            ONLINE_AT,
            rng.uniform(0.7, 3, count)[item],
            device=device[item],
            ip=ip[item],
            contact=scene.posing(victim)[item],
        )
