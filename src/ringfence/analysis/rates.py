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
    from collections.abc import Callable, Iterator

    from ringfence.ports import EventLog
    from ringfence.rulebook.checking import PartRate
    from ringfence.scoring.rulesets.rules import CompiledRules

NEWEST = 20_000
MOST_VERDICTS = 4_000_000
"""Rules times payments: a book of 2,000 rules is measured on 2,000 payments."""

VERDICTS_AT_ONCE = 800_000
"""Likewise, between two looks at the time; `FEWEST_AT_ONCE` payments at least."""

FEWEST_AT_ONCE = 250


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
    is_late: Callable[[], bool] = lambda: False,
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
        is_late: asked after each few of them, the newest first; once it is, no more are looked at.
    """
    state = reference or Reference(seed)
    counts = np.zeros(len(rules.active) + len(rules.shadow), np.int64)
    judged = 0
    newest = min(newest, MOST_VERDICTS // max(1, len(counts)))
    leaves = Leaves(rules, MOST_VERDICTS // max(1, newest))
    looked_at = []
    for first, after in _pieces(log, newest, len(counts)):
        looked_at.append((first, after))
        for columns in _stored(log, first, after, state, rules.ruleset.zone):
            verdicts = rules.judge(columns)
            counts += np.concatenate([verdicts.active, verdicts.shadow]).sum(axis=1)
            leaves.count(columns)
            judged += len(columns)
        if is_late():
            break
    if judged and leaves.never:
        for first, after in looked_at:
            for columns in _stored(log, first, after, state, rules.ruleset.zone):
                leaves.look(columns)
    parts = leaves.rates()
    every = (*rules.active, *rules.shadow)
    return [
        MeasuredRate(rule.id, judged, int(n), parts.get(rule.id, []))
        for rule, n in zip(every, counts, strict=True)
    ]


def _pieces(log: EventLog, newest: int, rules: int) -> Iterator[tuple[int, int]]:
    """Spans of offsets of the newest decisions, the last one first; the more rules, the shorter."""
    end = log.end_offset(DECISIONS)
    begin = max(end - newest, log.start_offset(DECISIONS))
    size = max(FEWEST_AT_ONCE, VERDICTS_AT_ONCE // max(1, rules))
    for after in range(end, begin, -size):
        yield max(begin, after - size), after


def _stored(log: EventLog, begin: int, end: int, reference: Lookups, zone: str) -> Iterator[StoredColumns]:
    for decisions, events in together(paired(log, begin, end)):
        yield StoredColumns(events, decisions, reference, zone, {})
