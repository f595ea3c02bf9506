"""The last verb of the pipeline: verdicts become decisions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ringfence.decisions.decision import (
    DECISION_FIELDS,
    Cells,
    DecisionBatch,
    number_columns,
    number_lists,
    outcome_column,
    sparse_lists,
)
from ringfence.decisions.policy import Weights
from ringfence.scoring.models import NO_MODELS, Factors
from ringfence.scoring.rules import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.decisions.policy import Cause
    from ringfence.scoring.columns import Columns
    from ringfence.scoring.models import Models, Scored
    from ringfence.scoring.rules import CompiledRules, Verdicts


class Decider:
    """Makes decisions by one compiled rule set and one deployment of models.

    `versions` are further content hashes to be kept with each decision.
    """

    def __init__(
        self, rules: CompiledRules, models: Models = NO_MODELS, versions: Mapping[str, str] | None = None
    ) -> None:
        self.rules = rules
        self._weights = Weights(rules)
        self._schema = _schema(rules, models, versions or {})
        self._models = _labels(list(models.digests))
        self._ids = _labels([rule.id for rule in rules.active])
        self._shadow_ids = _labels([rule.id for rule in rules.shadow])
        self._typology_ids = _labels([one.id for one in rules.typologies])
        codes = list(dict.fromkeys(rule.reason for rule in rules.active))
        self._codes = _labels(codes)
        self._code_of = np.array([codes.index(rule.reason) for rule in rules.active], np.int64)

    def decide(
        self,
        columns: Columns,
        verdicts: Verdicts,
        offsets: NDArray[np.int64],
        decided_at_ms: int,
        *,
        scored: Scored | None = None,
        causes: Sequence[Cause] = (),
        latency_us: int = 0,
    ) -> DecisionBatch:
        """Decisions on the transactions of `columns`; `offsets` are theirs in the log."""
        count = len(columns)
        fired = Cells.of(verdicts.active)
        judgement = self._weights.apply(verdicts, causes, scored, columns)
        rows, factors = _factors(scored, judgement.outcome)
        arrays = [
            pa.array(offsets, pa.int64()),
            columns.transactions.column("transaction_id"),
            columns.transactions.table.column("event_time_ms"),
            pa.array(np.full(count, decided_at_ms, np.int64)),
            outcome_column(judgement.outcome),
            pa.array(judgement.score),
            *self._said(scored, rows, factors, count),
            pa.array(judgement.control),
            _joined(fired.renamed(self._code_of, len(self._codes)).lists(self._codes), rows, factors.codes),
            fired.lists(self._ids),
            Cells.of(verdicts.shadow).lists(self._shadow_ids),
            *self._typologies(verdicts.typologies),
            _degraded(causes, count),
            pa.array(np.full(count, latency_us, np.int64)),
            *number_columns(columns.features),
        ]
        return DecisionBatch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def _typologies(self, scores: NDArray[np.float64]) -> list[Any]:
        """Typologies with a score, and their scores."""
        found = Cells.of(scores > 0)
        names = found.lists(self._typology_ids)
        values = pa.array(scores[found.label, found.column])
        return [names, pa.ListArray.from_arrays(names.offsets, values)]

    def _said(
        self, scored: Scored | None, rows: NDArray[np.int64], factors: Factors, count: int
    ) -> list[Any]:
        """Probability, model, challengers, and the factors of what somebody will look at."""
        told = [
            sparse_lists(rows, factors.names, count, pa.string()),
            sparse_lists(rows, factors.weights, count, pa.float64()),
        ]
        if scored is None:
            return [
                pa.nulls(count, pa.float64()),
                pa.DictionaryArray.from_arrays(pa.nulls(count, pa.int8()), self._models),
                number_lists(np.empty((0, count))),
                *told,
            ]
        speaker = pa.array(scored.speaker, mask=scored.speaker < 0)
        return [
            *number_columns(scored.probability.reshape(1, -1)),
            pa.DictionaryArray.from_arrays(speaker, self._models),
            number_lists(scored.challengers),
            *told,
        ]


def _factors(scored: Scored | None, outcome: NDArray[np.int8]) -> tuple[NDArray[np.int64], Factors]:
    """Which payments somebody will look at that a model spoke of, and what moved it there."""
    if scored is None:
        return np.empty(0, np.int64), Factors([], [], [])
    rows = np.flatnonzero((outcome >= Outcome.REVIEW.strictness) & (scored.speaker >= 0))
    return rows, scored.factors(rows)


def _joined(codes: Any, rows: NDArray[np.int64], more: list[list[str]]) -> Any:
    """A list column of reason codes with further ones in some rows, each once."""
    if not any(more):
        return codes
    lists = codes.to_pylist()
    for row, added in zip(rows, more, strict=True):
        lists[row] = list(dict.fromkeys([*lists[row], *added]))
    return pa.array(lists, codes.type)


def _schema(rules: CompiledRules, models: Models, versions: Mapping[str, str]) -> pa.Schema:
    every = {"features": rules.spec.digest, "rules": rules.ruleset.digest, **versions}
    if models.deployment.digest:
        every["models"] = models.deployment.digest
    metadata = {
        "features": every["features"],
        "rules": every["rules"],
        "feature_names": json.dumps(rules.spec.names),
        "versions": json.dumps(every),
        "challengers": json.dumps(models.deployment.challengers),
    }
    features = [pa.field(name, pa.float64()) for name in rules.spec.names]
    return pa.schema([*DECISION_FIELDS, *features], metadata)


def _labels(words: list[str]) -> Any:
    return pa.array(words, pa.string())


def _degraded(causes: Sequence[Cause], count: int) -> Any:
    cells = np.zeros((len(causes), count), np.bool_)
    for row, cause in enumerate(causes):
        cells[row] = True if cause.rows is None else cause.rows
    return Cells.of(cells).lists(_labels([cause.name for cause in causes]))
