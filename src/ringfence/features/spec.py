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
import re
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from ringfence.errors import SpecError
from ringfence.events.model import ATTRIBUTE_PREFIX, BIN_FIELDS, CATEGORY_FIELDS, ID_FIELDS
from ringfence.features.calendar import LONGEST_MS, Calendar, calendar_of
from ringfence.features.durations import DAY_MS, format_duration, parse_duration_ms
from ringfence.features.durations import LONGEST_MS as LONGEST_DURATION_MS
from ringfence.features.links import Graph

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Window = str | Calendar
"""How long it is: `10m`, `7d`; or with what it begins: `today`, `this_week`, `this_month`, a `Calendar`."""

ENTITY_KEYS: Final = {
    "card": "card_id",
    "customer": "customer_id",
    "account": "account_id",
    "merchant": "merchant_id",
    "device": "device_id",
    "terminal": "terminal_id",
    "counterparty": "counterparty_id",
    "ip": "ip",
    "email": "email",
    "phone": "phone",
}
"""Entity name to its id field. Combinations (card by merchant) are declared from these."""


class FeatureKind(StrEnum):
    """What is computed over the window. `x` is the field's value; null values are skipped."""

    COUNT = "count"  # events
    SUM = "sum"  # 0 for an empty window
    MEAN = "mean"  # null for an empty window, as all that follow
    STD = "std"  # sample standard deviation (n - 1), null for n < 2
    MIN = "min"
    MAX = "max"
    DISTINCT = "distinct"  # number of different non-null values
    RATIO = "ratio"  # current x / mean, null when the mean is 0
    ZSCORE = "zscore"  # (current x - mean) / std, null when std is 0 or null
    SHARE = "share"  # events that satisfy `where` / events
    LABEL_COUNT = "label_count"  # events labelled fraud by labels already in the log
    LABEL_RATE = "label_rate"  # label_count / count
    HOUR_SHARE = "hour_share"  # events within an hour of the current hour of day (23, 0 and 1 for 0) / events
    SINCE_LAST = "seconds_since_last"  # to the latest earlier event (position < p, time <= t)
    SINCE_FIRST = "seconds_since_first"  # to the first event, the current one included: 0 for a new key
    IS_NEW = "is_new"  # 1 when no earlier event carries this value, null when the value is null
    DISTANCE = "distance_km"  # great circle from the latest earlier event that has a position
    SPEED = "speed_kmh"  # that distance / elapsed time, which counts as at least one second


MOVED: Final = ("authorised", "captured", "reversed", "refunded", "charged_back", "represented", "net")
"""Amounts that the life of a payment moves (major units), each at the time of its own event.

`authorised` is what payments ask for and increments add, less reversals; `net` what captures bring, less
refunds, chargebacks and reversals of what was captured, and representments again.
"""

ACTED: Final = ("captures", "reversals", "refunds", "chargebacks", "representments")
"""How often something became of a payment."""

LIFECYCLE_FIELDS: Final = frozenset({*MOVED, *ACTED})
"""What `sum` adds up over the lives of payments, beside `amount`, which only their authorisations have."""

WINDOWED: Final = frozenset(
    {
        *(FeatureKind.COUNT, FeatureKind.SUM, FeatureKind.MEAN, FeatureKind.STD, FeatureKind.MIN),
        *(FeatureKind.MAX, FeatureKind.DISTINCT, FeatureKind.RATIO, FeatureKind.ZSCORE, FeatureKind.SHARE),
        *(FeatureKind.LABEL_COUNT, FeatureKind.LABEL_RATE, FeatureKind.HOUR_SHARE),
    }
)
"""Kinds that look back over a window; the others, over all that is retained of an entity."""

_NEEDS_FIELD: Final = frozenset({"sum", "mean", "std", "min", "max", "distinct", "ratio", "zscore", "is_new"})
_CATEGORICAL: Final = frozenset({"distinct", "is_new"})
_CONDITIONAL: Final = ("count", "sum", "mean", "std", "distinct", "share")
_DELAYED: Final = ("count", "sum", "mean", "std", "ratio", "zscore", "share", "label_count", "label_rate")


_KEYS: Final = ENTITY_KEYS | {"bin": "card_bin"}  # no party to a payment: measured, not looked up


def _check_word(text: str, what: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", text):
        raise SpecError(
            f"{text!r} is no {what}: use lower-case letters, digits and _, at most 40, a letter first"
        )


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A condition on one field of the event itself, with a name that enters the feature's.

    `field` is `amount` (major units), `hour` (0-23 in the specification's zone), `weekday` (0 = Monday), an
    id or category field, or `attributes.<name>`. `op` is one of = != < <= > >= in; `value` a number, a text,
    or a tuple of them for `in`. A null field never satisfies a condition.
    """

    name: str
    field: str
    op: Literal["=", "!=", "<", "<=", ">", ">=", "in"]
    value: float | str | tuple[float | str, ...]

    def __post_init__(self) -> None:
        _check_word(self.name, "condition name")
        if (self.op == "in") != isinstance(self.value, tuple):
            raise SpecError(
                f"condition {self.name!r}: 'in' takes a tuple of values, the other operators one value"
            )
        if self.op not in ("=", "!=", "<", "<=", ">", ">=", "in"):
            raise SpecError(f"condition {self.name!r}: unknown operator {self.op!r}")


NIGHT: Final = Where("night", "hour", "<=", 6)
"""Hours 0 to 6."""


@dataclass(frozen=True, slots=True, order=True)
class Feature:
    """One number per transaction. Made by the methods of `Entity`."""

    entity: str
    kind: FeatureKind
    field: str | None = None
    window_ms: int = 0
    delay_ms: int = 0
    exclude_current: bool = False
    where: Where | None = None
    default: float | None = None  # stands in for null
    calendar: Calendar | None = None  # the window begins with this period; `window_ms` is the longest one's

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", FeatureKind(self.kind))
        problem = self._problem()
        if problem:
            raise SpecError(f"{self.entity}.{self.kind}: {problem}")

    def _problem(self) -> str | None:  # noqa: PLR0911 (one line a rule)
        if (self.field is not None) != (self.kind in _NEEDS_FIELD):
            return "needs a field" if self.kind in _NEEDS_FIELD else "takes no field"
        if (self.window_ms > 0) != (self.kind in WINDOWED):
            return (
                "needs a window such as '1h'"
                if self.kind in WINDOWED
                else "takes no window: it looks back over the horizon"
            )
        if self.window_ms > LONGEST_DURATION_MS or self.delay_ms > LONGEST_DURATION_MS:
            return "windows and delays end at 366 days"
        if self.calendar and (self.delay_ms or self.window_ms != LONGEST_MS[self.calendar.period]):
            return f"{self.calendar.word} takes no delay, and is as long as it is"
        if self.delay_ms and self.kind not in _DELAYED:
            return f"takes no delay: only {', '.join(_DELAYED)} do"
        if self.kind is FeatureKind.SHARE and self.where is None:
            return "needs a condition"
        if self.where and self.kind not in _CONDITIONAL:
            return f"takes no condition: only {', '.join(_CONDITIONAL)} do"
        if self.is_lifecycle:
            plain = self.kind is FeatureKind.SUM and self.where is None
            return None if plain else f"{self.field} takes part in sums without a condition alone"
        if self.field:
            return _field_problem(self.field, categorical=self.kind in _CATEGORICAL)
        return None

    @property
    def looks_at(self) -> set[str]:
        """Fields of events beside those that its entity is keyed by."""
        return {self.field or "", self.where.field if self.where else ""} - {""}

    @property
    def is_lifecycle(self) -> bool:
        """Whether it adds up what became of payments."""
        return self.field in LIFECYCLE_FIELDS

    @property
    def data(self) -> dict[str, Any]:
        """Its fields. Without a calendar window they are those of before there were any: digests stay."""
        fields = asdict(self)
        return fields if self.calendar else {name: fields[name] for name in fields if name != "calendar"}

    @property
    def name(self) -> str:
        """`<entity>.<kind>[_<field>][_<condition>][_<window>][_delay_<delay>][_before]`."""
        parts: list[str] = [self.kind]
        if self.kind in (FeatureKind.SHARE, FeatureKind.COUNT) and self.where:
            parts.append(self.where.name)
        if self.field:
            parts.append(short_field(self.field))
            if self.where:
                parts.append(self.where.name)
        if self.window_ms:
            parts.append(self.calendar.word if self.calendar else format_duration(self.window_ms))
        if self.delay_ms:
            parts += ["delay", format_duration(self.delay_ms)]
        if self.exclude_current:
            parts.append("before")
        return f"{self.entity}.{'_'.join(parts)}"


def short_field(name: str) -> str:
    """The field's part in a feature name: `merchant_id` is `merchant`, `attributes.score` is `score`."""
    return name.removeprefix(ATTRIBUTE_PREFIX).removesuffix("_id").replace(".", "_")


def _field_problem(name: str, *, categorical: bool) -> str | None:
    if name.startswith(ATTRIBUTE_PREFIX):
        return None
    if categorical:
        allowed: tuple[str, ...] = (*ID_FIELDS, *CATEGORY_FIELDS, *BIN_FIELDS)
        return (
            None
            if name in allowed
            else f"{name!r} is no categorical field: one of {', '.join(allowed)} or attributes.<name>"
        )
    if name == "amount":
        return None
    return (
        f"{name!r} is no numeric field: amount, attributes.<name>, or in sums {', '.join((*MOVED, *ACTED))}"
    )


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """Whose events a window covers: all with the same value in every field of `keys`.

    An event without one of them has null features.
    """

    name: str
    keys: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_word(self.name, "entity name")
        object.__setattr__(self, "keys", tuple(self.keys))
        if not self.keys:
            raise SpecError(f"entity {self.name!r} has no key fields")
        for key in self.keys:
            problem = _field_problem(key, categorical=True)
            if problem:
                raise SpecError(f"entity {self.name!r}: {problem}")

    def __mul__(self, other: Entity) -> Entity:
        """The combination: `card * merchant` is one key per pair, named `card_merchant`."""
        return Entity(f"{self.name}_{other.name}", self.keys + other.keys)

    def count(
        self, window: Window, *, where: Where | None = None, delay: str = "0s", exclude_current: bool = False
    ) -> BoundFeature:
        return self._make("count", None, window, where=where, delay=delay, exclude_current=exclude_current)

    def sum(
        self,
        field: str,
        window: Window,
        *,
        where: Where | None = None,
        delay: str = "0s",
        exclude_current: bool = False,
    ) -> BoundFeature:
        return self._make("sum", field, window, where=where, delay=delay, exclude_current=exclude_current)

    def mean(
        self,
        field: str,
        window: Window,
        *,
        where: Where | None = None,
        delay: str = "0s",
        exclude_current: bool = False,
        default: float | None = None,
    ) -> BoundFeature:
        return self._make(
            "mean", field, window, where=where, delay=delay, exclude_current=exclude_current, default=default
        )

    def std(
        self,
        field: str,
        window: Window,
        *,
        where: Where | None = None,
        delay: str = "0s",
        exclude_current: bool = False,
        default: float | None = None,
    ) -> BoundFeature:
        return self._make(
            "std", field, window, where=where, delay=delay, exclude_current=exclude_current, default=default
        )

    def min(
        self, field: str, window: Window, *, exclude_current: bool = False, default: float | None = None
    ) -> BoundFeature:
        return self._make("min", field, window, exclude_current=exclude_current, default=default)

    def max(
        self, field: str, window: Window, *, exclude_current: bool = False, default: float | None = None
    ) -> BoundFeature:
        return self._make("max", field, window, exclude_current=exclude_current, default=default)

    def distinct(
        self, field: str, window: Window, *, where: Where | None = None, exclude_current: bool = False
    ) -> BoundFeature:
        name = categorical_field(field)
        return self._make("distinct", name, window, where=where, exclude_current=exclude_current)

    def ratio(
        self,
        field: str,
        window: Window,
        *,
        delay: str = "0s",
        exclude_current: bool = True,
        default: float | None = None,
    ) -> BoundFeature:
        return self._make(
            "ratio", field, window, delay=delay, exclude_current=exclude_current, default=default
        )

    def zscore(
        self,
        field: str,
        window: Window,
        *,
        delay: str = "0s",
        exclude_current: bool = True,
        default: float | None = None,
    ) -> BoundFeature:
        return self._make(
            "zscore", field, window, delay=delay, exclude_current=exclude_current, default=default
        )

    def share(
        self,
        where: Where,
        window: Window,
        *,
        delay: str = "0s",
        exclude_current: bool = False,
        default: float | None = None,
    ) -> BoundFeature:
        return self._make(
            "share", None, window, where=where, delay=delay, exclude_current=exclude_current, default=default
        )

    def label_count(self, window: Window, *, delay: str = "0s") -> BoundFeature:
        return self._make("label_count", None, window, delay=delay)

    def label_rate(self, window: Window, *, delay: str = "0s", default: float | None = None) -> BoundFeature:
        return self._make("label_rate", None, window, delay=delay, default=default)

    def hour_share(
        self, window: Window, *, exclude_current: bool = True, default: float | None = None
    ) -> BoundFeature:
        return self._make("hour_share", None, window, exclude_current=exclude_current, default=default)

    def seconds_since_last(self, *, default: float | None = None) -> BoundFeature:
        return self._make("seconds_since_last", default=default)

    def seconds_since_first(self) -> BoundFeature:
        return self._make("seconds_since_first")

    def is_new(self, field: str) -> BoundFeature:
        return self._make("is_new", categorical_field(field))

    def distance_km(self, *, default: float | None = None) -> BoundFeature:
        return self._make("distance_km", default=default)

    def speed_kmh(self, *, default: float | None = None) -> BoundFeature:
        return self._make("speed_kmh", default=default)

    def _make(
        self,
        kind: str,
        field: str | None = None,
        window: Window | None = None,
        *,
        delay: str = "0s",
        **more: Any,
    ) -> BoundFeature:
        calendar = calendar_of(window) if isinstance(window, str) else window
        if calendar:
            window_ms = LONGEST_MS[calendar.period]
            more["calendar"] = calendar
        else:
            window_ms = 0 if window is None else parse_duration_ms(str(window))
        made = Feature(self.name, FeatureKind(kind), field, window_ms, parse_duration_ms(delay), **more)
        return BoundFeature(self, made)


@dataclass(frozen=True, slots=True)
class BoundFeature:
    """A feature with the entity that it is measured for, as `FeatureSpec.of` takes it."""

    entity: Entity
    feature: Feature


def entity(name: str, keys: Iterable[str] | None = None) -> Entity:
    """A well-known entity by name, or one of your own over the given fields.

    >>> entity("card").keys, (entity("card") * entity("merchant")).name
    (('card_id',), 'card_merchant')
    """
    if keys is not None:
        return Entity(name, tuple(keys))
    if name not in _KEYS:
        raise SpecError(f"no entity {name!r}: one of {', '.join(_KEYS)}, or entity({name!r}, [its fields])")
    return Entity(name, (_KEYS[name],))


def categorical_field(name: str) -> str:
    """`merchant` stands for `merchant_id`, and so on for the id fields; other names stay as they are."""
    return _KEYS.get(name, name)


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
