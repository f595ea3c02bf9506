"""The last verb of the pipeline: verdicts become decisions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from ringfence.decisions.decision import DECISION_FIELDS, DecisionBatch, Known, Made
from ringfence.decisions.fields import (
    Cells,
    Codes,
    Floats,
    ListColumns,
    Matrix,
    Numbers,
    TextColumns,
    Truths,
    WordColumns,
    lists_of_texts,
    no_floats,
    no_texts,
    some_lists,
)
from ringfence.decisions.policy import Weights
from ringfence.decisions.stream import Stream
from ringfence.scoring.artifacts.models import NO_MODELS, Factors
from ringfence.scoring.artifacts.reasons import WITHOUT_PART
from ringfence.scoring.rulesets.outcomes import OUTCOMES, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.decisions.fields import FieldColumn
    from ringfence.decisions.policy import Cause
    from ringfence.scoring.artifacts.models import Models, Scored
    from ringfence.scoring.columns import Columns
    from ringfence.scoring.rulesets.rules import CompiledRules, Verdicts


class DecisionMaker:
    """Makes decisions by one compiled rule set and one deployment of models.

    `versions` are further content hashes to be kept with each decision.
    """

    def __init__(
        self, rules: CompiledRules, models: Models = NO_MODELS, versions: Mapping[str, str] | None = None
    ) -> None:
        self.rules = rules
        self._weights = Weights(rules)
        self._known = _known(rules, models, versions or {})
        self._digests = list(models.digests)
        words = {"outcome": _OUTCOMES, "model": self._digests}
        dictionaries = {name: pa.array(known, pa.string()) for name, known in words.items()}
        self._stream = Stream(schema_of(self._known), dictionaries)
        self._ids = [rule.id for rule in rules.active]
        self._shadow_ids = [rule.id for rule in rules.shadow]
        self._typology_ids = [one.id for one in rules.typologies]
        self._codes = list(dict.fromkeys(rule.reason for rule in rules.active))
        self._code_of = np.array([self._codes.index(rule.reason) for rule in rules.active], np.int64)

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
        reasons = fired.renamed(self._code_of, len(self._codes)).lists(self._codes)
        reasons = _joined(reasons, rows, factors.codes)
        made: dict[str, FieldColumn] = {
            "offset": Numbers(offsets),
            "transaction_id": TextColumns(columns.transactions.column("transaction_id")),
            "event_time_ms": Numbers(columns.transactions.event_time_ms),
            "decided_at_ms": Numbers(np.full(count, decided_at_ms, np.int64)),
            "outcome": Codes(judgement.outcome, _OUTCOMES),
            "score": Numbers(judgement.score),
            **self._said(scored, count),
            "factors": some_lists(rows, factors.names, count, WordColumns),
            "factor_weights": some_lists(rows, factors.weights, count, Floats),
            "control": Truths(judgement.control),
            "reasons": _accounted_for(reasons, judgement.outcome, causes),
            "rules": fired.lists(self._ids),
            "shadow_rules": Cells.of(verdicts.shadow).lists(self._shadow_ids),
            **self._typologies(verdicts.typologies),
            "degraded": _degraded(causes, count),
            "latency_us": Numbers(np.full(count, latency_us, np.int64)),
        }
        payload = self._stream.write(count, [*made.values(), Matrix(columns.features)])
        return DecisionBatch(Made(payload, made, columns.features, self._known))

    def _typologies(self, scores: NDArray[np.float64]) -> dict[str, FieldColumn]:
        """Typologies with a score, and their scores."""
        found = Cells.of(scores > 0)
        if not found.column.size:
            count = scores.shape[1]
            return {"typologies": no_texts(count), "typology_scores": no_floats(count)}
        names = found.lists(self._typology_ids)
        values = Numbers(scores[found.label, found.column])
        return {"typologies": names, "typology_scores": ListColumns(names.starts, values)}

    def _said(self, scored: Scored | None, count: int) -> dict[str, FieldColumn]:
        """Probability, the model that it is from, and what challengers would have said."""
        if scored is None:
            return {
                "probability": Floats(np.full(count, np.nan)),
                "model": Codes(np.full(count, -1, np.int8), self._digests),
                "challengers": no_floats(count),
            }
        several = len(scored.challengers)
        starts = np.arange(0, (count + 1) * several, several, dtype=np.int32) if several else None
        return {
            "probability": Floats(scored.probability),
            "model": Codes(scored.speaker, self._digests),
            "challengers": no_floats(count)
            if starts is None
            else ListColumns(starts, Floats(np.ascontiguousarray(scored.challengers.T).ravel())),
        }


_OUTCOMES: Final = [str(outcome) for outcome in OUTCOMES]


def _factors(scored: Scored | None, outcome: NDArray[np.int8]) -> tuple[NDArray[np.int64], Factors]:
    """Which payments are not simply approved that a model spoke of, and what moved it there.

    Explaining costs many times what scoring does: of payments that only a rule challenges it is left out.
    """
    if scored is None:
        return np.empty(0, np.int64), Factors([], [], [])
    challenged = (outcome == Outcome.CHALLENGE.strictness) & (scored.asked > 0)
    rows = np.flatnonzero(((outcome >= Outcome.REVIEW.strictness) | challenged) & (scored.speaker >= 0))
    return rows, scored.factors(rows)


def _accounted_for(codes: ListColumns, outcome: NDArray[np.int8], causes: Sequence[Cause]) -> ListColumns:
    """The reason codes; payments stopped for nothing but a missing part get its code."""
    if not any(cause.skipped for cause in causes):
        return codes
    bare = np.flatnonzero((outcome > 0) & (np.diff(codes.starts) == 0))
    return _joined(codes, bare, [[WITHOUT_PART]] * len(bare))


def _joined(codes: ListColumns, rows: NDArray[np.int64], more: list[list[str]]) -> ListColumns:
    """Reason codes with further ones in some rows, each once."""
    if not any(more):
        return codes
    lists = codes.values()
    for row, added in zip(rows.tolist(), more, strict=True):
        lists[row] = list(dict.fromkeys([*lists[row], *added]))
    return lists_of_texts(lists)


def _known(rules: CompiledRules, models: Models, versions: Mapping[str, str]) -> Known:
    every = {"features": rules.spec.digest, "rules": rules.ruleset.digest, **versions}
    if models.deployment.digest:
        every["models"] = models.deployment.digest
    return Known(list(rules.spec.names), every, list(models.deployment.challengers))


def schema_of(known: Known) -> pa.Schema:
    """What a batch of decisions is made of that has this to say."""
    metadata = {
        "features": known.versions["features"],
        "rules": known.versions["rules"],
        "feature_names": json.dumps(known.feature_names),
        "versions": json.dumps(known.versions),
        "challengers": json.dumps(known.challengers),
    }
    features = [pa.field(name, pa.float64()) for name in known.feature_names]
    return pa.schema([*DECISION_FIELDS, *features], metadata)


def _degraded(causes: Sequence[Cause], count: int) -> ListColumns:
    if not causes:
        return no_texts(count)
    cells = np.zeros((len(causes), count), np.bool_)
    for row, cause in enumerate(causes):
        cells[row] = True if cause.rows is None else cause.rows
    return Cells.of(cells).lists([cause.name for cause in causes])
