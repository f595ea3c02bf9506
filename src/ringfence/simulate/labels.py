"""What becomes known, and when: a call after days, a chargeback after weeks, nothing, or a mistake."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.events.model import Kind
from ringfence.simulate.honest import DAY_MS
from ringfence.simulate.rows import NO_ROWS, SimulatedRows, SimulatedTypology

if TYPE_CHECKING:
    from numpy.typing import NDArray

SOURCES: Final = ["customer", "chargeback", "investigation", "charge_off", "analyst"]
_CUSTOMER, _CHARGEBACK, _INVESTIGATION, _CHARGE_OFF, _ANALYST = range(len(SOURCES))

_NEVER: Final = {
    SimulatedTypology.MULE_RING: 0.4,
    SimulatedTypology.FRIENDLY: 0.0,
    SimulatedTypology.BUST_OUT: 0.1,
}
_NEVER_USUALLY: Final = 0.12
_CALLS: Final = 0.4  # share of card fraud that the customer reports within days
_MISTAKEN: Final = 0.00008  # honest payments that are disputed all the same
_CLEARED: Final = 0.0006  # honest payments that an analyst has looked at


@dataclass(slots=True)
class LabelDraws:
    """Labels that are still to come; there are as many as fraud of the last weeks."""

    waiting: SimulatedRows = field(default_factory=lambda: NO_ROWS)

    def learn(self, rng: np.random.Generator, payments: SimulatedRows) -> None:
        """Settle when the truth of these payments becomes known, and to whom."""
        truth = payments.truth
        fraud = truth != SimulatedTypology.HONEST
        missed = np.select([truth == kind for kind in _NEVER], list(_NEVER.values()), _NEVER_USUALLY)
        chance = rng.random(len(payments))
        known = np.flatnonzero(fraud & (chance >= missed))
        mistaken = np.flatnonzero(~fraud & (chance < _MISTAKEN))
        cleared = np.flatnonzero(~fraud & (chance > 1 - _CLEARED))
        at = np.concatenate([known, mistaken, cleared])
        days, source = _delays(rng, truth[at], cleared=len(cleared))
        label = np.ones(len(at), np.int8)
        label[len(at) - len(cleared) :] = 0
        learned = SimulatedRows.blank(
            payments.time_ms[at] + (days * DAY_MS).astype(np.int64),
            SimulatedTypology.HONEST,
            kind=Kind.LABEL,
            number=payments.number[at],
            label=label,
            source=source,
        )
        learned.truth = truth[at]
        learned.customer = payments.customer[at]  # whose card is replaced
        self.waiting = SimulatedRows.joined([self.waiting, learned])

    def due(self, until_ms: int) -> SimulatedRows:
        """Those that are known before this moment, and no longer waited for."""
        now = self.waiting.time_ms < until_ms
        found, self.waiting = self.waiting.take(now), self.waiting.take(~now)
        return found


def _delays(
    rng: np.random.Generator, truth: NDArray[np.int8], *, cleared: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Days until each is known, and by whom; the last so many are cleared by an analyst."""
    rows = len(truth)
    calls = rng.random(rows) < _CALLS
    days = np.where(calls, rng.exponential(1.6, rows) + 0.1, rng.lognormal(np.log(17), 0.45, rows))
    source = np.where(calls, _CUSTOMER, _CHARGEBACK)
    slow = {
        SimulatedTypology.FRIENDLY: (_CHARGEBACK, 25, 70),
        SimulatedTypology.BUST_OUT: (_CHARGE_OFF, 40, 90),
        SimulatedTypology.MULE_RING: (_INVESTIGATION, 8, 35),
    }
    for kind, (who, first, last) in slow.items():
        at = truth == kind
        days[at], source[at] = rng.uniform(first, last, int(at.sum())), who
    if cleared:
        days[-cleared:], source[-cleared:] = rng.exponential(0.5, cleared) + 0.05, _ANALYST
    return days, source
