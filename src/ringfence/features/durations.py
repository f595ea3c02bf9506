"""How long windows, delays and lives are, as people write them."""

from __future__ import annotations

import re
from typing import Final

from ringfence.errors import SpecError

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 86_400_000
LONGEST_MS: Final = 366 * DAY_MS
"""Where windows, delays and times to live end."""

_FINE: Final = 10  # so many of a unit need no smaller one
_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}


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


def in_words(ms: int) -> str:
    """A duration for people: one or two units, whole numbers.

    >>> in_words(604_801_000), in_words(86_400_000), in_words(1000), in_words(0)
    ('7 days', '1 day', '1 second', 'no time')
    >>> in_words(90_000_000)
    '1 day and 1 hour'
    """
    units = (("day", DAY_MS), ("hour", HOUR_MS), ("minute", MINUTE_MS), ("second", 1000))
    for place, (word, size) in enumerate(units):
        many, rest = divmod(ms, size)
        if many:
            said = _counted(many, word)
            if place + 1 < len(units) and many < _FINE and (less := rest // units[place + 1][1]):
                said += f" and {_counted(less, units[place + 1][0])}"
            return said
    return _counted(ms, "millisecond") if ms else "no time"


def _counted(many: int, word: str) -> str:
    return f"{many:,} {word}" + ("" if many == 1 else "s")
