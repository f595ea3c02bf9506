"""Recent transactions by entity, so that a flag that arrives late still finds those that it covers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ringfence.features.memory import zeros
from ringfence.features.spec import ENTITY_KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.events.batch import EventBatch
    from ringfence.scoring.reference.flags import Flags

REMEMBERED: Final = ("account", "customer", "card")
"""Entity types whose recent transactions a late flag is matched with."""

KEEP_MS: Final = 7 * 86_400_000
KEEP_COUNT: Final = 1 << 20
_NEVER: Final = np.iinfo(np.int64).min

FLAG_MATCH_SCHEMA: Final = pa.schema(
    [
        pa.field("transaction_offset", pa.int64(), nullable=False),
        pa.field("transaction_time_ms", pa.int64(), nullable=False),
        pa.field("entity_type", pa.string(), nullable=False),
        pa.field("entity_id", pa.string(), nullable=False),
        pa.field("flag_offset", pa.int64(), nullable=False),
        pa.field("flag_since_ms", pa.int64(), nullable=False),
    ]
)
"""Rows of topic "flag_matches": transactions decided before the flag that covers them arrived."""


@dataclass(frozen=True, slots=True)
class NewFlag:
    """A flag as it arrives."""

    offset: int
    entity_type: str
    entity_id: str
    id_hash: int
    since_ms: int
    until_ms: int


class Recent:
    """The last transactions, a ring of at most `keep_count`, none older than `keep_ms` before the newest."""

    def __init__(self, keep_ms: int = KEEP_MS, keep_count: int = KEEP_COUNT) -> None:
        self.keep_ms, self.keep_count = keep_ms, keep_count
        self.seen = 0  # transactions ever remembered: the ring's write position, modulo its size once full
        self.newest_ms = _NEVER
        # The whole ring: the system gives memory to what is written, so that no transaction waits for growth.
        self.offset: Any = zeros(keep_count, np.int64)
        self.time_ms: Any = zeros(keep_count, np.int64)
        self.ids: list[Any] = [zeros(keep_count, np.int64) for _ in REMEMBERED]
        self.matched: list[Any] = [zeros(keep_count, np.uint8) for _ in REMEMBERED]  # known to be flagged

    def remember(self, batch: EventBatch, base_offset: int, flags: Flags, seed: int) -> None:
        """Keep the transactions of a batch whose row i has log offset `base_offset + i`."""
        rows = np.arange(len(batch)) if batch.only_payments else np.flatnonzero(batch.is_transaction)
        rows = rows[-self.keep_count :]
        if not rows.size:
            return
        times = batch.event_time_ms[rows]
        self.newest_ms = max(self.newest_ms, int(times.max()))
        slots = np.arange(self.seen, self.seen + rows.size) % self.keep_count
        self.offset[slots] = base_offset + rows
        self.time_ms[slots] = times
        for number, entity_type in enumerate(REMEMBERED):
            ids = batch.hashes(ENTITY_KEYS[entity_type], seed)[rows]
            self.ids[number][slots] = ids
            flagged = flags.any_of(entity_type) and flags.since(entity_type, ids, times) != _NEVER
            self.matched[number][slots] = flagged
        self.seen += rows.size

    def match(self, new: Sequence[NewFlag]) -> pa.RecordBatch:
        """Remembered transactions that these flags cover, once per entity type, by flag and log order."""
        rows = []
        for number, entity_type in enumerate(REMEMBERED):
            flags = [flag for flag in new if flag.entity_type == entity_type]
            if flags and self.seen:
                rows += self._match_type(number, flags)
        rows.sort()
        columns: list[Any] = list(
            zip(
                *((o, t, f.entity_type, f.entity_id, f.offset, f.since_ms) for _, o, t, f in rows),
                strict=True,
            )
        )
        arrays = [
            pa.array(values, kind.type)
            for values, kind in zip(columns or [[]] * 6, FLAG_MATCH_SCHEMA, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=FLAG_MATCH_SCHEMA)

    def _match_type(
        self, number: int, flags: list[NewFlag]
    ) -> list[tuple[tuple[int, int], int, int, NewFlag]]:
        held = min(self.seen, self.keep_count)
        ids, matched = self.ids[number][:held], self.matched[number]
        open_rows = np.flatnonzero(
            np.isin(ids, np.array([flag.id_hash for flag in flags])) & (matched[:held] == 0)
        )
        open_rows = open_rows[self.time_ms[open_rows] > self.newest_ms - self.keep_ms]
        found = []
        for flag in flags:
            times = self.time_ms[open_rows]
            covered = (ids[open_rows] == flag.id_hash) & (times >= flag.since_ms) & (times < flag.until_ms)
            for row in open_rows[covered].tolist():
                offset = int(self.offset[row])
                found.append(((flag.offset, offset), offset, int(self.time_ms[row]), flag))
            matched[open_rows[covered]] = 1
            open_rows = open_rows[~covered]
        return found

    def to_arrays(self) -> dict[str, Any]:
        """State as arrays; `from_arrays` gives it back."""
        held = min(self.seen, self.keep_count)
        out: dict[str, Any] = {
            "recent.position": np.array([self.seen, self.newest_ms, self.keep_ms, self.keep_count]),
            "recent.offset": self.offset[:held],
            "recent.time_ms": self.time_ms[:held],
        }
        for number, entity_type in enumerate(REMEMBERED):
            out[f"recent.{entity_type}.ids"] = self.ids[number][:held]
            out[f"recent.{entity_type}.matched"] = self.matched[number][:held]
        return out

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any]) -> Recent:
        """The state that `to_arrays` wrote."""
        seen, newest_ms, keep_ms, keep_count = arrays["recent.position"].tolist()
        recent = cls(keep_ms, keep_count)
        recent.seen, recent.newest_ms = seen, newest_ms
        held = min(seen, keep_count)
        recent.offset[:held], recent.time_ms[:held] = arrays["recent.offset"], arrays["recent.time_ms"]
        for number, entity_type in enumerate(REMEMBERED):
            recent.ids[number][:held] = arrays[f"recent.{entity_type}.ids"]
            recent.matched[number][:held] = arrays[f"recent.{entity_type}.matched"]
        return recent
