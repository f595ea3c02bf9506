"""How often rules would have fired on the newest payments: asked before they are put in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ringfence.analysis.condition_rates import Leaves
from ringfence.analysis.decided_payments import paired, together
from ringfence.analysis.history import StoredColumns
from ringfence.ports import DECISIONS
from ringfence.scoring.reference import Lookups, Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.ports import EventLog
    from ringfence.rulebook.checking import PartRate
    from ringfence.scoring.rulesets.rules import CompiledRules

NEWEST = 20_000
MOST_VERDICTS = 4_000_000
"""Rules times payments: a book of 2,000 rules is measured on 2,000 payments."""


class MeasuredRate(NamedTuple):
    """A rule fired on `fired` of `judged` payments, and how often its parts were TRUE."""

    rule: str
    judged: int
    fired: int
    parts: list[PartRate]


def measured_rates(
    log: EventLog,
    rules: CompiledRules,
    seed: int,
    *,
    reference: Lookups | None = None,
    newest: int = NEWEST,
) -> list[MeasuredRate]:
    """How often each active and shadow rule and its parts are TRUE over the newest payments as stored.

    Lists, flags and profiles are those of `reference`, so as they are now; without one there are none.
    A rule whose features a stored decision lacks finds them unknown there.

    Args:
        log: where events and decisions are; may be one that is being written to.
        rules: what to measure, such as `compile_rules(edited, spec)`.
        seed: of the store's hashes.
        reference: of the pipeline that decides.
        newest: how many payments, about.
    """
    state = reference or Reference(seed)
    counts = np.zeros(len(rules.active) + len(rules.shadow), np.int64)
    judged = 0
    newest = min(newest, MOST_VERDICTS // max(1, len(counts)))
    leaves = Leaves(rules, MOST_VERDICTS // max(1, newest))
    for columns in _newest(log, state, rules.ruleset.zone, newest):
        verdicts = rules.judge(columns)
        counts += np.concatenate([verdicts.active, verdicts.shadow]).sum(axis=1)
        leaves.count(columns)
        judged += len(columns)
    if judged and leaves.never:
        for columns in _newest(log, state, rules.ruleset.zone, newest):
            leaves.look(columns)
    parts = leaves.rates()
    every = (*rules.active, *rules.shadow)
    return [
        MeasuredRate(rule.id, judged, int(n), parts.get(rule.id, []))
        for rule, n in zip(every, counts, strict=True)
    ]


def _newest(log: EventLog, reference: Lookups, zone: str, newest: int) -> Iterator[StoredColumns]:
    end = log.end_offset(DECISIONS)
    begin = max(end - newest, log.start_offset(DECISIONS))
    if end <= begin:
        return
    for decisions, events in together(paired(log, begin, end)):
        yield StoredColumns(events, decisions, reference, zone, {})
