"""The feature engine: events in log order in, exact features out.

    engine = Engine(spec)
    values = engine.measure(batch)  # float64, (features, transactions of the batch), NaN for null

A batch may hold any events; transactions are measured, labels are applied at their place, the rest is passed
over. What comes out depends only on the events and their order, never on how they were batched.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.compute as pc

from ringfence.events.clock import StreamClock
from ringfence.events.ids.hashing import hash_text
from ringfence.events.model import Kind
from ringfence.features import cell as cells
from ringfence.features import state as states
from ringfence.features.calendar import begun
from ringfence.features.early_labels import EarlyLabels
from ringfence.features.growth import Growth
from ringfence.features.kernel import layout as at
from ringfence.features.kernel.labels import known_ids
from ringfence.features.kernel.measure import forget_expired, measure
from ringfence.features.kernel.observe import observe
from ringfence.features.program import tables_of
from ringfence.features.rows import InputRows, key_hashes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import FeatureSpec

_CHUNK = 8192


class Engine:
    """Exact streaming features of one specification. Not thread-safe; a call lets other threads run."""

    def __init__(self, spec: FeatureSpec, seed: int = 0, *, ring: int = states.SMALLEST_RING) -> None:
        """`seed` keys the hashes of ids; `ring` is the room for events to begin with, a power of two."""
        self.spec = spec
        self.seed = seed
        self._compiled = tables_of(spec)
        self._rows = InputRows(spec, seed)
        self._state = states.fresh(self._compiled, ring)
        self._growth = Growth()
        self._oldest = 0
        self._clock = StreamClock()
        self._early = EarlyLabels()

    def advance(self, batch: EventBatch) -> NDArray[np.int64]:
        """The stream's clock after each of the batch's transactions, for `measure`; once, before it."""
        payments = batch if batch.only_payments else batch.take(batch.is_transaction)
        return self._clock.advance(payments)

    def measure(self, batch: EventBatch, clock: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Features of the batch's transactions in order, shape (features, transactions).

        `clock` is what lateness and forgetting go by, after each of the transactions (ms); without it the
        engine's own (`advance`).
        """
        rows, places = self._input(batch, self.advance(batch) if clock is None else clock)
        count = (
            len(rows) if batch.only_payments else int(np.count_nonzero(rows[:, at.IN_KIND] == at.IS_EVENT))
        )
        out = np.empty((len(self.spec.features), count))
        if len(self.spec.entities):
            self.run(rows, places, out)
        return out

    def hash(self, batch: EventBatch) -> None:
        """Work out beforehand, on any thread, the hashes that `measure` asks the batch for."""
        self._rows.hash(batch)

    def run(self, rows: NDArray[np.int64], places: NDArray[np.float64], out: NDArray[np.float64]) -> None:
        """`measure` on input rows as the kernel takes them (see `kernel.layout`).

        Rows in memory that may not be written are copied: to Numba they are of another type, for which it
        would compile every kernel once more.
        """
        program = self._compiled.program
        rows = rows if rows.flags.writeable else rows.copy()
        places = places if places.flags.writeable else places.copy()
        column = 0
        for begin in range(0, len(rows), _CHUNK):
            chunk = rows[begin : begin + _CHUNK]
            spots = places[begin : begin + _CHUNK] if self._compiled.needs_places else places
            self._oldest = int(forget_expired(self._state, program))
            self._state = self._growth.ring(self._state, self._oldest, len(chunk))
            self._state = self._growth.step(self._state, len(chunk))
            start = 0
            while start < len(chunk):
                start, column, need = measure(self._state, program, chunk, spots, start, out, column)
                if need != at.DONE:
                    self._state = self._growth.make_room(self._state, need)

    def observe(self, entity: str, identity: str, time_ms: int) -> dict[str, float]:
        """Features of one key as of a time: what an event without any content would see, itself not counted.

        NaN for null, and for what compares the event with the past. The state does not change. Empty for an
        entity that the specification does not have.

        >>> from ringfence.features.spec import FeatureSpec, entity
        >>> Engine(FeatureSpec.of(entity("card").count("1h"))).observe("card", "c1", 1_700_000_000_000)
        {'card.count_1h': 0.0}
        """
        number = next((n for n, item in enumerate(self.spec.entities) if item.name == entity), None)
        if number is None or len(self.spec.entities[number].keys) > 1:
            return {}
        key = hash_text(identity, self.seed)
        self._state = self._growth.ring(self._state, self._oldest, 1)
        at_once = np.array([time_ms])
        starts = [
            begun(at_once, one.period, one.zone or self.spec.zone)[0] for one in self._compiled.calendars
        ]
        states.blank_next(
            self._state, self._compiled, time_ms, self._hour(time_ms), np.array(starts, np.int64)
        )
        out = np.empty((len(self.spec.features), 1))
        observe(self._state, self._compiled.program, number, key, out)
        return {
            feature.name: float(out[place, 0])
            for place, feature in enumerate(self.spec.features)
            if feature.entity == entity
        }

    def key_hashes(self, batch: EventBatch) -> NDArray[np.int64]:
        """The key of each of the batch's transactions, 0 where it has none, for an engine of one entity.

        Signed 64-bit hashes, by which a host routes (`cell.shard_of`) and names keys to `take`.
        """
        keys = cells.only_entity(self.spec).keys
        return key_hashes(batch.take(batch.is_transaction), keys, self.seed)

    @property
    def keys(self) -> NDArray[np.int64]:
        """Hashes of the keys held, sorted, for an engine of one entity."""
        return cells.keys_of(self._state, self._compiled)

    def take(self, keys: Sequence[int] | NDArray[np.int64]) -> bytes:
        """The state of keys, by their hashes, for another's `put`: a cell. This engine has forgotten them.

        Every later feature is what it would have been here, bit for bit, if both engines are given the
        stream's clock and the keys' labels. Keys that are not held are passed over. CellError, and nothing
        is taken, if they would not fit into a cell (`cell.MOST_BYTES`) or the engine has several entities.

        >>> from ringfence.features.spec import FeatureSpec, entity
        >>> spec = FeatureSpec.of(entity("card").count("1h"))
        >>> here, there = Engine(spec), Engine(spec)
        >>> there.put(here.take([hash_text("c1", here.seed)]))
        """
        cell = cells.taken(self._state, self._compiled, np.array(keys, np.int64), cells.MOST_BYTES)
        return cell.to_bytes(self._compiled, self.seed)

    def put(self, cell: bytes) -> None:
        """Know the keys of a cell that an engine of the same specification and seed gave.

        Labels of their transactions that came here meanwhile count. CellError or CorruptError, and nothing
        changes, if the cell belongs elsewhere or is damaged, or one of its keys is here already.
        """
        self._put(cells.Cell.from_bytes(cell, self._compiled, self.seed))

    def split(self, shards: int) -> list[Engine]:
        """New engines that share this one's keys as `cell.shard_of` says; this one has none then."""
        keys, parts = self.keys, []
        numbers = cells.shard_of(keys, shards)
        for number in range(shards):
            part = Engine(self.spec, self.seed)
            part._take_over(self, keys[numbers == number])
            parts.append(part)
        return parts

    def merge(self, others: Iterable[Engine]) -> None:
        """Know all keys of other engines, which have none then."""
        for other in others:
            self._take_over(other, other.keys)

    def _take_over(self, other: Engine, keys: NDArray[np.int64]) -> None:
        """Know keys of another engine, what time it is there, and which labels wait."""
        self._put(cells.taken(other._state, other._compiled, keys))
        self._clock = max(self._clock, other._clock, key=lambda clock: clock.now_ms or 0).copy()
        self._early.adopt(other._early, self._knows)

    def _put(self, cell: cells.Cell) -> None:
        """Measure a cell's events again, for the state that they leave behind."""
        if not len(cell.rows):
            return
        compiled, watermark = self._compiled, int(self._state.counters[at.WATERMARK])
        cells.make_way(self._state, compiled, cell)
        if self._early:
            words = cell.rows[:, at.IN_ROW :]
            row_of = {key: row for row, key in enumerate(words[:, compiled.id_word].tolist())}
            self._early.settle(row_of, words[:, compiled.marks_word])
        out = np.empty((len(self.spec.features), _CHUNK))
        for begin in range(0, len(cell.rows), _CHUNK):
            spots = cell.places[begin : begin + _CHUNK] if compiled.needs_places else cell.places
            self.run(cell.rows[begin : begin + _CHUNK], spots, out)
        self._state.counters[at.WATERMARK] = (
            cell.clock_ms if watermark == at.LONG_AGO else min(watermark, cell.clock_ms)
        )

    def compile(self, kernel: Any) -> None:
        """Have a kernel compiled as it is called here, without any event."""
        rows, places = np.empty((0, self._compiled.input_columns), np.int64), np.empty((1, 2))
        out = np.empty((len(self.spec.features), 1))
        arguments = {measure: (rows, places, 0, out, 0), forget_expired: (), observe: (0, 0, out)}
        kernel(self._state, self._compiled.program, *arguments[kernel])

    def _hour(self, time_ms: int) -> int:
        return datetime.fromtimestamp(time_ms / 1000, ZoneInfo(self.spec.zone)).hour

    def _input(
        self, batch: EventBatch, clock: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The batch's transactions and labels as the kernel takes them."""
        if not batch.only_payments:
            wanted = batch.kind == Kind.TRANSACTION
            if self._compiled.needs_labels:
                wanted |= batch.kind == Kind.LABEL
            if not wanted.all():
                batch = batch.take(wanted)
        rows, places = self._rows.of(batch)
        rows[batch.is_transaction, at.IN_CLOCK] = clock
        if self._compiled.id_word >= 0:
            self._place_labels(batch, rows)
        return rows, places

    def _place_labels(self, batch: EventBatch, rows: NDArray[np.int64]) -> None:
        """Put labels into their rows, those that came before their transaction into the transaction's row."""
        ids, marks = (
            rows[:, at.IN_ROW + self._compiled.id_word],
            rows[:, at.IN_ROW + self._compiled.marks_word],
        )
        if batch.only_payments and not self._early:
            return
        is_label = rows[:, at.IN_KIND] == at.IS_LABEL
        labelled = np.flatnonzero(is_label)
        fraud = (
            pc.fill_null(batch.column("label"), False)
            .to_numpy(zero_copy_only=False)[labelled]
            .astype(np.int64)
        )
        marks[labelled] = fraud
        known = self._knows(ids[labelled])
        events = np.flatnonzero(~is_label)
        first_at = (
            dict(zip(ids[events][::-1].tolist(), events[::-1].tolist(), strict=True))
            if not known.all() or self._early
            else {}
        )
        for row, label in zip(labelled[~known].tolist(), fraud[~known].tolist(), strict=True):
            if first_at.get(int(ids[row]), len(rows)) > row:
                self._early.note(int(ids[row]), label)
        self._early.settle(first_at, marks)

    def _knows(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which transactions a label may name, by the hashes of their ids."""
        known = np.zeros(len(ids), np.bool_)
        known_ids(self._state, self._compiled.program, ids, known)
        return known

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Views of the whole state, valid until the next call, for `from_arrays`."""
        found = states.to_arrays(self._state, self._oldest)
        found["clock"] = self._clock.to_array()
        found["early_ids"], found["early_labels"] = self._early.to_arrays()
        return found

    @classmethod
    def from_arrays(cls, spec: FeatureSpec, seed: int, arrays: Mapping[str, NDArray[Any]]) -> Engine:
        """The engine whose `arrays` these were."""
        engine = cls(spec, seed)
        engine._state, engine._oldest = states.from_arrays(engine._compiled, arrays)
        engine._clock = (
            StreamClock.from_array(arrays["clock"])
            if "clock" in arrays  # a snapshot of before it had one
            else StreamClock.at(int(engine._state.counters[at.WATERMARK]))
        )
        engine._early = EarlyLabels.from_arrays(arrays["early_ids"], arrays["early_labels"])
        return engine

    @property
    def clock(self) -> StreamClock:
        """The stream's clock behind the events measured so far; a copy."""
        return self._clock.copy()

    @property
    def size(self) -> dict[str, int]:
        """Events and keys held, and bytes of memory reserved for them."""
        counters = self._state.counters
        return {
            "events": int(counters[at.SEQ_END]) - self._oldest,
            "keys": int(counters[at.KEYS]),
            "bytes": states.nbytes(self._state),
            "bytes_used": sum(array.nbytes for array in self.arrays().values()),
        }
