"""The last stage: chunks are put together again, and their payments scored, judged and decided.

Control events come from the order and are applied once every payment before them is decided: each payment is
judged by the lists, flags, profiles, rules and models at its place in the log. What is kept is halves of
chunks, and all control events.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.decisions.in_force import InForce
from ringfence.events.activation import is_activation, versions
from ringfence.events.model import Kind
from ringfence.intake import conflict_of
from ringfence.pipeline import causes_of
from ringfence.scoring.artifacts.models import NO_MODELS, tell
from ringfence.scoring.columns import Columns
from ringfence.scoring.reference import Reference
from ringfence.sharded.changes import BODY
from ringfence.sharded.first_stage import told
from ringfence.sharded.wire import (
    ASKS_NOTHING,
    CONTROL,
    EVENTS,
    FEATURES,
    FLOOR,
    PLACES,
    Element,
    pack,
    to_events,
    unpack,
)

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.sharded.plan import ShardedPlan

_CURSOR: Final = b"c"
_KEY: Final = struct.Struct(">cqqq")
_PLACE: Final = struct.Struct("<qq")  # control events applied, and how far every payment has been told


class _Chunk:
    """A chunk until all of its payments are decided."""

    __slots__ = ("conflicts", "done", "events", "features", "is_cut", "keys", "matrix", "places", "told")

    def __init__(self) -> None:
        self.events: EventBatch | None = None
        self.places: NDArray[np.int64] | None = None  # offset, stream's clock, epoch
        self.conflicts = np.empty(0, np.int64)
        self.features: list[list[NDArray[Any]]] = []
        self.told = 0  # shards that have told theirs
        self.matrix: NDArray[np.float64] | None = None
        self.keys: list[bytes] = []
        self.done = 0  # payments decided
        self.is_cut = False  # whether the state knows that some are

    def is_whole(self, shards: int) -> bool:
        """Whether all of it is here."""
        return self.events is not None and self.places is not None and self.told == shards

    def first_epoch(self) -> int:
        """Of the events that are not decided: control events before the first; none where that is unknown."""
        if self.places is None:
            return ASKS_NOTHING
        epochs = self.places[2, self.payments]
        return int(epochs[self.done]) if len(epochs) > self.done else ASKS_NOTHING

    @property
    def payments(self) -> NDArray[np.int64]:
        """Rows of payments that are in the log."""
        assert self.places is not None
        return np.flatnonzero((self.places[0] >= 0) & (self.places[2] < ASKS_NOTHING))


CARRIED: Final = -1
"""In place of a shard's number: what was measured before there were as many shards as now."""


def features_key(chunk: tuple[int, int], shard: int) -> bytes:
    """Under which a lane keeps what a shard measured of a chunk."""
    return _KEY.pack(_LETTERS[FEATURES], *chunk, shard)


class Decide:
    """One lane."""

    def __init__(self, plan: ShardedPlan, lane: int, state: MutableMapping[bytes, bytes]) -> None:
        self._plan = plan
        self._lane = lane
        self._state = state
        self._force = InForce(plan.spec, plan.rules, plan.models, plan.library)
        self._reference = Reference(plan.seed)
        self._chunks: dict[tuple[int, int], _Chunk] = {}
        self._controls: dict[int, tuple[int, EventBatch]] = {}  # by the epoch that the first one begins
        self._applied = self._floor = 0
        self._restore()

    def _restore(self) -> None:
        applied = 0
        if _CURSOR in self._state:
            applied, self._floor = _PLACE.unpack(self._state[_CURSOR])
        for key in sorted(key for key in self._state if len(key) > 1):
            kind, *numbers = _KEY.unpack(key)
            if kind == b"d":
                one = self._chunk((numbers[0], numbers[1]))
                (one.done,), _ = unpack(self._state[key])
                one.is_cut = True
            else:
                self._hear(key, self._state[key])
        while self._applied < applied:
            self._apply()

    def take(self, data: bytes) -> list[Element]:
        """Any element for this lane."""
        (first, second, what, *more), _ = unpack(data)
        if what == FLOOR:
            self._floor = max(self._floor, first)
        else:
            key = _KEY.pack(_LETTERS[what], first, second, more[0] if more else 0)
            self._state[key] = data
            self._hear(key, data)
        out = self._advance(None if what in (CONTROL, FLOOR) else (first, second))
        self._state[_CURSOR] = _PLACE.pack(self._applied, self._floor)
        return out

    def _chunk(self, chunk: tuple[int, int]) -> _Chunk:
        return self._chunks.setdefault(chunk, _Chunk())

    def _hear(self, key: bytes, data: bytes) -> None:
        (first, second, what, *shard), columns = unpack(data)
        if what == CONTROL:
            self._controls[first] = (second, to_events(columns[0]))
            return
        one = self._chunk((first, second))
        one.keys.append(key)
        if what == EVENTS:
            one.events = to_events(columns[0])
        elif what == PLACES:
            one.places, one.conflicts = columns
        else:
            one.features.append(columns)
            one.told += shard[0] != CARRIED

    def _advance(self, fresh: tuple[int, int] | None) -> list[Element]:
        """Decide what can be; apply control events for which nothing has to wait any more."""
        out = [] if fresh is None else self._decided(fresh)
        while self._applied + 1 in self._controls and self._floor > self._applied and not self._waits():
            self._apply()
            for chunk in list(self._chunks):
                out += self._decided(chunk)
        return out

    def _waits(self) -> bool:
        """Whether a payment has to be decided before the next control event."""
        return any(one.first_epoch() <= self._applied for one in self._chunks.values())

    def _apply(self) -> None:
        offset, events = self._controls.pop(self._applied + 1)
        changes = events.kind == Kind.ACTIVATION
        edges = [0, *(np.flatnonzero(changes[1:] | changes[:-1]) + 1).tolist(), len(events)]
        for begin, end in pairwise(edges):
            some = events.slice(begin, end)
            if is_activation(some):
                for (part, digest), text in zip(versions(some), some.column(BODY).to_pylist(), strict=True):
                    if text:
                        self._plan.learn(part, text)
                    self._force.activate(part, digest)
            else:
                self._reference.apply(some, offset + begin)
        self._applied += len(events)

    def _decided(self, chunk: tuple[int, int]) -> list[Element]:
        """Decisions on the payments of a chunk at whose place in the log this lane is."""
        one = self._chunks[chunk]
        if not one.is_whole(self._plan.shards):
            return []
        assert one.places is not None
        assert one.events is not None
        logged = one.payments
        epochs = one.places[2, logged]
        end = int(np.searchsorted(epochs, self._applied, side="right"))
        out = []
        if end > one.done:
            rows = logged[one.done : end]
            out.append(Element("decisions", chunk[0], self._judged(one, rows)))
            one.done = end
            if end < len(logged):
                self._state[_KEY.pack(b"d", *chunk, 0)] = pack((end,))
                one.is_cut = True
        if end == len(logged):
            out += self._forgotten(chunk, one)
        return out

    def _judged(self, one: _Chunk, rows: NDArray[np.int64]) -> bytes:
        events, places = one.events, one.places
        assert events is not None
        assert places is not None
        payments = events if len(rows) == len(events) else events.take(rows)
        return self.judged(payments, self._features(one, len(events))[:, rows], places[:, rows])

    def judged(self, payments: EventBatch, features: NDArray[np.float64], places: NDArray[np.int64]) -> bytes:
        """Decisions on payments whose features (features, n) and places (offset, clock, epoch) are known."""
        force, spec = self._force, self._plan.spec
        columns = Columns(payments, spec, features, self._reference, force.rules.ruleset.zone)
        scored = None
        if force.models is not NO_MODELS:
            scored = force.models.score(columns)
            tell(columns, scored)
        verdicts = force.rules.judge(columns)
        causes = causes_of(payments, places[1], spec, scored)
        decisions = force.decider.decide(
            columns, verdicts, places[0], self._plan.now_ms(), scored=scored, causes=causes
        )
        return decisions.encode()

    def _features(self, one: _Chunk, rows: int) -> NDArray[np.float64]:
        """Features (features, rows) of all events of a chunk; of no payment's where nothing was measured."""
        if one.matrix is None:
            one.matrix = np.empty((len(self._plan.spec.names), rows))
            for measured in self._plan.measured:
                mine = one.matrix[measured.features[0] : measured.features[-1] + 1]
                if len(mine) == len(measured.features):
                    mine[:] = measured.absent[:, np.newaxis]
                else:
                    one.matrix[measured.features] = measured.absent[:, np.newaxis]
                for columns in one.features:
                    of_chunk, features = columns[2 * measured.number : 2 * measured.number + 2]
                    one.matrix[measured.features[:, np.newaxis], of_chunk] = features
        return one.matrix

    def _forgotten(self, chunk: tuple[int, int], one: _Chunk) -> list[Element]:
        """A chunk is done with: what of it is refused."""
        del self._chunks[chunk]
        for key in one.keys:
            del self._state[key]
        if one.is_cut:
            del self._state[_KEY.pack(b"d", *chunk, 0)]
        assert one.events is not None
        source = self._plan.partitions[chunk[0]]
        refused = [conflict_of(one.events, row, source) for row in one.conflicts.tolist()]
        return [Element("quarantine", chunk[0], told(bad)) for bad in refused]


_LETTERS: Final = {EVENTS: b"e", PLACES: b"o", CONTROL: b"k", FEATURES: b"f"}
"""What the keys of elements begin with that are kept."""
