"""How a destination is, in one word, wherever it is listed."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.bus.subscription import Destination


class HealthState(StrEnum):
    """How a destination is, the worst of what holds."""

    DISABLED = "disabled"  # it answered 410: nothing is sent until somebody enables it
    FAILING = "failing"  # the latest attempts failed
    DEAD_LETTERS = "dead letters"  # it takes messages, and some were given up
    WAITING = "waiting"  # messages are on their way
    HEALTHY = "healthy"


class DestinationHealth(NamedTuple):
    """A destination's health, and how many messages wait for it or were given up."""

    health: HealthState
    waiting: int
    dead: int


def health_of(
    destinations: Iterable[Destination], counts: Iterable[tuple[str, str, int]]
) -> dict[str, DestinationHealth]:
    """How destinations are, by address; `counts` as of `Outbox.counts`."""
    known = {(address, state): count for address, state, count in counts}
    return {
        one.address: _health_of(
            one, known.get((one.address, "waiting"), 0), known.get((one.address, "dead"), 0)
        )
        for one in destinations
    }


def _health_of(one: Destination, waiting: int, dead: int) -> DestinationHealth:
    holding = {
        HealthState.DISABLED: bool(one.disabled),
        HealthState.FAILING: one.failing > 0,
        HealthState.DEAD_LETTERS: dead > 0,
        HealthState.WAITING: waiting > 0,
        HealthState.HEALTHY: True,
    }
    return DestinationHealth(next(health for health, holds in holding.items() if holds), waiting, dead)
