"""How many list entries each rule has made by itself, day by day: what its cap is counted against."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY_MS: Final = 86_400_000
_KEPT_DAYS: Final = 8  # back from the latest; an entry dated earlier finds its day's cap untouched


class Added:
    """Entries by rule and UTC day.

    >>> added = Added()
    >>> added.count([("testers", 5 * DAY_MS), ("testers", 5 * DAY_MS + 1), ("testers", 6 * DAY_MS)])
    >>> added.on("testers", 5), added.on("testers", 6), added.on("other", 5)
    (2, 1, 0)
    """

    def __init__(self) -> None:
        self._days: dict[int, dict[str, int]] = {}

    def count(self, entries: Iterable[tuple[str, int]]) -> None:
        """Take in entries: the rule that made each, and its time in ms."""
        for rule, time_ms in entries:
            of_day = self._days.setdefault(time_ms // DAY_MS, {})
            of_day[rule] = of_day.get(rule, 0) + 1
        latest = max(self._days, default=0)
        for day in [day for day in self._days if day <= latest - _KEPT_DAYS]:
            del self._days[day]

    def on(self, rule: str, day: int) -> int:
        """Entries that a rule has made on a day (days since 1970)."""
        return self._days.get(day, {}).get(rule, 0)

    def to_arrays(self) -> dict[str, Any]:
        """State as arrays; `from_arrays` gives it back."""
        return {"added.json": np.frombuffer(json.dumps(self._days).encode(), np.uint8)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any]) -> Added:
        """The state that `to_arrays` wrote."""
        added = cls()
        added._days = {int(day): counts for day, counts in json.loads(arrays["added.json"].tobytes()).items()}
        return added
