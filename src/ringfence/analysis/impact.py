"""What a change would do: outcomes of recent payments by what is in force, and by what is to replace it."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ringfence.analysis.history import StoredColumns
from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.impact import Impact, Shift
from ringfence.decisions.policy import Cause, Weights
from ringfence.errors import ScorerError
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.pipeline import MODEL
from ringfence.ports import DECISIONS, EVENTS
from ringfence.scoring.artifacts.inputs import input_matrix
from ringfence.scoring.artifacts.models import Scored, asked, tell
from ringfence.scoring.rulesets.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ringfence.ports import EventLog
    from ringfence.scoring.artifacts.models import Scorer
    from ringfence.scoring.reference import Lookups
    from ringfence.scoring.rulesets.rules import CompiledRules

RECENT: Final = 20_000
_EXAMPLES: Final = 5
_DAY_MS: Final = 86_400_000
_WHO: Final = ("customer_id", "account_id", "card_id")  # whom a payment hits: the first of them that it has


class Deciding(NamedTuple):
    """What decides: rules, and a model unless there is none."""

    rules: CompiledRules
    scorer: Scorer | None


def impact(
    log: EventLog,
    reference: Lookups,
    before: Deciding,
    after: Deciding,
    version: str,
    most: int = RECENT,
) -> Impact:
    """Judge the newest payments by what is in force and by what is to replace it, called `version`."""
    changes = np.zeros((len(OUTCOMES), len(OUTCOMES)), np.int64)
    hit = _Hit()
    recent = min(log.end_offset(DECISIONS) - log.start_offset(DECISIONS), most)
    for payments, decisions in newest(log, before.rules.spec.digest, most):
        columns = StoredColumns(payments, decisions.table, reference, before.rules.ruleset.zone, {})
        now, then = _outcome(columns, before), _outcome(columns.in_zone(after.rules.ruleset.zone), after)
        np.add.at(changes, (now, then), 1)
        hit.take(payments, now, then)
    return Impact(
        version,
        int(changes.sum()),
        changes.sum(axis=1).tolist(),
        changes.sum(axis=0).tolist(),
        changes.tolist(),
        hit.days,
        [Shift(currency, *sums) for currency, sums in sorted(hit.money.items())],
        len(hit.who),
        hit.examples,
        max(recent - int(changes.sum()), 0),
    )


class _Hit:
    """Whom a change hits, run by run."""

    def __init__(self) -> None:
        self.money: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.who: set[tuple[str, str]] = set()
        self.examples: list[str] = []
        self._span: list[int] = []

    @property
    def days(self) -> float:
        return (max(self._span) - min(self._span)) / _DAY_MS if self._span else 0.0

    def take(self, payments: EventBatch, now: NDArray[np.int8], then: NDArray[np.int8]) -> None:
        """Payments with their outcomes as they are and as they would be."""
        times = payments.event_time_ms
        self._span += [int(times.min()), int(times.max())]
        stopped, released = (now == 0) & (then > 0), (now > 0) & (then == 0)
        rows = np.flatnonzero(stopped | released)
        if not len(rows):
            return
        amounts, ids = payments.amount, payments.column("transaction_id")
        currencies, who = payments.column("currency"), [payments.column(name) for name in _WHO]
        for row in rows.tolist():
            amount = float(amounts[row])
            if not math.isnan(amount):
                self.money[currencies[row].as_py() or ""][0 if stopped[row] else 1] += amount
            if stopped[row]:
                known = ((name, column[row].as_py()) for name, column in zip(_WHO, who, strict=True))
                self.who.update([one for one in known if one[1]][:1])
                self.examples[:] = [*self.examples, ids[row].as_py()][-_EXAMPLES:]


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


def _outcome(columns: StoredColumns, deciding: Deciding) -> NDArray[np.int8]:
    """By the rules and this model, which gives no score where it fails."""
    scorer, scored = deciding.scorer, Scored(len(columns), 0)
    causes = []
    if scorer is not None:
        inputs = np.ascontiguousarray(input_matrix(columns, scorer.inputs, scorer.zone))
        try:
            scored.probability = scorer.score(inputs)
            scored.asked = asked(scorer.bands, scored.probability)
        except ScorerError:
            causes.append(Cause(MODEL, None, skipped=True))
    tell(columns, scored)
    rules = deciding.rules
    return Weights(rules).apply(rules.judge(columns), causes, scored).outcome
