"""How well a column fits an address or a coordinate of the payment."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from ringfence.adapters.drafts.money import MOST
from ringfence.events.values.degrees import LIMITS, degrees_of
from ringfence.events.values.norms import norm

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.adapters.drafts.sample import Column

_SOME: Final = 300


def ip_points(column: Column) -> float:
    """How much a column holds the payer's addresses."""
    if "ip" not in column.meanings:
        return 0
    some = column.different[:_SOME]
    if not some:
        return 20 * bool(column.placeholders)
    if sum(map(_is_address, some)) < MOST * len(some):
        return 0
    return 60.0 - 30 * ("party" in column.meanings) - 20 * bool(column.meanings & {"merchant", "related"})


def coordinate_points(main: str) -> Callable[[Column], float]:
    """How much a column holds the latitudes (or longitudes) of payments."""

    def points(column: Column) -> float:
        if main not in column.meanings or not column.texts:
            return 0
        if any(is_beyond(text, main) for text in column.different):
            return 0
        return 50.0 + 10 * ("merchant" in column.meanings) - 10 * ("home" in column.meanings)

    return points


def is_beyond(text: str, main: str) -> bool:
    """Whether a text is no number of degrees, or one of too many."""
    found = degrees_of(text, main)
    return found is None or abs(found) > LIMITS[main]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(norm("ip", text))
    except ValueError:
        return False
    return True
