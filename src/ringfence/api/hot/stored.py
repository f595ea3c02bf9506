"""What the log holds, found by id or by offset: also what no projection has seen yet."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ringfence.decisions.decision import DecisionBatch, stored_offsets
from ringfence.events import codec
from ringfence.events.ids.hashing import hash_text
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.events.batch import EventBatch
    from ringfence.intake import Intake
    from ringfence.ports import EventLog

_CACHED = 32  # batches kept decoded
_SPANS = 4096  # of which it is known where they begin and end
_GUESSES = 3  # before halving


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

    def __init__(self, log: EventLog, intake: Intake, seed: int, kept: Callable[[str], str]) -> None:
        """`kept` gives a transaction's id as the log has it."""
        self._kept = kept
        self._log = log
        self._intake = intake
        self._seed = seed
        self._span = lru_cache(maxsize=_SPANS)(self._read_span)
        self._decisions = lru_cache(maxsize=_CACHED)(self._read_decisions)
        self._events = lru_cache(maxsize=_CACHED)(self._read_events)

    def decision_of(self, transaction_id: str) -> StoredDecision | None:
        """The decision on a transaction, None where the log has none (any more)."""
        transaction_id = self._kept(transaction_id)
        for offset in self._intake.seen.offsets_of(hash_text(transaction_id, self._seed)):
            found = self.decision_at(offset)
            if (
                found is not None
                and found.batch.table.column("transaction_id")[found.row].as_py() == transaction_id
            ):
                return found
        return None

    def decision_at(self, event_offset: int) -> StoredDecision | None:
        """The decision on the event at an offset, found from its neighbours: decisions are in their order."""
        low, high = self._log.start_offset(DECISIONS), self._log.end_offset(DECISIONS)
        probes, guess = 0, event_offset  # right where every event is a transaction, as nearly all are
        while low < high:
            base, after, first, last = self._span(min(max(guess, low), high - 1))
            if event_offset < first:
                high, guess = base, base - (first - event_offset)
            elif event_offset > last:
                low, guess = after, after + (event_offset - last) - 1
            else:
                return self._row(base, event_offset)
            probes += 1
            if probes > _GUESSES:
                guess = (low + high) // 2
        return None

    def _row(self, base: int, event_offset: int) -> StoredDecision | None:
        batch = self._decisions(base)
        offsets = batch.table.column("offset").to_numpy()
        row = int(np.searchsorted(offsets, event_offset))
        return StoredDecision(batch, row, base + row) if offsets[row] == event_offset else None

    def event_at(self, offset: int) -> StoredEvent | None:
        """The event at an offset."""
        if not self._log.start_offset(EVENTS) <= offset < self._log.end_offset(EVENTS):
            return None
        base, events = self._events(offset)
        return StoredEvent(events, offset - base)

    def _read_span(self, position: int) -> tuple[int, int, int, int]:
        batch = next(iter(self._log.read(DECISIONS, position)))
        offsets = stored_offsets(batch.payload)
        return batch.base_offset, batch.next_offset, int(offsets[0]), int(offsets[-1])

    def _read_decisions(self, base: int) -> DecisionBatch:
        return DecisionBatch.decode(next(iter(self._log.read(DECISIONS, base))).payload)

    def _read_events(self, offset: int) -> tuple[int, EventBatch]:
        batch = next(iter(self._log.read(EVENTS, offset)))
        return batch.base_offset, codec.decode(batch.payload)
