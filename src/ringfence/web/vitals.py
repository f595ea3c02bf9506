"""How the server has been in the last minutes, noted once a second."""

from __future__ import annotations

import os
import time
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ringfence.walk import STAGES as WALK

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTES: Final = 10
STAGES: Final = tuple(
    dict.fromkeys(("admit", *(stage.verb for stage in WALK), "score", "judge", "decide", "encode", "commit"))
)
_WINDOW_SECONDS: Final = 60


class Sign(NamedTuple):
    """The state of counters at one moment."""

    at: float
    offset: int
    waiting: int
    seconds: dict[str, float]


class Vitals:
    """Written and read on the event loop."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self._signs: deque[Sign] = deque(maxlen=MINUTES * 60)

    def note(self, offset: int, waiting: int, seconds: Mapping[str, float]) -> None:
        """Note events decided, payments waiting and seconds spent by stage, once a second at most."""
        now = time.monotonic()
        if self._signs and now - self._signs[-1].at < 0.9:
            return
        self._signs.append(Sign(now, offset, waiting, dict(seconds)))

    @property
    def up_seconds(self) -> float:
        return time.monotonic() - self.begun

    def series(self) -> dict[str, list[Any]]:
        """Events per second and queue length, by seconds before now."""
        signs = list(self._signs)
        pairs = list(pairwise(signs))
        return {
            "age": [round(after.at - signs[-1].at) for _, after in pairs],
            "rate": [round((b.offset - a.offset) / (b.at - a.at), 1) for a, b in pairs],
            "waiting": [after.waiting for _, after in pairs],
        }

    def stages(self) -> list[tuple[str, float, float]]:
        """By stage, over the last minute: share of one core, and microseconds per event."""
        if len(self._signs) < 2:
            return []
        last = self._signs[-1]
        first = next(sign for sign in self._signs if last.at - sign.at <= _WINDOW_SECONDS)
        took, events = last.at - first.at, last.offset - first.offset
        found: list[tuple[str, float, float]] = []
        for stage in (name for name in STAGES if name in last.seconds):
            spent = last.seconds[stage] - first.seconds.get(stage, 0.0)
            found.append((stage, spent / took if took else 0.0, 1e6 * spent / events if events else 0.0))
        return found


def memory_bytes() -> int | None:
    """Resident memory of this process, where the system tells."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 (no file, a window into the kernel)
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
