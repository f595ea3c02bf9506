"""What the log holds, found by id or by offset: also what no projection has seen yet."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ringfence.decisions.decision import DecisionBatch
from ringfence.events import codec
from ringfence.events.hashing import hash_text
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from ringfence.events.batch import EventBatch
    from ringfence.intake import Intake
    from ringfence.ports import EventLog

_CACHED = 32  # batches kept decoded


class StoredDecision(NamedTuple):
    """A row of a stored batch of decisions; `position` is its offset in the topic of decisions."""

    batch: DecisionBatch
    row: int
    position: int


class StoredEvent(NamedTuple):
    """A row of a stored batch of events."""

    batch: EventBatch
    row: int


class Stored:
    """Look-ups in one log. Any thread may ask."""

    def __init__(self, log: EventLog, intake: Intake, seed: int) -> None:
        self._log = log
        self._intake = intake
        self._seed = seed
        self._decisions = lru_cache(maxsize=_CACHED)(self._read_decisions)
        self._events = lru_cache(maxsize=_CACHED)(self._read_events)

    def decision_of(self, transaction_id: str) -> StoredDecision | None:
        """The decision on a transaction, None where the log has none (any more)."""
        for offset in self._intake.seen.offsets_of(hash_text(transaction_id, self._seed)):
            found = self.decision_at(offset)
            if (
                found is not None
                and found.batch.table.column("transaction_id")[found.row].as_py() == transaction_id
            ):
                return found
        return None

    def decision_at(self, event_offset: int) -> StoredDecision | None:
        """The decision on the event at an offset, by bisection: decisions are in the order of events."""
        low, high = self._log.start_offset(DECISIONS), self._log.end_offset(DECISIONS)
        guess = min(event_offset, high - 1)  # right where every event is a transaction
        while low < high:
            base, after, batch = self._decisions(min(max(guess, low), high - 1))
            offsets = batch.table.column("offset").to_numpy()
            if event_offset < offsets[0]:
                high = base
            elif event_offset > offsets[-1]:
                low = after
            else:
                row = int(np.searchsorted(offsets, event_offset))
                return StoredDecision(batch, row, base + row) if offsets[row] == event_offset else None
            guess = (low + high) // 2
        return None

    def event_at(self, offset: int) -> StoredEvent | None:
        """The event at an offset."""
        if not self._log.start_offset(EVENTS) <= offset < self._log.end_offset(EVENTS):
            return None
        base, events = self._events(offset)
        return StoredEvent(events, offset - base)

    def _read_decisions(self, position: int) -> tuple[int, int, DecisionBatch]:
        batch = next(iter(self._log.read(DECISIONS, position)))
        return batch.base_offset, batch.next_offset, DecisionBatch.decode(batch.payload)

    def _read_events(self, offset: int) -> tuple[int, EventBatch]:
        batch = next(iter(self._log.read(EVENTS, offset)))
        return batch.base_offset, codec.decode(batch.payload)
