"""Specifications: one to three entities, every kind of feature, windows from a minute to half a year."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from ringfence.features.calendar import Calendar
from ringfence.features.spec import NIGHT, Entity, FeatureSpec, Where, entity

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.features.spec import BoundFeature, Window

WINDOWS = ("1m", "10m", "1h", "1d", "7d", "30d", "180d")
CALENDARS = (
    Calendar("day"),
    Calendar("day", "America/New_York", "attributes.time_zone"),
    Calendar("week", "Asia/Kathmandu"),
    Calendar("week", None, "attributes.time_zone"),
    Calendar("month", "Europe/Berlin"),
    Calendar("month", None, "attributes.time_zone"),
)
DELAYS = ("0s", "1m", "1d", "7d")
LATENESS = ("0s", "1m", "1h", "1d", "3d")
HORIZONS = ("1h", "1d", "30d")
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York")

_BASES = ("card", "merchant", "customer")
_NUMBERS = ("amount", "attributes.score", "attributes.recurring")
_CATEGORIES = ("merchant", "device", "country", "attributes.segment", "attributes.recurring")
CONDITIONS = (
    NIGHT,
    Where("small", "amount", "<", 10),
    Where("odd", "amount", "!=", 22),
    Where("exact", "amount", "=", 0.3),
    Where("weekend", "weekday", ">=", 5),
    Where("euro", "currency", "=", "EUR"),
    Where("elsewhere", "country", "!=", "FR"),
    Where("remote", "channel", "in", ("web", "app")),
    Where("rush", "hour", "in", (8, 9, 17)),
    Where("scored", "attributes.score", ">", 0.1),
    Where("gold", "attributes.segment", "=", "gold"),
)


def entities() -> st.SearchStrategy[Entity]:
    """Single keys, pairs of keys, and a key that is a free attribute."""
    single = st.sampled_from(_BASES).map(entity)
    pair = st.sampled_from((("card", "merchant"), ("customer", "merchant"))).map(
        lambda names: entity(names[0]) * entity(names[1])
    )
    return single | pair | st.just(entity("segment", ["attributes.segment", "country"]))


@st.composite
def features(draw: st.DrawFn, of: Entity) -> BoundFeature:
    """Any feature of this entity."""
    return draw(st.sampled_from(_MAKERS))(of, draw)


def _window(draw: st.DrawFn) -> Window:
    return draw(st.sampled_from(WINDOWS) | st.sampled_from(CALENDARS))


def _delayed(draw: st.DrawFn) -> tuple[str, str]:
    """A window, and its delay."""
    return draw(st.sampled_from(WINDOWS)), draw(st.sampled_from(DELAYS))


def _maybe_where(draw: st.DrawFn) -> Where | None:
    return draw(st.none() | st.sampled_from(CONDITIONS))


def _default(draw: st.DrawFn) -> float | None:
    return draw(st.sampled_from((None, None, -1.0)))


def _back(draw: st.DrawFn) -> int:
    return draw(st.sampled_from((1, 1, 2, 3, 16)))


def _number(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(_NUMBERS))


def _count(of: Entity, draw: st.DrawFn) -> BoundFeature:
    before = draw(st.booleans())
    if draw(st.booleans()):
        window, delay = _delayed(draw)
        return of.count(window, delay=delay, exclude_current=before)
    return of.count(_window(draw), where=_maybe_where(draw), exclude_current=before)


def _moment(name: str) -> Callable[[Entity, st.DrawFn], BoundFeature]:
    def make(of: Entity, draw: st.DrawFn) -> BoundFeature:
        kind: Any = getattr(of, name)
        more = {} if name == "sum" else {"default": _default(draw)}
        before = draw(st.booleans())
        made: BoundFeature = kind(
            _number(draw), _window(draw), where=_maybe_where(draw), exclude_current=before, **more
        )
        return made

    return make


def _value(name: str) -> Callable[[Entity, st.DrawFn], BoundFeature]:
    def make(of: Entity, draw: st.DrawFn) -> BoundFeature:
        kind: Any = getattr(of, name)
        before = draw(st.booleans())
        default = _default(draw)
        made: BoundFeature = kind(_number(draw), _window(draw), exclude_current=before, default=default)
        return made

    return make


def _distinct(of: Entity, draw: st.DrawFn) -> BoundFeature:
    field, before = draw(st.sampled_from(_CATEGORIES)), draw(st.booleans())
    return of.distinct(field, _window(draw), where=_maybe_where(draw), exclude_current=before)


def _share(of: Entity, draw: st.DrawFn) -> BoundFeature:
    where = draw(st.sampled_from(CONDITIONS))
    return of.share(where, _window(draw), exclude_current=draw(st.booleans()), default=_default(draw))


def _label_count(of: Entity, draw: st.DrawFn) -> BoundFeature:
    window, delay = _delayed(draw)
    return of.label_count(window, delay=delay)


def _label_rate(of: Entity, draw: st.DrawFn) -> BoundFeature:
    if draw(st.booleans()):
        return of.label_rate(_window(draw), default=_default(draw))
    window, delay = _delayed(draw)
    return of.label_rate(window, delay=delay, default=_default(draw))


def _hour_share(of: Entity, draw: st.DrawFn) -> BoundFeature:
    return of.hour_share(_window(draw), exclude_current=draw(st.booleans()), default=_default(draw))


_MAKERS: tuple[Callable[[Entity, st.DrawFn], BoundFeature], ...] = (
    _count,
    *(_moment(name) for name in ("sum", "mean", "std")),
    *(_value(name) for name in ("min", "max", "ratio", "zscore")),
    _distinct,
    _share,
    _hour_share,
    _label_count,
    _label_rate,
    lambda of, draw: of.is_new(draw(st.sampled_from(_CATEGORIES))),
    lambda of, draw: of.seconds_since_last(back=_back(draw), default=_default(draw)),
    lambda of, draw: of.previous(_number(draw), back=_back(draw), default=_default(draw)),
    lambda of, draw: of.is_same(draw(st.sampled_from(_CATEGORIES)), back=_back(draw)),
    lambda of, _draw: of.seconds_since_first(),
    lambda of, draw: of.distance_km(default=_default(draw)),
    lambda of, draw: of.speed_kmh(default=_default(draw)),
)


def _name(bound: BoundFeature) -> str:
    return bound.feature.name


@st.composite
def specs(draw: st.DrawFn, *, most_features: int = 12) -> FeatureSpec:
    """One to three entities, up to twelve features, any lateness, horizon, zone and number of decimals."""
    chosen = draw(st.lists(entities(), min_size=1, max_size=3, unique_by=lambda item: item.name))
    drawn = st.sampled_from(chosen).flatmap(features)
    fewest = min(most_features, draw(st.sampled_from((1, 4, 8))))
    bound = draw(st.lists(drawn, min_size=fewest, max_size=most_features, unique_by=_name))
    return FeatureSpec.of(
        *bound,
        allowed_lateness=draw(st.sampled_from(LATENESS)),
        horizon=draw(st.sampled_from(HORIZONS)),
        zone=draw(st.sampled_from(ZONES)),
        decimals=draw(st.sampled_from(({}, {"attributes.score": 2}, {"attributes.score": 0}))),
    )
