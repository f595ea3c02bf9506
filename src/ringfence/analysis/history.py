"""The log again, as rules saw it: payments with their stored decisions, features and the state of lists.

Features come from the stored decisions. Those that no stored decision has are measured again, by the engine
and from the beginning of the log, so they are what they would have been, point in time.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.analysis.clearing import related
from ringfence.events import codec
from ringfence.events.activation import is_activation
from ringfence.events.model import Kind
from ringfence.features.links import GRAPH
from ringfence.features.spec import FeatureSpec
from ringfence.ports import EVENTS
from ringfence.replay import paired
from ringfence.scoring.columns import Columns
from ringfence.threads import ahead
from ringfence.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from ringfence.decisions.decision import DecisionBatch
    from ringfence.events.batch import EventBatch
    from ringfence.ports import EventLog
    from ringfence.scoring.reference import Lookups, Reference
    from ringfence.walk import Run

MOST_READ: Final = 250_000
"""Events that are read, a quarter of a second, for what an analyst waits for."""

_AHEAD: Final = 4  # batches read before they are judged
_NO_FEATURES: Final = FeatureSpec((), ())


class StoredColumns(Columns):
    """Payments as rules see them, with the features and the model's score of their stored decisions."""

    def __init__(
        self,
        transactions: EventBatch,
        stored: pa.RecordBatch,
        reference: Lookups,
        zone: str,
        measured: Mapping[str, NDArray[np.float64]],
    ) -> None:
        """`measured` go before what is stored."""
        nothing = np.empty((0, len(transactions)))
        super().__init__(transactions, _NO_FEATURES, nothing, reference, zone, measured)
        self.stored = stored

    def _number(self, name: str) -> Any:
        if name in ("model.probability", "model.score"):
            said = self.stored.column("probability").to_numpy(zero_copy_only=False)
            return said if name == "model.probability" else 100 * said
        if "." in name and self.stored.schema.get_field_index(name) >= 0:
            return self.stored.column(name).to_numpy(zero_copy_only=False)
        return super()._number(name)

    def in_zone(self, zone: str) -> StoredColumns:
        """The same payments for rules of another time zone."""
        if zone == self.zone:
            return self
        measured = {name: values for name, values in self._numbers.items() if "." in name}
        return StoredColumns(self.transactions, self.stored, self.reference, zone, measured)


@dataclass(slots=True)
class Past:
    """What of the log is walked through, and how.

    Attributes:
        log: where events and decisions are.
        seed: of the store's hashes.
        begin_ms: first event time of the payments that are wanted.
        end_ms: event time at which the wanted ones end, not included.
        measure: a specification of the features that have to be measured again, None where all are stored.
        labels: every label of the log by the hash of its transaction: whether it was fraud, and when it came.
        last_ms: greatest event time of the log.
    """

    log: EventLog
    seed: int
    begin_ms: int | None = None
    end_ms: int | None = None
    measure: FeatureSpec | None = None
    labels: dict[int, tuple[bool, int]] = field(default_factory=dict)
    last_ms: int = 0

    def payments(
        self, zone: str = "UTC", progress: Callable[[int, int], None] = lambda _done, _total: None
    ) -> Iterator[StoredColumns]:
        """Payments of the wanted time in log order, each run with the state of lists as of its place.

        Only those that have a stored decision. `labels` and `last_ms` are whole once this has ended.
        """
        walk = Walk(self.measure or _NO_FEATURES, self.seed)
        read = ahead(paired(self.log, progress), _AHEAD, lambda _seconds: None, lambda: 0.0)
        with contextlib.closing(read) as batches:
            for events, stored in batches:
                if not is_activation(events):
                    self._note(events)
                for run in walk.over(events, None if self.measure else _nothing_of(events)):
                    found = None if stored is None else self._found(run, stored, zone, walk.reference)
                    if found is not None:
                        yield found

    def _found(
        self, run: Run, stored: DecisionBatch, zone: str, reference: Reference
    ) -> StoredColumns | None:
        """The payments of a run that are wanted."""
        payments, table = run.payments, stored.table.slice(run.begin, len(run))
        wanted = self._wanted(payments.event_time_ms)
        if not wanted.any():
            return None
        names = self.measure.names if self.measure else ()
        again = dict(zip(names, run.features, strict=True))
        if not wanted.all():
            payments = payments.take(wanted)
            table = table.take(pa.array(np.flatnonzero(wanted)))
            again = {name: values[wanted] for name, values in again.items()}
        return StoredColumns(payments, table, reference, zone, again)

    def _wanted(self, times: NDArray[np.int64]) -> NDArray[np.bool_]:
        wanted = np.ones(len(times), np.bool_)
        if self.begin_ms is not None:
            wanted &= times >= self.begin_ms
        if self.end_ms is not None:
            wanted &= times < self.end_ms
        return wanted

    def _note(self, events: EventBatch) -> None:
        self.last_ms = max(self.last_ms, int(events.event_time_ms.max()))
        rows = events.kind == Kind.LABEL
        if rows.any():
            labels = events.take(rows)
            told = pc.fill_null(labels.column("label"), False).to_pylist()
            ids = labels.hashes("transaction_id", self.seed).tolist()
            times = labels.event_time_ms.tolist()
            self.labels.update(zip(ids, zip(told, times, strict=True), strict=True))


def _nothing_of(events: EventBatch) -> NDArray[np.float64]:
    """No features of the payments of a batch."""
    return np.empty((0, int(np.count_nonzero(events.is_transaction))))


def missing(wanted: Collection[str], spec: FeatureSpec, stored: Iterable[FeatureSpec]) -> FeatureSpec | None:
    """What of a specification's features must be measured again for rules that name `wanted`.

    None where every stored specification has each of them, meant alike.
    """
    known = tuple(stored)
    names = {
        name
        for name in spec.names
        if name in wanted and not (known and all(_alike(name, spec, one) for one in known))
    }
    if not names:
        return None
    lacking = tuple(feature for feature in spec.features if feature.name in names)
    entities = {feature.entity for feature in lacking}
    kept = tuple(entity for entity in spec.entities if entity.name in entities)
    graph = spec.graph if spec.graph and names.intersection(spec.graph.names) else None
    return replace(spec, entities=kept, features=lacking, graph=graph)


def _alike(name: str, one: FeatureSpec, other: FeatureSpec) -> bool:
    """Whether two specifications mean the same by a feature's name."""
    if name not in other.names:
        return False
    if name.startswith(GRAPH):
        return one.graph == other.graph
    left, right = (spec.features[spec.names.index(name)] for spec in (one, other))
    keys = [{item.name: item.keys for item in spec.entities}[left.entity] for spec in (one, other)]
    shared = [
        (spec.allowed_lateness_ms, spec.horizon_ms, spec.zone, dict(spec.decimals)) for spec in (one, other)
    ]
    return left == right and keys[0] == keys[1] and shared[0] == shared[1]


class LogScan:
    """Looks back from one place in the log: what a payment's keys did before, and the state of lists.

    Reading everything before a place takes about a second a million events; what was read of the control
    events is kept for the next question. One thread at a time.
    """

    def __init__(self, log: EventLog, seed: int) -> None:
        self._log = log
        self._seed = seed
        self._control: list[tuple[NDArray[np.int64], EventBatch]] = []  # with offsets
        self._seen = log.start_offset(EVENTS)

    def distance(self, offset: int) -> int:
        """How many events would have to be read to look back from an offset."""
        return max(offset - self._seen, 0)

    def payment(self, offset: int) -> EventBatch:
        """The event at an offset, as a batch of one row."""
        batch = next(iter(self._log.read(EVENTS, offset)))
        at = offset - batch.base_offset
        return codec.decode(batch.payload).slice(at, at + 1)

    def reference(self, offset: int) -> Reference:
        """Lists, flags and profiles as they were before the event at `offset`."""
        self._read_to(offset)
        walk = Walk(_NO_FEATURES, self._seed)
        for offsets, control in self._control:
            before = control.slice(0, int(np.searchsorted(offsets, offset)))
            walk.absorb(before, _nothing_of(before))
        return walk.reference

    def related(self, payment: EventBatch, offset: int, fields: tuple[str, ...], since_ms: int) -> EventBatch:
        """Payments up to the one at `offset` that share an id with it and are not older, and their labels."""
        batches = (
            (batch.base_offset, codec.decode(batch.payload))
            for batch in self._log.read(EVENTS, 0, offset + 1)
            if batch.last_time_ms >= since_ms
        )
        return related(batches, payment, fields, since_ms, offset, self._seed)

    def _read_to(self, offset: int) -> None:
        for batch in self._log.read(EVENTS, self._seen, offset) if offset > self._seen else ():
            if batch.base_offset < self._seen:
                continue
            events = codec.decode(batch.payload)
            self._seen = batch.next_offset
            rows = np.flatnonzero(events.is_control)
            if len(rows):
                self._control.append((batch.base_offset + rows, events.take(rows)))


class Hindsight:
    """The state of lists, flags and profiles as of a place in the log, where that is quickly known.

    Any thread may ask.
    """

    def __init__(self, log: EventLog, seed: int, most: int = MOST_READ) -> None:
        """`most` events are read for an answer."""
        self._log = log
        self._scan = LogScan(log, seed)
        self._most = most
        self._lock = Lock()

    def reference(self, offset: int) -> Reference | None:
        """As before the event at an offset; None where that takes long, or the log was trimmed."""
        with self._lock:
            if self._log.start_offset(EVENTS) or self._scan.distance(offset) > self._most:
                return None
            return self._scan.reference(offset)
