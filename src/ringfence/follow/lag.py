"""How far followers are behind, in records and in seconds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.follow.roll import DeclaredFollower

_MOST: Final = 4096  # moments that are remembered of a topic


@dataclass(frozen=True, slots=True)
class Lag:
    """Of one follower in one topic.

    Attributes:
        records: in the log and not in the target, those included that it waits for more of.
        seconds: for how long there has been enough for it to go on; 0 where there is not.
    """

    topic: str
    records: int
    seconds: float


class Lags:
    """Remembers when the log was how long. One thread at a time; `now` is in seconds on any clock."""

    def __init__(self) -> None:
        self._ends: dict[str, deque[tuple[float, int]]] = {}

    def note(self, now: float, ends: Mapping[str, int]) -> None:
        """The topics end there now."""
        for topic, end in ends.items():
            told = self._ends.setdefault(topic, deque(maxlen=_MOST))
            if not told or told[-1][1] < end:
                told.append((now, end))

    def of(self, entry: DeclaredFollower, now: float) -> list[Lag]:
        """How far one is behind in each of its topics, by what was noted."""
        return [self._lag(entry, topic, position, now) for topic, position in entry.positions.items()]

    def _lag(self, entry: DeclaredFollower, topic: str, position: int, now: float) -> Lag:
        told = self._ends.get(topic, ())
        since = next((at for at, end in told if end >= position + entry.least), None)
        records = max(0, told[-1][1] - position) if told else 0
        return Lag(topic, records, 0.0 if since is None else now - since)
