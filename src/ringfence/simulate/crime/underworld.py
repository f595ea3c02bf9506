"""All crime of a world: how much of each kind, what is going on for weeks, and what is still to come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.simulate.crime.accounts import bust_out, friendly, mule_ring, takeover
from ringfence.simulate.crime.cards import card_testing, counterfeit, stolen_card
from ringfence.simulate.crime.shops import Compromised
from ringfence.simulate.rows import SimulatedRows, SimulatedTypology

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.simulate.crime.scene import CrimeScene

SHARE: Final = {
    SimulatedTypology.CARD_TESTING: 0.20,
    SimulatedTypology.STOLEN_CARD: 0.15,
    SimulatedTypology.COUNTERFEIT: 0.10,
    SimulatedTypology.TAKEOVER: 0.15,
    SimulatedTypology.COMPROMISED_TERMINAL: 0.12,
    SimulatedTypology.COMPROMISED_MERCHANT: 0.08,
    SimulatedTypology.MULE_RING: 0.08,
    SimulatedTypology.BUST_OUT: 0.05,
    SimulatedTypology.FRIENDLY: 0.07,
}
"""Of all fraudulent payments, about."""

_PER_INCIDENT: Final = {
    SimulatedTypology.CARD_TESTING: 8.4,
    SimulatedTypology.STOLEN_CARD: 5.0,
    SimulatedTypology.COUNTERFEIT: 3.0,
    SimulatedTypology.TAKEOVER: 2.5,
    SimulatedTypology.COMPROMISED_TERMINAL: 31.0,
    SimulatedTypology.COMPROMISED_MERCHANT: 32.0,
    SimulatedTypology.MULE_RING: 52.0,
    SimulatedTypology.BUST_OUT: 10.0,
    SimulatedTypology.FRIENDLY: 1.0,
}
"""Payments that one crime leads to, on average."""

_AT_ONCE: Final[dict[SimulatedTypology, Callable[[CrimeScene, int], SimulatedRows]]] = {
    SimulatedTypology.CARD_TESTING: card_testing,
    SimulatedTypology.STOLEN_CARD: stolen_card,
    SimulatedTypology.COUNTERFEIT: counterfeit,
    SimulatedTypology.TAKEOVER: takeover,
    SimulatedTypology.MULE_RING: mule_ring,
    SimulatedTypology.BUST_OUT: bust_out,
}
QUIET_DAYS: Final = 2
"""Nobody has habits in the first days that a crime could break."""


@dataclass(slots=True)
class Underworld:
    """Commits crimes so that about `rate` of all payments are fraud."""

    rate: float
    compromised: Compromised = field(default_factory=Compromised)

    def commit(self, scene: CrimeScene, honest: SimulatedRows) -> SimulatedRows:
        """The crimes that begin on a day; their payments may reach into later ones."""
        if scene.day.number < QUIET_DAYS or self.rate <= 0:
            return honest.take(np.zeros(0, np.int64))
        begun = {kind: self._incidents(scene, kind, len(honest)) for kind in SHARE}
        for _ in range(begun[SimulatedTypology.COMPROMISED_TERMINAL]):
            self.compromised.begin_terminal(scene, honest)
        for _ in range(begun[SimulatedTypology.COMPROMISED_MERCHANT]):
            self.compromised.begin_merchant(scene, honest)
        parts = [commit(scene, begun[kind]) for kind, commit in _AT_ONCE.items()]
        parts += [
            self.compromised.pay_at_terminals(scene),
            self.compromised.use_stolen_numbers(scene, honest),
        ]
        friendly(scene, honest, begun[SimulatedTypology.FRIENDLY])
        return SimulatedRows.joined(parts)

    def _incidents(self, scene: CrimeScene, kind: SimulatedTypology, payments: int) -> int:
        return int(scene.rng.poisson(self.rate * payments * SHARE[kind] / _PER_INCIDENT[kind]))
