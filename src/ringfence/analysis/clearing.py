"""When would a rule about windows of time no longer fire?

A rule clears at the first moment at which a payment like this one, with nothing of its card, customer, ...
in between, would not meet its condition. Windows change only when an event leaves or enters one, so the
condition is tried at exactly those moments, each with the engine itself over the events of the same keys.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import pyarrow as pa

from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.features.calendar import next_start
from ringfence.features.engine import Engine
from ringfence.features.links import GRAPH
from ringfence.features.spec import WINDOWED, FeatureSpec
from ringfence.scoring.columns import Columns
from ringfence.scoring.rulesets.outcomes import Mode
from ringfence.scoring.rulesets.rules import CompiledRules, compile_rules
from ringfence.scoring.rulesets.ruleset import Rule, RuleSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from ringfence.features.spec import Feature
    from ringfence.scoring.reference import Lookups

HOUR_MS: Final = 3_600_000
MOST_MOMENTS: Final = 400


class Clearing(msgspec.Struct, frozen=True):
    """When a rule clears.

    `at_ms` is null where it does not within the windows. `exact` is false where the condition also depends
    on time itself (the hour, seconds since, speed), which is tried at full hours only, or where there were
    too many moments.
    """

    at_ms: int | None
    exact: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """A payment in its history.

    Attributes:
        payment: its event, a batch of one row.
        spec: the specification that measured it.
        reference: lists, flags and profiles as of its place in the log.
        zone: of the rule set.
        related: `related(fields, since_ms)` are the events up to and including the payment, in log order,
            that share one of these id fields with it and are not older, with their labels.
    """

    payment: EventBatch
    spec: FeatureSpec
    reference: Lookups
    zone: str
    related: Callable[[tuple[str, ...], int], EventBatch]


def clears(rule: Rule, ruleset: RuleSet, scene: Scene) -> Clearing | None:
    """When a rule clears; None for one that asks for no window of time, for the graph or for lifecycles."""
    compiled = _alone(rule, ruleset, scene.spec)
    if any(name.startswith(GRAPH) for name in compiled.asked_for):
        return None
    features = [feature for feature in scene.spec.features if feature.name in compiled.asked_for]
    windowed = [feature for feature in features if feature.kind in WINDOWED]
    if not windowed or any(feature.is_lifecycle for feature in windowed):
        return None  # what becomes of payments is not told by payments alone
    spec = _only(scene.spec, tuple(features))
    now = int(scene.payment.event_time_ms[0])
    fields = tuple(dict.fromkeys(key for entity in spec.entities for key in entity.keys))
    reach = max(spec.retention_ms(entity.name) for entity in spec.entities)
    history = scene.related(fields, now - reach)
    engine = Engine(spec, scene.reference.seed)
    engine.measure(history)
    drifting = len(windowed) < len(features) or _asks_for_time(compiled)
    moments = _moments(windowed, history, scene.payment, spec.zone, hourly=drifting)
    exact = not drifting and len(moments) <= MOST_MOMENTS
    for moment in moments[:MOST_MOMENTS]:
        if not _fires(compiled, scene, spec, engine, moment):
            return Clearing(moment, exact)
    return Clearing(None, exact)


def _alone(rule: Rule, ruleset: RuleSet, spec: FeatureSpec) -> CompiledRules:
    """The rule by itself, acting, for everybody; typologies are there for rules that ask for them."""
    acting = msgspec.structs.replace
    own = tuple(acting(one, mode=Mode.ACTIVE) for one in ruleset.typologies if one.name == rule.id)
    if own:
        return compile_rules(RuleSet(rules=(), typologies=own, zone=ruleset.zone), spec)
    resting = tuple(acting(one, mode=Mode.ARCHIVED) for one in ruleset.typologies)
    bare = acting(rule, mode=Mode.ACTIVE, rollout=None)
    return CompiledRules(RuleSet(rules=(bare,), typologies=resting, zone=ruleset.zone), spec, (bare,), {})


def _asks_for_time(compiled: CompiledRules) -> bool:
    names = compiled.asked_for
    aging = any(name.endswith(".flag_age_days") for name in names)
    return aging or bool(names & {"hour", "weekday", "event_time"})


def _only(spec: FeatureSpec, features: tuple[Feature, ...]) -> FeatureSpec:
    names = {feature.entity for feature in features}
    entities = tuple(entity for entity in spec.entities if entity.name in names)
    return replace(spec, entities=entities, features=features, graph=None)


def _moments(
    features: list[Feature], history: EventBatch, payment: EventBatch, zone: str, *, hourly: bool
) -> list[int]:
    """Times after the payment's at which an event leaves or enters one of the windows, ascending."""
    now = int(payment.event_time_ms[0])
    times = history.event_time_ms[history.is_transaction]
    found: list[NDArray[np.int64]] = []
    for feature in features:
        if feature.calendar:  # all of them leave together
            (place,), zones = feature.calendar.zones(payment, zone)
            found.append(np.array([next_start(now, feature.calendar.period, zones[place])]))
            continue
        found += [times + feature.delay_ms + feature.window_ms, times + feature.delay_ms]
    if hourly:
        end = max(int(one.max(initial=now)) for one in found)
        found.append(np.arange(now - now % HOUR_MS, min(end, now + 30 * 24 * HOUR_MS) + HOUR_MS, HOUR_MS))
    every = np.unique(np.concatenate(found))
    later: list[int] = every[every > now].tolist()
    return later


def _fires(compiled: CompiledRules, scene: Scene, spec: FeatureSpec, engine: Engine, moment: int) -> bool:
    """Whether the payment, made at this moment instead, would meet the condition."""
    table = scene.payment.table
    at = table.schema.get_field_index("event_time_ms")
    probe = table.set_column(at, table.schema.field(at), pa.array([moment], pa.int64()))
    name = table.schema.get_field_index("transaction_id")
    if name >= 0:
        probe = probe.set_column(name, probe.schema.field(name), pa.array([f"{moment} again"], pa.string()))
    again = EventBatch(probe)
    state = {key: array.copy() for key, array in engine.arrays().items()}
    features = Engine.from_arrays(spec, scene.reference.seed, state).measure(again)
    columns = Columns(again, spec, features, scene.reference, scene.zone)
    verdicts = compiled.judge(columns)
    return bool(verdicts.active.any() or verdicts.shadow.any())


def related(
    batches: Iterator[tuple[int, EventBatch]],
    payment: EventBatch,
    fields: tuple[str, ...],
    since_ms: int,
    until_offset: int,
    seed: int,
) -> EventBatch:
    """What `Scene.related` asks for, from batches of the log with their base offsets, in order."""
    wanted = {field: int(payment.hashes(field, seed)[0]) for field in fields}
    kept: list[EventBatch] = []
    ids: set[int] = set()
    for base, whole in batches:
        events = whole.slice(0, min(len(whole), until_offset + 1 - base))
        own = np.zeros(len(events), np.bool_)
        for field, value in wanted.items():
            if value:
                own |= events.hashes(field, seed) == value
        own &= events.is_transaction & (events.event_time_ms >= since_ms)
        is_label = events.kind == Kind.LABEL
        if own.any() or (ids and is_label.any()):
            transaction_ids = events.hashes("transaction_id", seed)
            ids.update(transaction_ids[own].tolist())
            known = np.isin(transaction_ids, np.fromiter(ids, np.int64, len(ids)))
            kept.append(events.take(own | (is_label & known)))
    return EventBatch.concat(kept) if kept else payment
