"""The graph along one log: payments and labels in, signals out.

    network = Network(graph, seed)
    values = network.measure(batch)  # float64, (signals, transactions of the batch), NaN for null

What comes out depends only on the events and their order, never on how they were batched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow.compute as pc

from ringfence.events.batch import NULL_INT
from ringfence.events.clock import StreamClock, believed_times
from ringfence.events.ids.hashing import hash_text
from ringfence.events.model import Kind
from ringfence.features.early_labels import EarlyLabels
from ringfence.features.kernel.layout import LABEL_BIT
from ringfence.graph import state as states
from ringfence.graph.growth import GraphGrowth
from ringfence.graph.kernel import layout as at
from ringfence.graph.kernel.ahead import BLOCK, LISTS
from ringfence.graph.kernel.measure import link
from ringfence.graph.kernel.tables import known_payments
from ringfence.graph.program import BOUNDS, compiled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.links import Graph
    from ringfence.graph.program import Bounds

_LINE: Final = 8
"""Numbers of a cache line. A row has an odd count of them, or a payment's signals would fall into one set."""


class Network:
    """What the links of one log have taught. Not thread-safe; a call lets other threads run."""

    def __init__(self, graph: Graph, seed: int = 0, bounds: Bounds = BOUNDS) -> None:
        """`seed` keys the hashes of ids."""
        self.graph = graph
        self.seed = seed
        self.compiled = compiled(graph, bounds)
        self.state = states.fresh(self.compiled)
        self._growth = GraphGrowth()
        self._clock = StreamClock()
        self._early = EarlyLabels()
        self._salts = {kind: hash_text(f"graph {kind}", seed) for kind in graph.types}
        self._open = [
            np.array([hash_text(one, seed) for one in x.open_to_all], np.int64) for x in graph.links
        ]

    def hash(self, batch: EventBatch) -> None:
        """Work out beforehand, on any thread, the hashes that `measure` asks the batch for."""
        for _, name in self.compiled.ends:
            batch.hashes(name, self.seed)
        if self.compiled.program.shape[at.S_FRAUD]:
            batch.hashes("transaction_id", self.seed)

    def key(self, kind: str, identity: str) -> int:
        """The key of a node: of a kind of thing and an id, as events have it."""
        return int(self._keys(kind, np.array([hash_text(identity, self.seed)], np.int64))[0])

    def measure(self, batch: EventBatch) -> NDArray[np.float64]:
        """Signals of the batch's transactions in order, shape (signals, transactions)."""
        rows, count = self._input(batch)
        lines = count // _LINE + 1
        room = np.empty((len(self.compiled.program.ops), _LINE * (lines + 1 - lines % 2)))
        keys = len(self.compiled.ends)
        who = np.empty(at.WHO_TARGETS + len(self.graph.links) + keys, np.int64)
        trail = np.empty((BLOCK, keys + LISTS), np.int64)
        start = column = 0
        self.state = self._growth.step(self.state, len(self.graph.links), len(rows))
        while start < len(rows):
            start, column, need = link(
                self.state, self.compiled.program, rows, start, room, column, who, trail
            )
            if need != at.DONE:
                self.state = self._growth.make_room(self.state, need)
        return room[:, :count]

    def _keys(self, kind: str, hashes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Keys of nodes from hashes of ids, 0 for null: one id of two kinds has two keys."""
        keys = hashes ^ self._salts[kind]
        keys[keys == 0] = 1
        keys[hashes == 0] = 0
        return keys

    def _input(self, batch: EventBatch) -> tuple[NDArray[np.int64], int]:
        """The batch's transactions and labels as the kernel takes them, and how many are transactions."""
        labels = bool(self.compiled.program.shape[at.S_FRAUD])
        if not batch.only_payments:
            kinds = batch.kind
            wanted = (kinds == Kind.TRANSACTION) | (labels & (kinds == Kind.LABEL))
            batch = batch if wanted.all() else batch.take(wanted)
        rows = np.zeros((len(batch), self.compiled.columns), np.int64)
        times, count = believed_times(batch), len(batch)
        if batch.only_payments:
            rows[:, at.IN_CLOCK] = self._clock.advance_by(times)
        else:
            is_payment = batch.is_transaction
            count = int(np.count_nonzero(is_payment))
            rows[:, at.IN_KIND] = np.where(is_payment, at.IS_PAYMENT, at.IS_LABEL)
            rows[is_payment, at.IN_CLOCK] = self._clock.advance_by(times[is_payment])
        rows[:, at.IN_TIME] = batch.event_time_ms
        if self.compiled.program.shape[at.S_FLOWS]:
            amounts = batch.amount_fixed
            rows[:, at.IN_AMOUNT] = np.where(amounts == NULL_INT, 0, amounts)
        for number, (kind, name) in enumerate(self.compiled.ends):
            rows[:, at.IN_KEYS + number] = self._keys(kind, batch.hashes(name, self.seed))
        rows[:, at.IN_SUBJECT] = rows[:, at.IN_KEYS + self.compiled.program.shape[at.S_SUBJECT_KEY]]
        for number, one in enumerate(self.graph.links):
            if one.open_to_all:
                is_open = np.isin(batch.hashes(one.target_field, self.seed), self._open[number])
                rows[:, at.IN_OPEN] |= is_open.astype(np.int64) << number
        if labels:
            rows[:, at.IN_ID] = batch.hashes("transaction_id", self.seed)
            self._place_labels(batch, rows)
        return rows, count

    def _place_labels(self, batch: EventBatch, rows: NDArray[np.int64]) -> None:
        """Put labels into their rows, those that came before their transaction into the transaction's row."""
        if batch.only_payments and not self._early:
            return
        ids, events = rows[:, at.IN_ID], np.flatnonzero(batch.is_transaction)
        labelled = np.flatnonzero(~batch.is_transaction)
        marks = np.zeros(len(rows), np.int64)
        fraud = pc.fill_null(batch.column("label"), False).to_numpy(zero_copy_only=False)[labelled]
        known = np.zeros(len(labelled), np.bool_)
        known_payments(self.state, ids[labelled], known)
        first_at = self._first_at(ids, events, ids[labelled[~known]])
        for row, said in zip(labelled[~known].tolist(), fraud[~known].tolist(), strict=True):
            if first_at.get(int(ids[row]), len(rows)) > row:
                self._early.note(int(ids[row]), int(said))
        self._early.settle(first_at, marks)
        rows[:, at.IN_MARKS] = (marks >> LABEL_BIT) & 1
        rows[labelled, at.IN_MARKS] = fraud

    def _first_at(
        self, ids: NDArray[np.int64], events: NDArray[np.int64], wanted: NDArray[np.int64]
    ) -> dict[int, int]:
        """The first row of each transaction of the batch that a label waits for, or that is wanted."""
        if not (self._early or len(wanted)):
            return {}
        if not self._early:
            events = events[np.isin(ids[events], wanted)]
        return dict(zip(ids[events][::-1].tolist(), events[::-1].tolist(), strict=True))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Views of the whole state, valid until the next call, for `from_arrays`."""
        found = states.to_arrays(self.state)
        found["clock"] = self._clock.to_array()
        found["early_ids"], found["early_labels"] = self._early.to_arrays()
        return found

    @classmethod
    def from_arrays(cls, graph: Graph, seed: int, arrays: Mapping[str, NDArray[Any]]) -> Network:
        """The network whose `arrays` these were; KeyError or ValueError where they are not."""
        network = cls(graph, seed)
        network.state = states.from_arrays(network.compiled, arrays)
        network._clock = StreamClock.from_array(arrays["clock"])
        network._early = EarlyLabels.from_arrays(arrays["early_ids"], arrays["early_labels"])
        return network

    @property
    def size(self) -> dict[str, int]:
        """Nodes and pairs held, and bytes of memory in use."""
        counters = self.state.counters
        return {
            "nodes": int(counters[at.NODES]),
            "pairs": int(counters[at.PAIRS]),
            "bytes": states.nbytes(self.state),
        }
