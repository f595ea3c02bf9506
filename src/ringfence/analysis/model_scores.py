"""What models said of recent payments, from the stored decisions, beside what labels came to say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow.compute as pc

from ringfence.analysis.decided_payments import challengers_of, floats, runs, since
from ringfence.analysis.history import StoredColumns
from ringfence.events import codec
from ringfence.learning.data.dataset import Dataset, known_of
from ringfence.learning.data.history import ENTITIES, Labels
from ringfence.learning.watching.standing import Heard
from ringfence.ports import DECISIONS, EVENTS
from ringfence.scoring.artifacts.inputs import input_matrix
from ringfence.scoring.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ringfence.decisions.decision import DecisionBatch
    from ringfence.events.batch import EventBatch
    from ringfence.learning.measures.metrics import Floats
    from ringfence.ports import EventLog
    from ringfence.scoring.artifacts.manifest import Manifest
    from ringfence.scoring.rulesets.ruleset import RuleSet

MOST: Final = 200_000
"""Payments that are looked at, from places all over the last `DAYS`."""

DAYS: Final = 90
_DAY_MS: Final = 86_400_000


def heard(
    log: EventLog,
    seed: int,
    model: str,
    manifest: Manifest,
    rules: Callable[[str], RuleSet | None],
    label_sources: Sequence[str] = (),
    most: int = MOST,
) -> Heard | None:
    """Payments of the last `DAYS` that a model decided; None without any.

    `seed` is of the store's hashes; `rules` finds the rule set of a digest.
    """
    end = log.end_offset(DECISIONS)
    last = next(iter(log.read(DECISIONS, end - 1, end)), None) if end else None
    if last is None:
        return None
    first = since(log, last.last_time_ms - DAYS * _DAY_MS)
    names = tuple(dict.fromkeys((*manifest.inputs, "amount")))
    lookups, parts = Reference(seed), []
    offset = log.end_offset(EVENTS)
    for decisions, payments in runs(log, most, first):
        offset = min(offset, int(decisions.table.column("offset")[0].as_py()))
        spoke = pc.fill_null(pc.equal(decisions.table.column("model"), model), fill_value=False)
        rows = np.flatnonzero(spoke.to_numpy(zero_copy_only=False))
        if len(rows):
            columns = StoredColumns(payments, decisions.table, lookups, manifest.zone, {})
            inputs = input_matrix(columns, names, manifest.zone).astype(np.float32)
            parts.append(_part(decisions, payments, inputs, rows, rules, seed))
    if not parts:
        return None
    labels = Labels(label_sources)
    for batch in log.read(EVENTS, offset):
        events = codec.decode(batch.payload)
        if not events.only_payments:
            labels.add(events, seed)
    return _joined(parts, names, labels)


def _part(
    decisions: DecisionBatch,
    payments: EventBatch,
    inputs: NDArray[np.float32],
    rows: NDArray[np.int64],
    rules: Callable[[str], RuleSet | None],
    seed: int,
) -> dict[str, Any]:
    entity = np.zeros(len(payments), np.int64)
    for name in ENTITIES:
        entity = np.where(entity == 0, payments.hashes(f"{name}_id", seed), entity)
    found = {
        "inputs": inputs[rows].T,
        "time": payments.event_time_ms[rows],
        "entity": entity[rows],
        "transaction": payments.hashes("transaction_id", seed)[rows],
        "own": floats(decisions.table.column("probability"))[rows],
        "points": _points(decisions, rules(decisions.versions["rules"]))[rows],
    }
    return found | {"said": {name: one[rows] for name, one in challengers_of(decisions).items()}}


def _points(decisions: DecisionBatch, rules: RuleSet | None) -> Floats:
    """The rules' own score, from those that fired; NaN where the rule set cannot be read any more."""
    if rules is None:
        return np.full(len(decisions), np.nan)
    worth = {rule.id: rule.points for rule in rules.every_rule}
    fired = decisions.table.column("rules")
    total = np.zeros(len(decisions))
    points = [worth.get(rule, 0.0) for rule in fired.flatten().to_pylist()]
    np.add.at(total, pc.list_parent_indices(fired).to_numpy(zero_copy_only=False), points)
    return np.clip(total, 0.0, 100.0)


def _joined(parts: Sequence[dict[str, Any]], names: tuple[str, ...], labels: Labels) -> Heard:
    whole = {
        name: np.concatenate([one[name] for one in parts], axis=-1)
        for name in ("inputs", "time", "entity", "transaction", "own", "points")
    }
    fraud_known_ms, cleared_ms, unmatched = known_of(whole["transaction"], labels)
    data = Dataset(
        names,
        whole["inputs"],
        whole["time"],
        whole["entity"],
        fraud_known_ms,
        cleared_ms,
        unmatched=unmatched,
    )
    challengers = dict.fromkeys(name for one in parts for name in one["said"])
    said = {
        name: np.concatenate([one["said"].get(name, np.full(len(one["time"]), np.nan)) for one in parts])
        for name in challengers
    }
    return Heard(data, whole["own"], whole["points"], said)
