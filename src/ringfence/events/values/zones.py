"""Time zones as people write them: IANA names, offsets, and abbreviations such as CEST and PDT."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Repeated = Literal["earlier", "later", "order"]

_HOURS: Final = {
    "UTC": 0.0,
    "GMT": 0,
    "UT": 0,
    "Z": 0,
    "ZULU": 0,
    "WET": 0,
    "WEST": 1,
    "CET": 1,
    "CEST": 2,
    "MEZ": 1,
    "MESZ": 2,
    "EET": 2,
    "EEST": 3,
    "MSK": 3,
    "TRT": 3,
    "SAST": 2,
    "CAT": 2,
    "EAT": 3,
    "WAT": 1,
    "EST": -5,
    "EDT": -4,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
    "AKST": -9,
    "AKDT": -8,
    "HST": -10,
    "NST": -3.5,
    "NDT": -2.5,
    "ADT": -3,
    "BRT": -3,
    "ART": -3,
    "CLT": -4,
    "CLST": -3,
    "COT": -5,
    "PET": -5,
    "PKT": 5,
    "NPT": 5.75,
    "ICT": 7,
    "WIB": 7,
    "SGT": 8,
    "HKT": 8,
    "PHT": 8,
    "AWST": 8,
    "JST": 9,
    "KST": 9,
    "ACST": 9.5,
    "ACDT": 10.5,
    "AEST": 10,
    "AEDT": 11,
    "NZST": 12,
    "NZDT": 13,
}
SEVERAL: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "CST": {
        "North America": ("-06:00", "USD CAD MXN CDT EST EDT MST MDT PST PDT"),
        "China": ("+08:00", "CNY CNH HKT"),
    },
    "IST": {
        "India": ("+05:30", "INR"),
        "Israel": ("+02:00", "ILS IDT"),
        "Ireland": ("+01:00", "EUR GMT"),
    },
    "BST": {"Britain": ("+01:00", "GBP GMT"), "Bangladesh": ("+06:00", "BDT")},
    "AST": {"the Atlantic": ("-04:00", "CAD ADT"), "Arabia": ("+03:00", "SAR KWD QAR BHD IQD YER")},
    "GST": {"the Gulf": ("+04:00", "AED OMR"), "South Georgia": ("-02:00", "FKP")},
}
"""Names of several zones: the offset in each place, and the currencies and other zones that speak for it."""

_WITH_SUMMER: Final = {
    "EASTERN TIME": "America/New_York",
    "CENTRAL TIME": "America/Chicago",
    "MOUNTAIN TIME": "America/Denver",
    "PACIFIC TIME": "America/Los_Angeles",
}
"""Names that hold in winter and in summer; Square and Ruby on Rails write "(US & Canada)" behind them."""

_OFFSET: Final = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2}):?(\d{2})?")
_FAR_MS: Final = 10**15


@lru_cache(maxsize=1024)
def zone_of(word: str, near: str = "UTC") -> int | str:
    """Minutes ahead of UTC, or an IANA name; `near` is the zone where the word is used.

    `InputError` when the word is unknown, or stands for several zones and none of them is `near`.

    >>> zone_of("CEST"), zone_of("-0330"), zone_of("Asia/Tokyo"), zone_of("CST", "America/Chicago")
    (120, -210, 'Asia/Tokyo', -360)
    >>> zone_of("Eastern Time (US & Canada)")
    'America/New_York'
    """
    name = word.strip()
    known = _of(near).get(name.upper())
    if known is not None:
        return known
    if name.upper() in _HOURS:
        return round(60 * _HOURS[name.upper()])
    both = _WITH_SUMMER.get(name.upper().removesuffix(" (US & CANADA)"))
    if both is not None:
        return both
    offset = _OFFSET.fullmatch(name.upper())
    if offset is not None:
        minutes = 60 * int(offset[2]) + int(offset[3] or 0)
        return minutes if offset[1] == "+" else -minutes
    if name.upper() in SEVERAL:
        places = SEVERAL[name.upper()]
        raise InputError(
            f"time zone {name} may be that of {' or '.join(places)}: say which in the mapping, "
            f'zone_names = {{ {name} = "{next(iter(places.values()))[0]}" }}'
        )
    if "/" in name and _is_zone(name):
        return name
    raise InputError(f"no time zone {name[:40]!r}: use an IANA name such as Europe/Zurich, or an offset")


def check_zone(word: str, zone_names: Mapping[str, str]) -> None:
    """`InputError` unless `zone_of` knows it."""
    zone_of(zone_names.get(word, word))


@dataclass(slots=True)
class ClockOrder:
    """The local times that came before, to tell the two hours of a clock change apart by order."""

    last_ms: int | None = None
    ambiguous: bool = False
    backwards: bool = False  # newest first
    later: bool = False

    def fold(self, ms: NDArray[np.int64], repeated: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the repeated local times are the later ones."""
        out = np.zeros(len(ms), bool)
        for row in _near(repeated):
            now = int(ms[row])
            before = int(ms[row - 1]) if row else self.last_ms
            if repeated[row]:
                first = not (repeated[row - 1] if row else self.ambiguous)
                if before is None or first:
                    self.backwards = before is not None and before > now
                    self.later = self.backwards
                elif before > now and not self.backwards:
                    self.later = True
                elif before < now and self.backwards:
                    self.later = False
                out[row] = self.later
        if len(ms):
            self.last_ms, self.ambiguous = int(ms[-1]), bool(repeated[-1])
        return out


@dataclass(slots=True)
class Orders:
    """One `ClockOrder` per field and zone of a source."""

    _known: dict[tuple[str, str], ClockOrder] = field(default_factory=dict)

    def of(self, name: str, zone: str) -> ClockOrder:
        """The one of this field and zone."""
        return self._known.setdefault((name, zone), ClockOrder())


def to_utc(
    ms: NDArray[np.int64], zone: int | str, repeated: Repeated, order: ClockOrder
) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Local times of one zone as UTC, and which were moved: those that a clock change skips, to the change.

    None where none was moved.
    """
    if isinstance(zone, int):
        return ms - 60_000 * zone, None
    out = ms.copy()
    near = np.abs(ms) < _FAR_MS
    local = pa.array(ms[near], pa.timestamp("ms"))
    early, late = (_assumed(local, zone, choice) for choice in ("earliest", "latest"))
    if repeated == "order":
        out[near] = np.where(order.fold(ms[near], early != late), late, early)
    else:
        out[near] = late if repeated == "later" else early
    moved = np.zeros(len(ms), np.bool_)
    moved[near] = late != _assumed(local, zone, "latest", "earliest")
    return out, moved if moved.any() else None


def _assumed(local: Any, zone: str, ambiguous: str, nonexistent: str = "latest") -> NDArray[np.int64]:
    moments = pc.assume_timezone(local, zone, ambiguous=ambiguous, nonexistent=nonexistent)
    found: NDArray[np.int64] = moments.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return found


def _near(repeated: NDArray[np.bool_]) -> list[int]:
    return [int(row) for row in np.flatnonzero(repeated)]


@lru_cache(maxsize=256)
def _of(zone: str) -> dict[str, int]:
    """Abbreviations that a zone uses, with minutes ahead of UTC."""
    if not _is_zone(zone):
        return {}
    info = ZoneInfo(zone)
    found: dict[str, int] = {}
    for month in (1, 4, 7, 10):
        moment = datetime(2024, month, 15, tzinfo=info)
        found[(moment.tzname() or "").upper()] = (moment.utcoffset() or timedelta()) // timedelta(minutes=1)
    return found


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
