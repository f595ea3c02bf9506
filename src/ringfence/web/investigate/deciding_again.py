"""One decision made again from the log, from the nearest snapshot on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.compose.folder.store import states_up_to
from ringfence.errors import InputError
from ringfence.events import codec
from ringfence.pipeline import Pipeline
from ringfence.ports import EVENTS
from ringfence.scoring.rulesets.rules import fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.decisions.decision import Decision
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.artifacts.models import Models
    from ringfence.scoring.rulesets.ruleset import RuleSet
    from ringfence.store import DataFolder

_PREFIX = "pipeline."


def decide_again(
    store: DataFolder,
    spec: FeatureSpec,
    rules: RuleSet,
    models: Models,
    stored: Decision,
    tell: Callable[[int, int], None],
) -> Decision:
    """The decision that the log leads to at the offset of a stored one, by the versions that it names."""
    pipeline = Pipeline(spec, fit(rules, spec)[0], store.meta.hash_seed, models=models)
    _restore(store, pipeline, stored.offset)
    begin, target = pipeline.offset, stored.offset
    if begin < store.log.start_offset(EVENTS):
        raise InputError("what came before this payment is no longer kept, so it cannot be decided again")
    for batch in store.log.read(EVENTS, begin, target + 1):
        events = codec.decode(batch.payload)
        first = max(0, begin - batch.base_offset)
        until = min(len(events), target - batch.base_offset)
        if until > first:
            pipeline.absorb(events.slice(first, until))
        tell(batch.base_offset + until - begin, target - begin)
        if target < batch.next_offset:
            made = pipeline.step(events.slice(until, until + 1)).decisions
            if made is not None:
                return made.row(0)
    raise InputError("the payment of this decision is no longer kept in the log")


def _restore(store: DataFolder, pipeline: Pipeline, target: int) -> None:
    """Start from the newest snapshot that does not know the payment yet, if there is one that fits."""
    for saved in states_up_to(store, target):
        if saved.header["spec"] == pipeline.spec.digest:
            arrays = {n.removeprefix(_PREFIX): a for n, a in saved.arrays.items() if n.startswith(_PREFIX)}
            pipeline.restore(arrays, saved.offset)
            return
