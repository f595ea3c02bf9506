"""What a change would do: outcomes of recent payments by what is in force, and by what is to replace it."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ringfence.analysis.decided_payments import paired, together
from ringfence.analysis.history import StoredColumns
from ringfence.analysis.rates import FEWEST_AT_ONCE, VERDICTS_AT_ONCE
from ringfence.decisions.impact import Impact, Shift
from ringfence.decisions.policy import Cause, Weights
from ringfence.errors import ScorerError
from ringfence.pipeline import MODEL
from ringfence.ports import DECISIONS
from ringfence.scoring.artifacts.inputs import input_matrix
from ringfence.scoring.artifacts.models import Scored, asked, tell
from ringfence.scoring.rulesets.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.ports import EventLog
    from ringfence.scoring.artifacts.models import Scorer
    from ringfence.scoring.reference import Lookups
    from ringfence.scoring.rulesets.rules import CompiledRules

RECENT: Final = 20_000
_AT_ONCE: Final = 4_000  # the newest first; of many rules fewer, as these take longer
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
    is_late: Callable[[], bool] = lambda: False,
) -> Impact:
    """Judge the newest payments by what is in force and by what is to replace it, called `version`.

    Fewer than `most` of them once `is_late`, which is asked after each few hundred or thousand.
    """
    changes = np.zeros((len(OUTCOMES), len(OUTCOMES)), np.int64)
    hit = _Hit()
    end = log.end_offset(DECISIONS)
    begin = first = max(log.start_offset(DECISIONS), end - most)
    rules = sum(len(one.rules.active) + len(one.rules.shadow) for one in (before, after))
    size = min(_AT_ONCE, max(FEWEST_AT_ONCE, VERDICTS_AT_ONCE // max(1, rules)))
    for last in range(end, begin, -size):
        first = max(begin, last - size)
        for decided, payments in _between(log, before.rules.spec.digest, first, last):
            columns = StoredColumns(payments, decided, reference, before.rules.ruleset.zone, {})
            now, then = _outcome(columns, before), _outcome(columns.in_zone(after.rules.ruleset.zone), after)
            np.add.at(changes, (now, then), 1)
            hit.take(payments, decided.column("offset").to_numpy(), now, then)
        if is_late():
            break
    return Impact(
        version,
        int(changes.sum()),
        changes.sum(axis=1).tolist(),
        changes.sum(axis=0).tolist(),
        changes.tolist(),
        hit.days,
        [Shift(currency, *sums) for currency, sums in sorted(hit.money.items())],
        len(hit.who),
        [identity for _, identity in hit.examples],
        end - first - int(changes.sum()),
        first - begin,
    )


class _Hit:
    """Whom a change hits, run by run."""

    def __init__(self) -> None:
        self.money: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.who: set[tuple[str, str]] = set()
        self.examples: list[tuple[int, str]] = []  # the newest, with their offsets
        self._span: list[int] = []

    @property
    def days(self) -> float:
        return (max(self._span) - min(self._span)) / _DAY_MS if self._span else 0.0

    def take(
        self,
        payments: EventBatch,
        offsets: NDArray[np.int64],
        now: NDArray[np.int8],
        then: NDArray[np.int8],
    ) -> None:
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
                self.examples.append((int(offsets[row]), ids[row].as_py()))
        self.examples = sorted(self.examples)[-_EXAMPLES:]


def newest(log: EventLog, features: str, most: int) -> Iterator[tuple[pa.RecordBatch, EventBatch]]:
    """The newest decisions with their payments, in runs, those that were measured by these features."""
    end = log.end_offset(DECISIONS)
    return _between(log, features, max(log.start_offset(DECISIONS), end - most), end)


def _between(
    log: EventLog, features: str, begin: int, end: int
) -> Iterator[tuple[pa.RecordBatch, EventBatch]]:
    return together(one for one in paired(log, begin, end) if one[0].versions["features"] == features)


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
