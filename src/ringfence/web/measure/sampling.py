"""Stored payments as models saw them, from all over the log: enough for a chart, not all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.analysis.decided_payments import challengers_of, floats, runs
from ringfence.api.services import RecordServices
from ringfence.events.ids.hashing import hash_column
from ringfence.scoring.artifacts.inputs import input_matrix
from ringfence.scoring.columns import Columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ringfence.decisions.decision import DecisionBatch
    from ringfence.events.batch import EventBatch
    from ringfence.scoring.reference import Lookups
    from ringfence.web.dashboard import Dashboard


@dataclass(frozen=True, slots=True)
class PaymentSample:
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


def sample_of(
    dashboard: Dashboard, inputs: Sequence[str] = (), zone: str | None = None
) -> PaymentSample | None:
    """What the log holds, with these inputs of a model; None where it holds nothing.

    Profiles, lists and flags among the inputs are those of now, everything else is as it was.
    """
    found, lookups = runs(dashboard.store.log), dashboard.of(RecordServices).view().lookups
    parts = [_part(dashboard, decisions, payments, lookups, inputs, zone) for decisions, payments in found]
    return joined(parts) if parts else None


def _part(
    dashboard: Dashboard,
    decisions: DecisionBatch,
    payments: EventBatch,
    lookups: Lookups,
    inputs: Sequence[str],
    zone: str | None,
) -> PaymentSample:
    spec, seed, table = dashboard.of(RecordServices).spec, lookups.seed, decisions.table
    measured = np.full((len(spec.names), len(decisions)), np.nan)
    there = set(decisions.feature_names)
    for row, name in enumerate(spec.names):
        if name in there and name in inputs:
            measured[row] = floats(table.column(name))
    columns = Columns(payments, spec, measured, lookups, zone or spec.zone)
    keys = hash_column(table.column("transaction_id"), seed)
    card, customer = (payments.hashes(name, seed) for name in ("card_id", "customer_id"))
    return PaymentSample(
        payments.event_time_ms,
        payments.amount,
        np.where(card != 0, card, customer),
        dashboard.of(RecordServices).annotations.fraud(keys),
        np.array(table.column("model").to_pylist(), object),
        floats(table.column("probability")),
        challengers_of(decisions),
        input_matrix(columns, inputs, zone).T,
    )


def joined(parts: Sequence[PaymentSample]) -> PaymentSample:
    """One after the other."""
    names = dict.fromkeys(name for part in parts for name in part.challengers)
    unheard = [np.full(len(part), np.nan) for part in parts]
    heard = {
        name: np.concatenate([p.challengers.get(name, nan) for p, nan in zip(parts, unheard, strict=True)])
        for name in names
    }

    def whole(field: str) -> Any:
        return np.concatenate([getattr(part, field) for part in parts])

    return PaymentSample(
        whole("time_ms"),
        whole("amount"),
        whole("entity"),
        whole("fraud"),
        whole("model"),
        whole("probability"),
        heard,
        np.concatenate([part.inputs for part in parts], axis=1),
    )
