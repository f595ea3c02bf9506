"""Who may listen: so many streams, of which no caller takes all, and the oldest of the many make room."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from ringfence.api.http.problems import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

_SHARE: Final = (3, 4)  # of all places, for one caller


class Place:
    """One open stream."""

    __slots__ = ("_end", "over", "owner")

    def __init__(self, owner: str, end: Callable[[], None]) -> None:
        self.owner = owner
        self._end = end
        self.over = False

    def end(self) -> None:
        """Its place is another's now."""
        self.over = True
        self._end()


class Places:
    """The streams of one server, oldest first; on the event loop only.

    Whether anybody reads a quiet stream cannot be seen from here. So a stream is not refused because others
    were first: beyond its share, a caller's own oldest one ends, and where all places are taken, the oldest
    one of whoever has the most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._own = max(1, most * _SHARE[0] // _SHARE[1])
        self._taken: list[Place] = []

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, owner: str, end: Callable[[], None]) -> Place:
        """A place until `leave`; `end` is called where it is given up. `Refusal` (503) where none is left."""
        have = Counter(place.owner for place in self._taken)
        if self._most and have[owner] >= self._own:
            self._give_up(owner)
        elif len(self._taken) >= self._most:
            richest, count = max(have.items(), key=lambda one: one[1], default=("", 0))
            if count <= have[owner] + 1:
                raise Refusal(
                    503,
                    "too_many_streams",
                    "too many streams are open: close one",
                    headers=[(b"retry-after", b"5")],
                )
            self._give_up(richest)
        place = Place(owner, end)
        self._taken.append(place)
        return place

    def leave(self, place: Place) -> None:
        """It is free; leaving twice is allowed."""
        if place in self._taken:
            self._taken.remove(place)

    def _give_up(self, owner: str) -> None:
        oldest = next(place for place in self._taken if place.owner == owner)
        self._taken.remove(oldest)
        oldest.end()
