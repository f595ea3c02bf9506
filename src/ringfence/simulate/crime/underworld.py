"""All crime of a world: how much of each kind, what is going on for weeks, and what is still to come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.simulate.crime.accounts import bust_out, friendly, mule_ring, takeover
from ringfence.simulate.crime.cards import card_testing, counterfeit, stolen_card
from ringfence.simulate.crime.shops import Compromised
from ringfence.simulate.rows import Rows, Typology

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.simulate.crime.scene import Scene

SHARE: Final = {
    Typology.CARD_TESTING: 0.20,
    Typology.STOLEN_CARD: 0.15,
    Typology.COUNTERFEIT: 0.10,
    Typology.TAKEOVER: 0.15,
    Typology.COMPROMISED_TERMINAL: 0.12,
    Typology.COMPROMISED_MERCHANT: 0.08,
    Typology.MULE_RING: 0.08,
    Typology.BUST_OUT: 0.05,
    Typology.FRIENDLY: 0.07,
}
"""Of all fraudulent payments, about."""

_PER_INCIDENT: Final = {
    Typology.CARD_TESTING: 8.4,
    Typology.STOLEN_CARD: 5.0,
    Typology.COUNTERFEIT: 3.0,
    Typology.TAKEOVER: 2.5,
    Typology.COMPROMISED_TERMINAL: 31.0,
    Typology.COMPROMISED_MERCHANT: 32.0,
    Typology.MULE_RING: 52.0,
    Typology.BUST_OUT: 10.0,
    Typology.FRIENDLY: 1.0,
}
"""Payments that one crime leads to, on average."""

_AT_ONCE: Final[dict[Typology, Callable[[Scene, int], Rows]]] = {
    Typology.CARD_TESTING: card_testing,
    Typology.STOLEN_CARD: stolen_card,
    Typology.COUNTERFEIT: counterfeit,
    Typology.TAKEOVER: takeover,
    Typology.MULE_RING: mule_ring,
    Typology.BUST_OUT: bust_out,
}
QUIET_DAYS: Final = 2
"""Nobody has habits in the first days that a crime could break."""


@dataclass(slots=True)
class Underworld:
    """Commits crimes so that about `rate` of all payments are fraud."""

    rate: float
    compromised: Compromised = field(default_factory=Compromised)

    def commit(self, scene: Scene, honest: Rows) -> Rows:
        """The crimes that begin on a day; their payments may reach into later ones."""
        if scene.day.number < QUIET_DAYS or self.rate <= 0:
            return honest.take(np.zeros(0, np.int64))
        begun = {kind: self._incidents(scene, kind, len(honest)) for kind in SHARE}
        for _ in range(begun[Typology.COMPROMISED_TERMINAL]):
            self.compromised.begin_terminal(scene, honest)
        for _ in range(begun[Typology.COMPROMISED_MERCHANT]):
            self.compromised.begin_merchant(scene, honest)
        parts = [commit(scene, begun[kind]) for kind, commit in _AT_ONCE.items()]
        parts += [
            self.compromised.pay_at_terminals(scene),
            self.compromised.use_stolen_numbers(scene, honest),
        ]
        friendly(scene, honest, begun[Typology.FRIENDLY])
        return Rows.joined(parts)

    def _incidents(self, scene: Scene, kind: Typology, payments: int) -> int:
        return int(scene.rng.poisson(self.rate * payments * SHARE[kind] / _PER_INCIDENT[kind]))
