"""One batch on its way through the stages, run of payments by run of payments."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from ringfence.events.activation import is_activation
from ringfence.events.batch import EventBatch
from ringfence.scoring.columns import Columns
from ringfence.scoring.reference import segments

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.reference import Reference


_LEAST: Final = 32  # events of a run behind one that was cut short


class Walked(Protocol):
    """As much of a `Walk` as its passages need."""

    offset: int

    @property
    def spec(self) -> FeatureSpec: ...

    @property
    def reference(self) -> Reference: ...

    def measure(self, events: EventBatch) -> NDArray[np.float64]: ...

    def hear(self, events: EventBatch, offset: int, *, control: bool) -> list[pa.RecordBatch]: ...


class Run:
    """Payments between which nothing happens that one of them would have to know of.

    Every stage is as it was before the first of them.

    Attributes:
        begin: place of the first among the payments of the batch.
        features: what was measured of them, float64 (features, n); not contiguous.
    """

    def __init__(
        self, walk: Walked, events: EventBatch, offset: int, begin: int, features: NDArray[np.float64]
    ) -> None:
        """`events` may hold labels beside the payments; the first one has the log offset `offset`."""
        self._walk = walk
        self._events = events
        self._offset = offset
        self.begin = begin
        self.features = features
        self.stop = len(events)  # of the events that are dealt with
        self.taken = features.shape[1]  # payments that are
        self.behind: EventBatch | None = None

    def __len__(self) -> int:
        return self.features.shape[1]

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Where the payments are among the events of the run."""
        if len(self) == len(self._events):
            return np.arange(len(self))
        return np.flatnonzero(self._events.is_transaction)

    @cached_property
    def payments(self) -> EventBatch:
        """The payments."""
        return self._events if len(self) == len(self._events) else self._events.take(self.rows)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Of the payments in the log, int64 (n,)."""
        return self._offset + self.rows

    def columns(self, zone: str | None = None, count: int | None = None) -> Columns:
        """What rules and models ask about the payments, or the first `count` of them.

        Local times are in `zone`, the specification's without it.
        """
        payments = self.payments if count is None else self.payments.slice(0, count)
        spec, reference = self._walk.spec, self._walk.reference
        return Columns(payments, spec, self.features[:, :count], reference, zone or spec.zone)

    def cut(self, count: int, events: EventBatch) -> None:
        """End the run after its first `count` payments; these control events are next in the log.

        The other payments come again, in a run of their own.
        """
        self.stop = int(self.rows[count - 1]) + 1
        self.taken = count
        self.behind = events


class Passage:
    """Iterate once, to the end: `walk.offset` is behind the batch then.

    Attributes:
        matches: earlier payments that flags of the batch turned out to cover (`FLAG_MATCH_SCHEMA`).
    """

    def __init__(self, walk: Walked, events: EventBatch, known: NDArray[np.float64] | None) -> None:
        """See `Walk.over`."""
        self._walk = walk
        self._events = events
        self._known = known
        self._offset = walk.offset  # of the next event to be heard
        self._put: list[tuple[int, EventBatch]] = []
        self.matches: list[pa.RecordBatch] = []

    def __iter__(self) -> Iterator[Run]:
        walk, events = self._walk, self._events
        if is_activation(events):  # what decides is no stage's business
            walk.offset += len(events)
            return
        known = walk.measure(events) if self._known is None else self._known
        begin = 0
        for start, stop, control in segments(events):
            if control:
                self._hear(self._piece(start, stop), control=True)
            else:
                begin = yield from self._runs(start, stop, begin, known)
        walk.offset = self._offset

    @property
    def logged(self) -> EventBatch:
        """The batch as it is to be logged: what was put between its payments stands at its place."""
        if not self._put:
            return self._events
        parts, done = [], 0
        for place, events in self._put:
            parts += [self._piece(done, place), events]
            done = place
        return EventBatch.concat(
            [part for part in (*parts, self._piece(done, len(self._events))) if len(part)]
        )

    @property
    def put(self) -> list[tuple[int, int]]:
        """Before which row of the batch, as it came, how many events were put; by place."""
        return [(place, len(events)) for place, events in self._put]

    def _runs(
        self, start: int, stop: int, begin: int, known: NDArray[np.float64]
    ) -> Generator[Run, None, int]:
        """Rows `start` to `stop` of the batch, their first payment at place `begin`; gives the next one's.

        All at once, until a run is cut: then the next one looks twice as far as that one got, so that no more
        is looked at in vain than is dealt with.
        """
        width = stop - start
        while start < stop:
            piece = self._piece(start, min(start + width, stop))
            count = len(piece) if piece.only_payments else int(np.count_nonzero(piece.is_transaction))
            run = Run(self._walk, piece, self._offset, begin, known[:, begin : begin + count])
            if count:
                yield run
            self._hear(piece if run.stop == len(piece) else piece.slice(0, run.stop), control=False)
            start += run.stop
            begin += run.taken
            if run.behind is None:
                width *= 2
            else:
                self._hear(run.behind, control=True)
                self._put.append((start, run.behind))
                width = max(_LEAST, 2 * run.stop)
        return begin

    def _piece(self, start: int, stop: int) -> EventBatch:
        whole = stop - start == len(self._events)
        return self._events if whole else self._events.slice(start, stop)

    def _hear(self, events: EventBatch, *, control: bool) -> None:
        self.matches += self._walk.hear(events, self._offset, control=control)
        self._offset += len(events)
