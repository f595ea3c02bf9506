"""The last verb of the pipeline: verdicts become decisions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ringfence.decisions.decision import (
    DECISION_FIELDS,
    DecisionBatch,
    list_column,
    number_columns,
    outcome_column,
)
from ringfence.decisions.policy import Weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.decisions.policy import Cause
    from ringfence.scoring.columns import Columns
    from ringfence.scoring.rules import CompiledRules, Rule, Verdicts


class Decider:
    """Makes decisions by one compiled rule set.

    `versions` are further content hashes to be kept with each decision.
    """

    def __init__(self, rules: CompiledRules, versions: Mapping[str, str] | None = None) -> None:
        self.rules = rules
        self._weights = Weights(rules)
        self._schema = _schema(rules, versions or {})
        self._ids = _labels([rule.id for rule in rules.active])
        self._shadow_ids = _labels([rule.id for rule in rules.shadow])
        self._codes = _labels([rule.reason for rule in rules.active])
        self._earlier_same_reason = _earlier_same_reason(rules.active)

    def decide(
        self,
        columns: Columns,
        verdicts: Verdicts,
        offsets: NDArray[np.int64],
        decided_at_ms: int,
        *,
        causes: Sequence[Cause] = (),
        latency_us: int = 0,
    ) -> DecisionBatch:
        """Decisions on the transactions of `columns`; `offsets` are theirs in the log."""
        count = len(columns)
        judgement = self._weights.apply(verdicts, causes)
        arrays = [
            pa.array(offsets, pa.int64()),
            columns.transactions.column("transaction_id"),
            columns.transactions.table.column("event_time_ms"),
            pa.array(np.full(count, decided_at_ms, np.int64)),
            outcome_column(judgement.outcome),
            pa.array(judgement.score),
            pa.nulls(count, pa.float64()),
            list_column(self._reasons(verdicts.active), self._codes),
            list_column(verdicts.active, self._ids),
            list_column(verdicts.shadow, self._shadow_ids),
            _degraded(causes, count),
            pa.array(np.full(count, latency_us, np.int64)),
            *number_columns(columns.features),
        ]
        return DecisionBatch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def _reasons(self, fired: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Fired rules without those whose reason a stricter fired rule has given already."""
        if not self._earlier_same_reason:
            return fired
        first = fired.copy()
        for row, earlier in self._earlier_same_reason:
            first[row] &= ~fired[earlier].any(axis=0)
        return first


def _schema(rules: CompiledRules, versions: Mapping[str, str]) -> pa.Schema:
    every = {"features": rules.spec.digest, "rules": rules.ruleset.digest, **versions}
    metadata = {
        "features": every["features"],
        "rules": every["rules"],
        "feature_names": json.dumps(rules.spec.names),
        "versions": json.dumps(every),
    }
    features = [pa.field(name, pa.float64()) for name in rules.spec.names]
    return pa.schema([*DECISION_FIELDS, *features], metadata)


def _labels(words: list[str]) -> Any:
    return pa.array(words, pa.string())


def _earlier_same_reason(rules: Sequence[Rule]) -> list[tuple[int, list[int]]]:
    codes = [rule.reason for rule in rules]
    found = ((row, [other for other in range(row) if codes[other] == code]) for row, code in enumerate(codes))
    return [(row, earlier) for row, earlier in found if earlier]


def _degraded(causes: Sequence[Cause], count: int) -> Any:
    cells = np.zeros((len(causes), count), np.bool_)
    for row, cause in enumerate(causes):
        cells[row] = True if cause.rows is None else cause.rows
    return list_column(cells, _labels([cause.name for cause in causes]))
