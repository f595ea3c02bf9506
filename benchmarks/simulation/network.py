"""Messages between clients and the server: late, lost, doubled, in another order, or cut off for a while."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

LONGEST_MS = 400


@dataclass
class Network:
    """What is under way, by when it arrives."""

    chance: Random
    under_way: list[tuple[int, int, str, Any]] = field(default_factory=list)
    cut_until_ms: int = 0
    is_calm: bool = False  # everything arrives once
    _number: int = 0

    def send(self, now_ms: int, to: str, message: Any) -> None:
        """On its way, or not."""
        if not self.is_calm and (now_ms < self.cut_until_ms or self.chance.random() < 0.1):
            return
        for _ in range(1 if self.is_calm or self.chance.random() > 0.1 else 2):
            self._number += 1
            late = 1 if self.is_calm else self.chance.randint(1, LONGEST_MS)
            self.under_way.append((now_ms + late, self._number, to, message))

    def arrived(self, now_ms: int) -> list[tuple[str, Any]]:
        """What has arrived by now, in the order of arrival."""
        due = sorted(one for one in self.under_way if one[0] <= now_ms)
        self.under_way = [one for one in self.under_way if one[0] > now_ms]
        return [(to, message) for _, _, to, message in due]
