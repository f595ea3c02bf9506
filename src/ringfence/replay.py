"""The log again: are the stored decisions what it leads to, and what would other rules have decided?

There is no second implementation of anything here: a replay is the pipeline over the same events.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.policy import OUT_OF_TIME
from ringfence.errors import CorruptError, RingfenceError, StoreError
from ringfence.events import codec
from ringfence.events.model import Kind
from ringfence.pipeline import Pipeline
from ringfence.ports import DECISIONS, EVENTS
from ringfence.scoring.artifacts.models import NO_MODELS
from ringfence.scoring.rulesets.outcomes import OUTCOMES
from ringfence.scoring.rulesets.rules import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import FeatureSpec
    from ringfence.ports import EventLog, LogBatch
    from ringfence.scoring.artifacts.models import Models
    from ringfence.scoring.rulesets.rules import CompiledRules
    from ringfence.scoring.rulesets.ruleset import RuleSet

_OF_THE_MOMENT = frozenset({"decided_at_ms", "latency_us"})
_EXAMPLES = 5


@dataclass(slots=True)
class Verification:
    """How stored decisions compare with those that the log leads to, bit for bit.

    `columns` counts differing values by column. Decisions `incomplete` were made without one of their parts,
    which a replay has; `unknown` ones name a version that is not registered: neither can be compared.
    `undecided` payments have no stored decision, `unpaid` decisions no payment: part of the log is gone.
    """

    compared: int = 0
    differing: int = 0
    incomplete: int = 0
    unknown: int = 0
    undecided: int = 0
    unpaid: int = 0
    columns: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)  # transaction ids

    @property
    def is_sound(self) -> bool:
        """Whether payments and decisions belong together one to one, and the log leads to every one."""
        return not (self.differing or self.unknown or self.undecided or self.unpaid)


def verify(
    log: EventLog,
    specs: Iterable[FeatureSpec],
    rules: Mapping[str, RuleSet],
    seed: int,
    progress: Callable[[int, int], None],
    models: Callable[[FeatureSpec, str], Models] = lambda _spec, _digest: NO_MODELS,
) -> Verification:
    """Replay the log, each stored decision by the versions that it names.

    `specs` and `rules` (by digest) are those that the store has used: one pass is made per digest.
    `models` gives the deployment of a digest; where it cannot (`RingfenceError`), the decision is unknown.
    """
    result = Verification()
    known = tuple({spec.digest: spec for spec in specs}.values())
    for number, spec in enumerate(known):
        matching = _Matching(log, result) if number == 0 else None
        _verify_one(log, spec, rules, seed, result, progress, partial(models, spec), matching)
    digests = {spec.digest for spec in known}
    for stored in map(_decode, log.read(DECISIONS)):
        if stored.versions["features"] not in digests or stored.versions["rules"] not in rules:
            result.unknown += len(stored)
    return result


class _Matching:
    """Counts payments without a decision and decisions without a payment, along one pass over the log."""

    def __init__(self, log: EventLog, result: Verification) -> None:
        self._result = result
        first = log.start_offset(DECISIONS)
        self._waiting = log.end_offset(DECISIONS) - first  # decisions that have not come by yet
        self._from = 0  # decisions on what came before have been trimmed
        if first:
            kept = next(log.read(DECISIONS, first), None)
            self._from = log.end_offset(EVENTS) if kept is None else _first_offset(_decode(kept))

    def take(self, paid: NDArray[np.int64], stored: DecisionBatch | None) -> None:
        """The offsets of a batch's payments, and the decisions that were stored with it."""
        decided = _offsets(stored)
        self._result.undecided += int(np.count_nonzero(~np.isin(paid, decided) & (paid >= self._from)))
        self._result.unpaid += int(np.count_nonzero(~np.isin(decided, paid)))
        self._waiting -= len(decided)

    def close(self) -> None:
        """The log has ended."""
        self._result.unpaid += self._waiting


def _verify_one(
    log: EventLog,
    spec: FeatureSpec,
    rules: Mapping[str, RuleSet],
    seed: int,
    result: Verification,
    progress: Callable[[int, int], None],
    models: Callable[[str], Models],
    matching: _Matching | None,
) -> None:
    compiled: dict[str, CompiledRules] = {digest: fit(book, spec)[0] for digest, book in rules.items()}
    if not compiled:
        return
    pipeline = Pipeline(spec, next(iter(compiled.values())), seed)
    for events, stored in paired(log, progress):
        if matching is not None:
            matching.take(pipeline.offset + np.flatnonzero(events.is_transaction), stored)
        if stored is None or not _use_versions_of(stored, pipeline, compiled, models, result):
            pipeline.absorb(events)
            continue
        made = pipeline.step(events).decisions
        if made is not None:
            _compare(*_of_the_same(stored, made), result)
    if matching is not None:
        matching.close()


def _use_versions_of(
    stored: DecisionBatch,
    pipeline: Pipeline,
    compiled: Mapping[str, CompiledRules],
    models: Callable[[str], Models],
    result: Verification,
) -> bool:
    """Have the pipeline judge as these decisions were made; False where it cannot."""
    digest, deployment = stored.versions["rules"], stored.versions.get("models", "")
    if stored.versions["features"] != pipeline.spec.digest or digest not in compiled:
        return False
    if pipeline.rules is not compiled[digest]:
        pipeline.use(compiled[digest])
    if deployment != pipeline.models.deployment.digest:
        try:
            pipeline.use(models=models(deployment) if deployment else NO_MODELS)
        except RingfenceError:
            result.unknown += len(stored)
            return False
    return True


def _of_the_same(stored: DecisionBatch, made: DecisionBatch) -> tuple[DecisionBatch, DecisionBatch]:
    """The decisions of either that are on the same payments."""
    one, other = _offsets(stored), _offsets(made)
    if np.array_equal(one, other):
        return stored, made
    _, rows, others = np.intersect1d(one, other, return_indices=True)
    return DecisionBatch(stored.table.take(rows)), DecisionBatch(made.table.take(others))


def _compare(stored: DecisionBatch, made: DecisionBatch, result: Verification) -> None:
    complete = _complete(stored)
    result.incomplete += int(np.count_nonzero(~complete))
    result.compared += int(np.count_nonzero(complete))
    differs = np.zeros(len(stored), np.bool_)
    for name in stored.table.schema.names:
        if name not in _OF_THE_MOMENT:
            found = _unequal(stored.table.column(name), made.table.column(name)) & complete
            if found.any():
                result.columns[name] += int(np.count_nonzero(found))
                differs |= found
    result.differing += int(np.count_nonzero(differs))
    room = _EXAMPLES - len(result.examples)
    for row in np.flatnonzero(differs)[:room]:
        result.examples.append(stored.table.column("transaction_id")[int(row)].as_py())


def _complete(stored: DecisionBatch) -> NDArray[np.bool_]:
    """Decisions made with all their parts; one out of its time lacks none."""
    causes = stored.table.column("degraded")
    complete = np.ones(len(stored), np.bool_)
    others = np.flatnonzero(~np.isin(causes.flatten().to_pylist(), OUT_OF_TIME))
    complete[pc.list_parent_indices(causes).to_numpy()[others]] = False
    return complete


def _unequal(one: Any, other: Any) -> NDArray[np.bool_]:
    """Where two columns differ: floats in any bit, lists and texts in any element."""
    if pa.types.is_floating(one.type):
        zero = 0.0
        bits = [
            pc.fill_null(side, zero).to_numpy(zero_copy_only=False).view(np.int64) for side in (one, other)
        ]
        nulls = [np.asarray(pc.is_null(side)) for side in (one, other)]
        return (bits[0] != bits[1]) | (nulls[0] != nulls[1])
    if pa.types.is_list(one.type):
        one, other = (pc.binary_join(_texts(side), "\x1f") for side in (one, other))
    one, other = _plain(one), _plain(other)
    same = pc.or_(pc.fill_null(pc.equal(one, other), False), pc.and_(pc.is_null(one), pc.is_null(other)))
    return ~np.asarray(same)


def _texts(lists: Any) -> Any:
    """Lists of floats as lists of texts, one to one."""
    if not pa.types.is_floating(lists.type.value_type):
        return lists
    exact = pa.array(_bits(lists.flatten())).cast(pa.string())
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), exact)


def _bits(values: Any) -> NDArray[np.int64]:
    """Of each float, 0 for null."""
    return pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False).view(np.int64)


def _plain(values: Any) -> Any:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


@dataclass(slots=True)
class ReplayComparison:
    """What a replay decided beside what was decided.

    `matrix[i, j]` counts payments with stored outcome i and replayed outcome j (0 approve to 3 decline),
    `fraud[i, j]` those of them that a label calls fraud; `rules` counts the rules that fired.
    """

    matrix: NDArray[np.int64]
    fraud: NDArray[np.int64]
    rules: Counter[str]
    labelled: int


def backtest(
    log: EventLog,
    pipeline: Pipeline,
    progress: Callable[[int, int], None],
    take: Callable[[DecisionBatch], None] = lambda _made: None,
) -> ReplayComparison:
    """Replay the log through a fresh pipeline; `take` gets the decisions that it makes."""
    rules: Counter[str] = Counter()
    ids: list[NDArray[np.int64]] = []
    cells: list[NDArray[np.int8]] = []
    labels: dict[int, bool] = {}
    for events, stored in paired(log, progress):
        made = pipeline.step(events).decisions
        labels |= _labels(events, pipeline.seed)
        if made is None:
            continue
        take(made)
        rules.update(_counts(made.table.column("rules").flatten()))
        if stored is not None and len(stored) != len(made):
            raise CorruptError(
                f"{len(stored):,} decisions are stored on {len(made):,} payments: restore the data folder "
                "from a backup (`ringfence restore`)"
            )
        before = made.outcomes if stored is None else stored.outcomes
        ids.append(events.hashes("transaction_id", pipeline.seed)[events.is_transaction])
        cells.append((before * len(OUTCOMES) + made.outcomes).astype(np.int8))
    frauds = np.array([item for item, fraud in labels.items() if fraud], np.int64)
    return _summed(ids, cells, frauds, rules)


def _summed(
    ids: list[NDArray[np.int64]],
    cells: list[NDArray[np.int8]],
    frauds: NDArray[np.int64],
    rules: Counter[str],
) -> ReplayComparison:
    side = len(OUTCOMES)
    cell = np.concatenate([np.empty(0, np.int8), *cells])
    is_fraud = np.isin(np.concatenate([np.empty(0, np.int64), *ids]), frauds)
    both = (
        np.bincount(cell[rows], minlength=side * side).reshape(side, side) for rows in (slice(None), is_fraud)
    )
    matrix, fraud = both
    return ReplayComparison(matrix, fraud, rules, int(np.count_nonzero(is_fraud)))


def _labels(events: EventBatch, seed: int) -> dict[int, bool]:
    rows = events.kind == Kind.LABEL
    if not rows.any():
        return {}
    labels = events.take(rows)
    told = labels.column("label").to_pylist()
    return dict(zip(labels.hashes("transaction_id", seed).tolist(), told, strict=True))


def _counts(values: Any) -> dict[str, int]:
    return {item["values"]: item["counts"] for item in pc.value_counts(values).to_pylist()}


def paired(
    log: EventLog, progress: Callable[[int, int], None]
) -> Iterator[tuple[EventBatch, DecisionBatch | None]]:
    """Batches of events from the beginning, each with the decisions that were stored with it.

    `progress` hears of events done and in all. `StoreError` where retention has taken the beginning.
    """
    start, end = log.start_offset(EVENTS), log.end_offset(EVENTS)
    if start > 0:
        raise StoreError(
            f"the log begins at offset {start}: what was trimmed cannot be replayed. Restore a backup of the "
            "data folder, or read the sources into a new one"
        )
    decisions = map(_decode, log.read(DECISIONS))
    waiting = next(decisions, None)
    for batch in log.read(EVENTS):
        stored = []
        while waiting is not None and _first_offset(waiting) < batch.next_offset:
            stored.append(waiting)
            waiting = next(decisions, None)
        yield codec.decode(batch.payload), _joined(stored)
        progress(batch.next_offset, end)


def _joined(stored: list[DecisionBatch]) -> DecisionBatch | None:
    """One to a batch of events, unless something is wrong."""
    if len(stored) < 2:
        return stored[0] if stored else None
    return DecisionBatch(
        pa.Table.from_batches([one.table for one in stored]).combine_chunks().to_batches()[0]
    )


def _offsets(decisions: DecisionBatch | None) -> NDArray[np.int64]:
    return np.empty(0, np.int64) if decisions is None else decisions.numbers("offset")


def _decode(batch: LogBatch) -> DecisionBatch:
    return DecisionBatch.decode(batch.payload)


def _first_offset(decisions: DecisionBatch) -> int:
    return int(decisions.table.column("offset")[0].as_py())
