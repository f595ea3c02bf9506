"""The one time range and the one zone of all pages: kept in the address, carried from page to page."""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

RANGES: Final[Mapping[str, int | None]] = {"24h": 1, "7d": 7, "30d": 30, "90d": 90, "all": None}
"""Days by name; the range ends with the newest payment, or now where that is later."""

DAY_MS: Final = 86_400_000
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
    def of(cls, scope: Mapping[str, Any]) -> Period:
        """Of a request: its address, or that of the page whose part it asks for.

        An address that cannot be read says nothing, here: the page answers what is wrong with it.
        """
        try:
            told = _told(scope)
        except ValueError:
            return cls()
        asked = {name: told[name] for name in _KEPT if name in told}
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


_NOW: ContextVar[Period | None] = ContextVar("ringfence_period", default=None)


def _told(scope: Mapping[str, Any]) -> dict[str, str]:
    """The fields of the address; ValueError where it has too many, or is none."""
    query = scope["query_string"].decode("latin-1")
    if b"hx-request" in (headers := dict(scope["headers"])):
        page = urlsplit(headers.get(b"hx-current-url", b"").decode("latin-1")).query
        query = f"{query}&{page}"  # what the part itself says comes first
    return {name: values[0][:_LONGEST] for name, values in parse_qs(query, max_num_fields=200).items()}


def enter(scope: Mapping[str, Any]) -> None:
    """From here on, this request has the period of its address."""
    _NOW.set(Period.of(scope))


def current() -> Period:
    """The period of the request that is being answered."""
    return _NOW.get() or Period()


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


def zone_name() -> str:
    """The name of the zone in which pages show times."""
    return current().zone


def local(time_ms: float) -> datetime:
    """A moment in that zone."""
    return datetime.fromtimestamp(time_ms / 1000, current().tz)


def moment_ms(text: str) -> int:
    """A time as a form has it, in that zone unless it says otherwise; ValueError for what is none.

    >>> moment_ms("2025-01-31T10:00"), moment_ms("2025-01-31")
    (1738317600000, 1738281600000)
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=current().tz)
    return int(moment.timestamp() * 1000)
