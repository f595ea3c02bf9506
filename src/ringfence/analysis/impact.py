"""What would change if a model spoke: outcomes of recent payments by what is in force, and with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from ringfence.analysis.history import StoredColumns
from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.policy import Cause, Weights
from ringfence.errors import ScorerError
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.pipeline import MODEL
from ringfence.ports import DECISIONS, EVENTS
from ringfence.scoring.inputs import input_matrix
from ringfence.scoring.models import Scored, asked, tell
from ringfence.scoring.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ringfence.ports import EventLog
    from ringfence.scoring.models import Scorer
    from ringfence.scoring.reference import Lookups
    from ringfence.scoring.rules import CompiledRules

RECENT: Final = 20_000


class Impact(msgspec.Struct, frozen=True):
    """Recent payments by outcome, least strict first.

    `changes[i][j]` of them have outcome i by what is in force and j with the model, by the rules in force
    and with lists, flags and profiles of now.
    """

    version: str
    payments: int
    before: list[int]
    after: list[int]
    changes: list[list[int]]


def impact(
    log: EventLog,
    rules: CompiledRules,
    reference: Lookups,
    scorer: Scorer,
    champion: Scorer | None,
    most: int = RECENT,
) -> Impact:
    """Judge the newest payments with the champion, or rules alone, and with another model in its place."""
    changes = np.zeros((len(OUTCOMES), len(OUTCOMES)), np.int64)
    for payments, decisions in newest(log, rules.spec.digest, most):
        columns = StoredColumns(payments, decisions.table, reference, rules.ruleset.zone, {})
        before, after = _outcome(columns, rules, champion), _outcome(columns, rules, scorer)
        np.add.at(changes, (before, after), 1)
    return Impact(
        scorer.digest,
        int(changes.sum()),
        changes.sum(axis=1).tolist(),
        changes.sum(axis=0).tolist(),
        changes.tolist(),
    )


def newest(log: EventLog, features: str, most: int) -> Iterator[tuple[EventBatch, DecisionBatch]]:
    """The newest payments with their decisions, in runs, those that were measured by these features."""
    end = log.end_offset(DECISIONS)
    begin = max(log.start_offset(DECISIONS), end - most)
    for batch in log.read(DECISIONS, begin, end) if begin < end else ():
        decisions = DecisionBatch.decode(batch.payload)
        skipped = max(begin - batch.base_offset, 0)
        decisions = DecisionBatch(decisions.table.slice(skipped))
        offsets = decisions.table.column("offset").to_numpy()
        if not len(offsets) or offsets[0] < log.start_offset(EVENTS):
            continue
        if decisions.versions["features"] == features:
            found = list(log.read(EVENTS, int(offsets[0]), int(offsets[-1]) + 1))
            events = EventBatch.concat([codec.decode(one.payload) for one in found])
            yield events.take(offsets - found[0].base_offset), decisions


def _outcome(columns: StoredColumns, rules: CompiledRules, scorer: Scorer | None) -> NDArray[np.int8]:
    """By the rules and this model, which gives no score where it fails."""
    scored = Scored(len(columns), 0)
    causes = []
    if scorer is not None:
        inputs = np.ascontiguousarray(input_matrix(columns, scorer.inputs, scorer.zone))
        try:
            scored.probability = scorer.score(inputs)
            scored.asked = asked(scorer.bands, scored.probability)
        except ScorerError:
            causes.append(Cause(MODEL, None, skipped=True))
    tell(columns, scored)
    return Weights(rules).apply(rules.judge(columns), causes, scored).outcome
