"""What another rule set would have decided, against the active one and against labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ringfence.analysis.judged import Fired, Judge, Judged, Without
from ringfence.analysis.payments import Collector
from ringfence.analysis.summary import Summary
from ringfence.scoring.rulesets.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from ringfence.analysis.history import Past, StoredColumns
    from ringfence.analysis.report import Report
    from ringfence.scoring.artifacts.manifest import Bands
    from ringfence.scoring.rulesets.rules import CompiledRules
    from ringfence.scoring.rulesets.ruleset import RuleSet

_EXAMPLES = 5


def _no_bands(_digest: str) -> None:
    return None


@dataclass(slots=True)
class Trial:
    """One rule set's answers, run by run."""

    judge: Judge
    parts: list[tuple[int, Judged]] = field(default_factory=list)

    def take(self, base: int, columns: StoredColumns) -> Judged:
        """Judge the payments from number `base` on."""
        judged = self.judge.judge(columns)
        self.parts.append((base, judged))
        return judged

    @property
    def outcome(self) -> NDArray[np.int8]:
        """Strictness by payment."""
        return np.concatenate([np.empty(0, np.int8), *(one.outcome for _, one in self.parts)])


def backtest(
    past: Past,
    active: CompiledRules,
    new: CompiledRules,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    bands_of: Callable[[str], Bands | None] = _no_bands,
    registered: Mapping[str, RuleSet] | None = None,
    seconds: Callable[[], float] = lambda: 0.0,
) -> Report:
    """Judge the past by both rule sets and compare.

    `progress` hears of log records done and in all, `bands_of` gives a model's bands by digest, `registered`
    the rule sets that stored decisions name (for the control group's share), `seconds` what has passed.
    """
    shares = {
        digest: book.policy.control.share
        for digest, book in (registered or {}).items()
        if book.policy.control
    }
    collector = Collector(shares)
    trials = Trial(Judge(active, bands_of)), Trial(Judge(new, bands_of))
    examples: dict[str, list[str]] = {}
    for columns in past.payments(active.ruleset.zone, progress):
        before, after = (trial.take(collector.count, columns) for trial in trials)
        _note_changes(examples, columns, before.outcome, after.outcome)
        collector.take(columns)
    payments = collector.payments(past.labels)
    outcome = trials[1].outcome
    fired = Fired.joined(trials[1].parts)
    summary = Summary(payments, past, trials[0].outcome, outcome)
    return summary.report(
        active=active,
        new=new,
        fired=fired,
        without=Without(new, fired, outcome),
        examples=examples,
        models_without_bands=trials[1].judge.without_bands,
        seconds=seconds(),
    )


def _note_changes(
    examples: dict[str, list[str]],
    columns: StoredColumns,
    before: NDArray[np.int8],
    after: NDArray[np.int8],
) -> None:
    """Keep the ids of a few payments for each change of outcome."""
    for row in np.flatnonzero(before != after)[: 20 * _EXAMPLES]:
        kind = f"{OUTCOMES[before[row]]} → {OUTCOMES[after[row]]}"
        found = examples.setdefault(kind, [])
        if len(found) < _EXAMPLES:
            found.append(columns.transactions.column("transaction_id")[int(row)].as_py())
