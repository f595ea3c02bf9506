"""Stored payments as models saw them, from all over the log: enough for a chart, not all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.decisions.decision import DecisionBatch
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.events.hashing import hash_column
from ringfence.ports import DECISIONS, EVENTS
from ringfence.scoring.columns import Columns
from ringfence.scoring.inputs import input_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ringfence.ports import EventLog
    from ringfence.scoring.reference import Lookups
    from ringfence.web.dashboard import Dashboard

PAYMENTS: Final = 100_000
PLACES: Final = 80  # of the log, from each of which a run of payments is taken where it holds more


@dataclass(frozen=True, slots=True)
class Sample:
    """n payments in log order.

    Attributes:
        amount: in major units, NaN where unknown; `entity` is whose payment it is, a hash.
        fraud: by the latest label, 1 or 0, -1 without one.
        model: digest of the one that spoke, None where none did; `probability` is NaN there.
        challengers: probabilities by digest, NaN where one was not heard.
        inputs: float64 (n_inputs, n), NaN where unknown.
    """

    time_ms: NDArray[np.int64]
    amount: NDArray[np.float64]
    entity: NDArray[np.int64]
    fraud: NDArray[np.int8]
    model: NDArray[np.object_]
    probability: NDArray[np.float64]
    challengers: dict[str, NDArray[np.float64]]
    inputs: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time_ms)


def sample_of(dashboard: Dashboard, inputs: Sequence[str] = (), zone: str | None = None) -> Sample | None:
    """What the log holds, with these inputs of a model; None where it holds nothing.

    Profiles, lists and flags among the inputs are those of now, everything else is as it was.
    """
    found, lookups = runs(dashboard.store.log), dashboard.server.session.view().lookups
    parts = [_part(dashboard, decisions, payments, lookups, inputs, zone) for decisions, payments in found]
    return joined(parts) if parts else None


def runs(log: EventLog, most: int = PAYMENTS) -> Iterator[tuple[DecisionBatch, EventBatch]]:
    """Decisions beside their payments: all, or runs of equal length from places as far apart."""
    start, end = log.start_offset(DECISIONS), log.end_offset(DECISIONS)
    places = PLACES if end - start > most else 1
    for number in range(places):
        begin = start + number * (end - start) // places
        after = min(begin + -(-most // places), end)
        for batch in log.read(DECISIONS, begin, after):
            rows = slice(max(begin - batch.base_offset, 0), min(after, batch.next_offset) - batch.base_offset)
            table = DecisionBatch.decode(batch.payload).table
            decisions = DecisionBatch(table.slice(rows.start, rows.stop - rows.start))
            payments = _payments(log, decisions.table.column("offset").to_numpy())
            if payments is not None:
                yield decisions, payments


def _payments(log: EventLog, offsets: NDArray[np.int64]) -> EventBatch | None:
    """The payments at ascending offsets; None where some are no longer kept."""
    if not len(offsets) or offsets[0] < log.start_offset(EVENTS):
        return None
    batches = list(log.read(EVENTS, int(offsets[0]), int(offsets[-1]) + 1))
    events = EventBatch.concat([codec.decode(batch.payload) for batch in batches])
    return events.take(offsets - batches[0].base_offset)


def _part(
    dashboard: Dashboard,
    decisions: DecisionBatch,
    payments: EventBatch,
    lookups: Lookups,
    inputs: Sequence[str],
    zone: str | None,
) -> Sample:
    spec, seed, table = dashboard.server.session.definitions.spec, lookups.seed, decisions.table
    measured = np.full((len(spec.names), len(decisions)), np.nan)
    there = set(decisions.feature_names)
    for row, name in enumerate(spec.names):
        if name in there and name in inputs:
            measured[row] = floats(table.column(name))
    columns = Columns(payments, spec, measured, lookups, zone or spec.zone)
    keys = hash_column(table.column("transaction_id"), seed)
    card, customer = (payments.hashes(name, seed) for name in ("card_id", "customer_id"))
    return Sample(
        payments.event_time_ms,
        payments.amount,
        np.where(card != 0, card, customer),
        dashboard.server.annotations.fraud(keys),
        np.array(table.column("model").to_pylist(), object),
        floats(table.column("probability")),
        _challengers(decisions),
        input_matrix(columns, inputs, zone).T,
    )


def _challengers(decisions: DecisionBatch) -> dict[str, NDArray[np.float64]]:
    names, lists = decisions.challenger_names, decisions.table.column("challengers")
    heard = np.diff(lists.offsets.to_numpy()) == len(names)
    matrix = np.full((len(decisions), len(names)), np.nan)
    if names:
        matrix[heard] = floats(lists.flatten()).reshape(-1, len(names))
    return {name: matrix[:, column] for column, name in enumerate(names)}


def joined(parts: Sequence[Sample]) -> Sample:
    """One after the other."""
    names = dict.fromkeys(name for part in parts for name in part.challengers)
    unheard = [np.full(len(part), np.nan) for part in parts]
    heard = {
        name: np.concatenate([p.challengers.get(name, nan) for p, nan in zip(parts, unheard, strict=True)])
        for name in names
    }

    def whole(field: str) -> Any:
        return np.concatenate([getattr(part, field) for part in parts])

    return Sample(
        whole("time_ms"),
        whole("amount"),
        whole("entity"),
        whole("fraud"),
        whole("model"),
        whole("probability"),
        heard,
        np.concatenate([part.inputs for part in parts], axis=1),
    )


def floats(values: Any) -> NDArray[np.float64]:
    """NaN for null."""
    found: NDArray[np.float64] = values.to_numpy(zero_copy_only=False).astype(np.float64)
    return found
