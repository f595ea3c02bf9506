"""The time range and the zone that an address names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

RANGES: Final[Mapping[str, int | None]] = {"24h": 1, "7d": 7, "30d": 30, "90d": 90, "all": None}
"""Days by name; the range ends with the newest payment, or now where that is later."""

DAY_MS: Final = 86_400_000
_LATEST_MS: Final = 253_402_300_799_000  # of year 9999
_LONGEST: Final = 64
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?")
_KEPT: Final = ("range", "since", "until", "zone")


@dataclass(frozen=True, slots=True)
class Period:
    """What an address says: a named range, or two moments as typed, and a zone."""

    range: str = ""
    since: str = ""
    until: str = ""
    zone: str = "UTC"

    @classmethod
    def of(cls, query: str) -> Period:
        """Of the query of an address; the first of a repeated field counts.

        An address that cannot be read says nothing, here: the page answers what is wrong with it.
        """
        try:
            told = parse_qs(query, max_num_fields=200)
        except ValueError:
            return cls()
        asked = {name: told[name][0][:_LONGEST] for name in _KEPT if name in told}
        if asked.get("range") not in RANGES:
            asked.pop("range", None)
        for name in ("since", "until"):  # anything else, such as a card number, is not repeated
            if not _MOMENT.fullmatch(asked.get(name, "")):
                asked.pop(name, None)
        if not is_zone(asked.get("zone", "UTC")):
            del asked["zone"]
        return cls(**asked)

    @property
    def carried(self) -> str:
        """The query that keeps it in the next address; empty where nothing was chosen."""
        chosen = {"range": self.range} if self.range else {"since": self.since, "until": self.until}
        if self.zone != "UTC":
            chosen["zone"] = self.zone
        return urlencode({name: value for name, value in chosen.items() if value})

    @property
    def tz(self) -> tzinfo:
        return UTC if self.zone == "UTC" else ZoneInfo(self.zone)

    def span_ms(self, last_ms: int) -> tuple[int, int] | None:
        """Begin and end of a named range that ends with `last_ms`; None where none is named."""
        if not self.range:
            return None
        days = RANGES[self.range]
        return (0 if days is None else max(last_ms + 1 - days * DAY_MS, 0)), last_ms + 1

    def local(self, time_ms: float) -> datetime:
        """A moment in the zone; the nearest one that it can show."""
        return datetime.fromtimestamp(min(max(time_ms, 0), _LATEST_MS) / 1000, self.tz)

    def moment_ms(self, text: str) -> int:
        """A time as a form has it, in the zone unless it says otherwise; ValueError for what is none.

        >>> Period().moment_ms("2025-01-31T10:00"), Period(zone="Europe/Berlin").moment_ms("2025-01-31")
        (1738317600000, 1738278000000)
        """
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.tz)
        return int(moment.timestamp() * 1000)


def is_zone(name: str) -> bool:
    """Whether there is a zone of this name.

    >>> is_zone("Europe/Berlin"), is_zone("Mars/Olympus"), is_zone("../etc/passwd")
    (True, False, False)
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
