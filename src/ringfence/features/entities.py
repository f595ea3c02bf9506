"""Whose events a feature is about. Each method of `Entity` declares a feature of one kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ringfence.errors import SpecError
from ringfence.features.calendar import LONGEST_MS, Calendar, calendar_of
from ringfence.features.durations import parse_duration_ms
from ringfence.features.kinds import (
    KEYS,
    Feature,
    FeatureKind,
    Where,
    categorical_field,
    check_word,
    field_problem,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

Window = str | Calendar
"""How long it is: `10m`, `7d`; or with what it begins: `today`, `this_week`, `this_month`, a `Calendar`."""


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """Whose events a window covers: all with the same value in every field of `keys`.

    An event without one of them has null features.
    """

    name: str
    keys: tuple[str, ...]

    def __post_init__(self) -> None:
        check_word(self.name, "entity name")
        object.__setattr__(self, "keys", tuple(self.keys))
        if not self.keys:
            raise SpecError(f"entity {self.name!r} has no key fields")
        for key in self.keys:
            problem = field_problem(key, categorical=True)
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

    def seconds_since_last(self, *, back: int = 1, default: float | None = None) -> BoundFeature:
        return self._make("seconds_since_last", back=back, default=default)

    def seconds_since_first(self) -> BoundFeature:
        return self._make("seconds_since_first")

    def is_new(self, field: str) -> BoundFeature:
        return self._make("is_new", categorical_field(field))

    def previous(self, field: str, *, back: int = 1, default: float | None = None) -> BoundFeature:
        return self._make("previous", field, back=back, default=default)

    def is_same(self, field: str, *, back: int = 1, default: float | None = None) -> BoundFeature:
        return self._make("is_same", categorical_field(field), back=back, default=default)

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
    if name not in KEYS:
        raise SpecError(f"no entity {name!r}: one of {', '.join(KEYS)}, or entity({name!r}, [its fields])")
    return Entity(name, (KEYS[name],))
