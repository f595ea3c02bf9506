"""How long windows, delays and lives are, as people write them."""

from __future__ import annotations

import re
from typing import Final

from ringfence.errors import SpecError

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
LONGEST_MS: Final = 366 * DAY_MS
"""Where windows, delays and times to live end."""

_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": MINUTE_MS, "h": 60 * MINUTE_MS, "d": DAY_MS}


def parse_duration_ms(text: str) -> int:
    """Milliseconds of "90s", "10m", "1h", "7d".

    >>> parse_duration_ms("10m"), parse_duration_ms("7d")
    (600000, 604800000)
    """
    match = re.fullmatch(r"(\d{1,15})(ms|s|m|h|d)", text.strip())
    if not match:
        raise SpecError(
            f"{text!r} is no duration: write a whole number and a unit, such as 90s, 10m, 1h or 7d; "
            "or for a window today, this_week or this_month"
        )
    return int(match[1]) * _UNITS_MS[match[2]]


def format_duration(ms: int) -> str:
    """Shortest exact text of a duration.

    >>> format_duration(86_400_000), format_duration(5_400_000)
    ('1d', '90m')
    """
    unit = next(u for u in ("d", "h", "m", "s", "ms") if ms % _UNITS_MS[u] == 0)
    return f"{ms // _UNITS_MS[unit]}{unit}"
