"""Delays as people write them."""

from __future__ import annotations

import re
from typing import Final

from ringfence.errors import InputError

_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def parse_delay_ms(text: str) -> int:
    """Milliseconds of "0s", "10m", "7d".

    >>> parse_delay_ms("7d")
    604800000
    """
    match = re.fullmatch(r"(\d{1,9})(ms|s|m|h|d)", text.strip())
    if not match:
        raise InputError(f"{text!r} is no delay: write a whole number and a unit, such as 0s, 10m, 24h or 7d")
    return int(match[1]) * _UNITS_MS[match[2]]
