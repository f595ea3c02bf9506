"""A feature specification: frozen data that says what to measure, serialised, hashed and compared.

    card = entity("card")
    spec = FeatureSpec.of(card.count("1h"), card.sum("amount", "1d"), card.is_new("device"))

For the event at log position `p` with event time `t`, a window `W` (with a `delay` D) covers every event of
the same key at a position <= p whose event time is in (t - D - W, t - D]. With `exclude_current`, positions <
p. Features without a window of their own (`seconds_since_last`, `is_new`, `speed_kmh`, ...) look back over
the specification's `horizon`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ringfence.errors import SpecError
from ringfence.features.calendar import Calendar
from ringfence.features.durations import DAY_MS, parse_duration_ms
from ringfence.features.entities import BoundFeature, Entity, Window, entity
from ringfence.features.kinds import (
    ACTED,
    CATEGORICAL,
    ENTITY_KEYS,
    LIFECYCLE_FIELDS,
    MOVED,
    NIGHT,
    WINDOWED,
    Feature,
    FeatureKind,
    Where,
    categorical_field,
    short_field,
)
from ringfence.features.links import Graph

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = [
    "ACTED",
    "CATEGORICAL",
    "ENTITY_KEYS",
    "LIFECYCLE_FIELDS",
    "MOVED",
    "NIGHT",
    "WINDOWED",
    "BoundFeature",
    "Entity",
    "Feature",
    "FeatureKind",
    "FeatureSpec",
    "Where",
    "Window",
    "categorical_field",
    "entity",
    "short_field",
]


@dataclass(frozen=True)
class FeatureSpec:
    """Entities and features in a fixed order, with what they share; `digest` names it everywhere."""

    entities: tuple[Entity, ...]
    features: tuple[Feature, ...]
    allowed_lateness_ms: int = DAY_MS
    horizon_ms: int = 30 * DAY_MS
    zone: str = "UTC"  # IANA time zone of `hour` and `weekday`
    decimals: Mapping[str, int] = field(
        default_factory=dict, hash=False
    )  # digits kept of numeric attributes, 6 unless said
    graph: Graph | None = None  # what is linked to what, and the signals of that; None costs nothing

    def __post_init__(self) -> None:
        # Stages measure one after the other, so what they give stands in their order.
        in_order = tuple(sorted(self.features, key=lambda feature: feature.is_lifecycle))
        object.__setattr__(self, "features", in_order)
        names = [feature.name for feature in self.features]
        for name in names:
            if names.count(name) > 1:
                raise SpecError(f"feature {name} is declared twice")
        known = {item.name for item in self.entities}
        if len(known) < len(self.entities):
            raise SpecError("two entities have one name")
        for feature in self.features:
            if feature.entity not in known:
                raise SpecError(f"{feature.name}: entity {feature.entity!r} is not declared")

    @classmethod
    def of(
        cls,
        *bound: BoundFeature,
        allowed_lateness: str = "1d",
        horizon: str = "30d",
        zone: str = "UTC",
        decimals: Mapping[str, int] | None = None,
    ) -> FeatureSpec:
        """Specification of these features, entities in order of first use.

        >>> FeatureSpec.of(entity("card").count("1h")).names
        ('card.count_1h',)
        """
        entities: dict[str, Entity] = {}
        for item in bound:
            if entities.setdefault(item.entity.name, item.entity) != item.entity:
                raise SpecError(f"two entities are named {item.entity.name!r}")
        return cls(
            tuple(entities.values()),
            tuple(item.feature for item in bound),
            parse_duration_ms(allowed_lateness),
            parse_duration_ms(horizon),
            zone,
            dict(decimals or {}),
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of features and then of the graph's signals, in the order in which they are measured."""
        signals = () if self.graph is None else self.graph.names
        return (*(feature.name for feature in self.features), *signals)

    @cached_property
    def quantities(self) -> tuple[str, ...]:
        """The names but those of ids, such as `graph.component_id`, from which no model should learn."""
        ids = () if self.graph is None else [signal.name for signal in self.graph.signals if signal.is_id]
        return tuple(name for name in self.names if name not in ids)

    def features_of(self, entity_name: str) -> tuple[Feature, ...]:
        """The features measured for one entity, in order."""
        return tuple(feature for feature in self.features if feature.entity == entity_name)

    @cached_property
    def fields_of(self) -> dict[str, frozenset[str]]:
        """For each feature by name, the fields of events that it is made of.

        >>> sorted(FeatureSpec.of(entity("card").sum("amount", "1h")).fields_of["card.sum_amount_1h"])
        ['amount', 'card_id']
        """
        keys = {item.name: item.keys for item in self.entities}
        return {item.name: frozenset(item.looks_at.union(keys[item.entity])) for item in self.features}

    def of_entity(self, entity_name: str) -> FeatureSpec:
        """Only what is measured for one entity: an engine of it gives the same values as one of the whole.

        >>> spec = FeatureSpec.of(entity("card").count("1h"), entity("ip").count("1h"))
        >>> spec.of_entity("ip").names
        ('ip.count_1h',)
        """
        entities = tuple(item for item in self.entities if item.name == entity_name)
        if not entities:
            raise SpecError(f"entity {entity_name!r} is not in the specification")
        return replace(self, entities=entities, features=self.features_of(entity_name), graph=None)

    def needed_for(self, names: Collection[str]) -> FeatureSpec:
        """Only what gives these names, each with the values that the whole would give it.

        >>> spec = FeatureSpec.of(entity("card").count("1h"), entity("ip").count("1h"))
        >>> spec.needed_for({"ip.count_1h", "amount"}).names
        ('ip.count_1h',)
        """
        features = tuple(item for item in self.features if item.name in names)
        used = {item.entity for item in features}
        entities = tuple(item for item in self.entities if item.name in used)
        graph = self.graph if self.graph and not set(names).isdisjoint(self.graph.names) else None
        return replace(self, entities=entities, features=features, graph=graph)

    @cached_property
    def of_payments(self) -> FeatureSpec:
        """What the payments themselves tell."""
        return self._only(lifecycle=False)

    @cached_property
    def of_lifecycle(self) -> FeatureSpec:
        """What is told by what became of payments."""
        return self._only(lifecycle=True)

    def _only(self, *, lifecycle: bool) -> FeatureSpec:
        features = tuple(item for item in self.features if item.is_lifecycle == lifecycle)
        if len(features) == len(self.features):
            return self
        used = {item.entity for item in features}
        entities = tuple(item for item in self.entities if item.name in used)
        return replace(self, entities=entities, features=features, graph=None)

    def retention_ms(self, entity_name: str) -> int:
        """How long an entity's events stay: its longest reach plus the allowed lateness."""
        reach = [
            f.window_ms + f.delay_ms if f.kind in WINDOWED else self.horizon_ms
            for f in self.features_of(entity_name)
        ]
        return max(reach, default=0) + self.allowed_lateness_ms

    def to_json(self) -> str:
        """Canonical text: equal specifications give equal texts."""
        data = asdict(self) | {"features": [feature.data for feature in self.features]}
        if self.graph is None:  # as before there was any: digests stay
            del data["graph"]
        else:
            data["graph"] = self.graph.data
        return json.dumps(data, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> FeatureSpec:
        """The specification that `to_json` wrote."""
        data = json.loads(text)
        if "graph" in data:
            data["graph"] = Graph.from_data(data["graph"])
        return cls(
            tuple(Entity(**item) for item in data.pop("entities")),
            tuple(_feature(**item) for item in data.pop("features")),
            **data,
        )

    @cached_property
    def digest(self) -> str:
        """Content hash, 16 hex digits: the version that decisions carry."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def with_features(self, *bound: BoundFeature) -> FeatureSpec:
        """This specification and these features after its own."""
        more = FeatureSpec.of(*bound)
        merged = {item.name: item for item in (*self.entities, *more.entities)}
        return replace(self, entities=tuple(merged.values()), features=self.features + more.features)

    def with_graph(self, graph: Graph | None) -> FeatureSpec:
        """This specification with the signals of a graph, in place of another's; None for none."""
        return replace(self, graph=graph)


def _feature(where: dict[str, Any] | None, calendar: dict[str, Any] | None = None, **fields: Any) -> Feature:
    """A feature from its JSON fields."""
    if calendar is not None:
        fields["calendar"] = Calendar(**calendar)
    if where is None:
        return Feature(**fields)
    value = where.pop("value")
    return Feature(where=Where(value=tuple(value) if isinstance(value, list) else value, **where), **fields)
