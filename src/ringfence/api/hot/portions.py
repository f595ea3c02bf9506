"""How many records of a batch go through one step: those who pay one by one wait for it to end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.api.hot.records import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.events.bad import BadRecord
    from ringfence.events.batch import EventBatch

_LONGEST_SECONDS: Final = 0.010  # a step of a batch, while payments come one by one
_FEWEST: Final = 256  # records: with fewer, a step would be little but its commit
_RECENT_SECONDS: Final = 1.0


class Portions:
    """Learns from the steps of before; as many records as there are, where nobody pays one by one.

    >>> portions = Portions()
    >>> portions.heard(now=5.0)
    >>> portions.took(4096, seconds=0.04)
    >>> portions.rows(now=5.1), portions.rows(now=9.0)
    (1024, 4096)
    """

    def __init__(self) -> None:
        self._rows = CHUNK
        self._heard = float("-inf")

    def heard(self, now: float) -> None:
        """Somebody asks about one payment, at a time in seconds."""
        self._heard = now

    def took(self, rows: int, seconds: float) -> None:
        """How long a step of a batch kept the others waiting."""
        if seconds > _LONGEST_SECONDS:
            self._rows = max(_FEWEST, int(rows * _LONGEST_SECONDS / seconds))
        elif rows >= self._rows:
            self._rows = min(CHUNK, 2 * self._rows)

    def rows(self, now: float) -> int:
        """Records of the next step of a batch."""
        return self._rows if self.hears(now) else CHUNK

    def hears(self, now: float) -> bool:
        """Whether somebody pays one by one."""
        return now - self._heard < _RECENT_SECONDS


@dataclass(frozen=True, slots=True)
class Portion:
    """Some records of a piece, decoded."""

    lines: Sequence[bytes]
    events: EventBatch
    bad: list[BadRecord]


def cut(lines: Sequence[bytes], events: EventBatch, bad: list[BadRecord], rows: int) -> Iterator[Portion]:
    """A decoded piece in portions of at most so many records, in order.

    `bad` are at their positions from 0, and every other line has become one event.
    """
    if len(lines) <= rows:
        yield Portion(lines, events, bad)
        return
    is_good = np.ones(len(lines), np.bool_)
    is_good[[record.position for record in bad]] = False
    place = np.append(0, np.cumsum(is_good))  # of each line's event
    refused = iter(bad)
    held = next(refused, None)
    texts = list(lines)
    for begin in range(0, len(lines), rows):
        end = min(begin + rows, len(lines))
        here = []
        while held is not None and held.position < end:
            here.append(replace(held, position=held.position - begin))
            held = next(refused, None)
        first, last = int(place[begin]), int(place[end])
        yield Portion(texts[begin:end], events.slice(first, last), here)
