"""What numbers the names of rules can be, and so the expressions over them.

Ranges are of values that are not null, and never too narrow: whoever finds one empty knows it for sure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from ringfence.features.spec import FeatureKind, FeatureSpec
from ringfence.scoring.language.expression import strip, values_of
from ringfence.scoring.language.values import length_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ringfence.features.spec import Feature
    from ringfence.scoring.language.expression import Scope


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, both included unless `above` or `below`; whole ones where `whole`."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    whole: bool = False

    @property
    def empty(self) -> bool:
        """Whether no number is in it.

        >>> Range(3, 3).empty, Range(3, 3, above=True).empty, Range(22, 23, above=True, below=True).empty
        (False, True, False)
        """
        return self.low > self.high or (self.low == self.high and (self.above or self.below))

    def holds(self, value: float) -> bool:
        """Whether a number is in it."""
        return not self.meet(Range(value, value)).empty

    def meet(self, other: Range) -> Range:
        """The numbers that are in both.

        >>> Range(0, 23, whole=True).meet(Range(low=22, above=True))
        Range(low=23, high=23, above=False, below=False, whole=True)
        """
        low, above = max((self.low, self.above), (other.low, other.above))
        high, not_below = min((self.high, not self.below), (other.high, not other.below))
        below, whole = not not_below, self.whole or other.whole
        if whole and math.isfinite(low):
            low, above = (math.floor(low) + 1 if above else math.ceil(low)), False
        if whole and math.isfinite(high):
            high, below = (math.ceil(high) - 1 if below else math.floor(high)), False
        return Range(low, high, above, below, whole)

    def join(self, other: Range) -> Range:
        """The least range that has both."""
        if self.empty or other.empty:
            return other if self.empty else self
        low, above = min((self.low, self.above), (other.low, other.above))
        high, not_below = max((self.high, not self.below), (other.high, not other.below))
        return Range(low, high, above, not not_below, self.whole and other.whole)

    def __str__(self) -> str:
        """As a reader says it.

        >>> str(Range(0, 23, whole=True)), str(Range(0)), str(Range(high=5, below=True))
        ('a whole number from 0 to 23', 'a number from 0 up', 'a number below 5')
        """
        kind = "a whole number" if self.whole else "a number"
        if self.low == self.high:
            return f"{self.low:.15g}"
        low = "" if self.low == -math.inf else f" {'above' if self.above else 'from'} {self.low:.15g}"
        if self.high == math.inf:
            return f"{kind}{low}{'' if self.above else ' up'}" if low else kind
        below = "below" if self.below else "up to" if not low else "to"
        joint = " and" if low and (self.below or self.above) else ""
        return f"{kind}{low}{joint} {below} {self.high:.15g}"


EVERYTHING: Final = Range()
NOTHING: Final = Range(math.inf, -math.inf)
_UP: Final = Range(0)
_SHARE: Final = Range(0, 1)
_COUNT: Final = Range(0, whole=True)
_HALF_ROUND_EARTH_KM: Final = 20_100

_PARTS: Final = {
    "month": Range(1, 12, whole=True),
    "day": Range(1, 31, whole=True),
    "isodow": Range(1, 7, whole=True),
    "dow": Range(0, 6, whole=True),
    "hour": Range(0, 23, whole=True),
    "minute": Range(0, 59, whole=True),
    "second": Range(0, 59, whole=True),
}
_NAMES: Final = {
    "amount": _UP,
    "amount_minor": _COUNT,
    "cents": Range(0, 100),
    "lat": Range(-90, 90),
    "lon": Range(-180, 180),
    "hour": Range(0, 23, whole=True),
    "weekday": Range(0, 6, whole=True),
    "model.probability": _SHARE,
    "model.score": Range(0, 100),
}
_KINDS: Final = {
    FeatureKind.COUNT: _COUNT,
    FeatureKind.DISTINCT: _COUNT,
    FeatureKind.LABEL_COUNT: _COUNT,
    FeatureKind.STD: _UP,
    FeatureKind.SHARE: _SHARE,
    FeatureKind.LABEL_RATE: _SHARE,
    FeatureKind.HOUR_SHARE: _SHARE,
    FeatureKind.SINCE_LAST: _UP,
    FeatureKind.IS_NEW: Range(0, 1, whole=True),
    FeatureKind.IS_SAME: Range(0, 1, whole=True),
    FeatureKind.DISTANCE: Range(0, _HALF_ROUND_EARTH_KM),
    FeatureKind.SPEED: _UP,
}
_SIGNALS: Final = {
    "linked_seconds": _UP,
    "degree_damped": _UP,
    "fraud_nearness": _UP,
    "fraud_distance": Range(0, 2, whole=True),
    "cycle_length": Range(2, 10, whole=True),
    "pair_is_new": Range(0, 1, whole=True),
    "pass_through": EVERYTHING,
    "seconds_since_income": EVERYTHING,
    "income": EVERYTHING,
    "payee_outlay": EVERYTHING,
    "income_ratio": EVERYTHING,
    "income_match": _UP,
}
"""Of the graph's signals; the others count something."""
_OF_AMOUNTS: Final = frozenset(
    {
        *(FeatureKind.SUM, FeatureKind.MEAN, FeatureKind.MIN, FeatureKind.MAX, FeatureKind.RATIO),
        FeatureKind.PREVIOUS,
    }
)


def ranges_of(spec: FeatureSpec, typologies: Iterable[str] = ()) -> dict[str, Range]:
    """Range of each name that has one; `typologies` are full names of scores.

    >>> from ringfence.features.catalog import CATALOG
    >>> str(ranges_of(CATALOG)["card.count_1h"])
    'a whole number from 0 up'
    """
    features = {one.name: _range_of(one) for one in spec.features}
    features |= {
        one.name: _SIGNALS.get(one.what, _COUNT) for one in (spec.graph.signals if spec.graph else ())
    }
    return {**_NAMES, **features, **dict.fromkeys(typologies, Range(0, 100))}


def _range_of(feature: Feature) -> Range:
    found = _KINDS.get(feature.kind, EVERYTHING)
    if feature.kind in _OF_AMOUNTS and feature.field == "amount":
        found = _UP  # payments of less than nothing are refused
    return found if feature.default is None else found.join(Range(feature.default, feature.default))


def value_range(scope: Scope, known: dict[str, Range], node: exp.Expression) -> Range:  # noqa: C901, PLR0911
    """Range of a numeric part of an expression."""
    node = strip(node)
    if isinstance(node, exp.Column):
        return known.get(scope.name(node), EVERYTHING)
    if isinstance(node, exp.Literal):
        return Range(float(node.name), float(node.name))
    if isinstance(node, exp.Null):
        return NOTHING
    if isinstance(node, exp.Extract):
        return _PARTS.get(node.this.name.lower(), EVERYTHING)
    if isinstance(node, exp.Length):
        return _length(scope, strip(node.this))
    if isinstance(node, (exp.Case, exp.Coalesce, exp.Least, exp.Greatest)):
        joined = NOTHING
        for part in values_of(node):
            joined = joined.join(value_range(scope, known, part))
        return _bounded(node, joined)
    if isinstance(node, exp.Nullif):
        return value_range(scope, known, node.this)
    if isinstance(node, (exp.Neg, exp.Abs)):
        return _turned(node, value_range(scope, known, node.this))
    if isinstance(node, (exp.Floor, exp.Ceil)) or (
        isinstance(node, exp.Round) and node.args.get("decimals") is None
    ):
        return _rounded(value_range(scope, known, node.this))
    if type(node) in _CORNERS:
        left, right = (value_range(scope, known, side) for side in (node.this, node.expression))
        return _corners(_CORNERS[type(node)], left, right)
    return EVERYTHING


def _bounded(node: exp.Expression, joined: Range) -> Range:
    """LEAST is no more than a number written in it, and GREATEST no less: other parts may be null."""
    written = [float(part.name) for part in map(strip, values_of(node)) if isinstance(part, exp.Literal)]
    if written and isinstance(node, exp.Least):
        return joined.meet(Range(-math.inf, min(written)))
    if written and isinstance(node, exp.Greatest):
        return joined.meet(Range(max(written), math.inf))
    return joined


def _length(scope: Scope, node: exp.Expression) -> Range:
    """Of a text; of codes that are always as long, that."""
    found = length_of(scope.name(node)) if isinstance(node, exp.Column) else None
    return _COUNT if found is None else Range(found, found, whole=True)


def _turned(node: exp.Expression, inner: Range) -> Range:
    if inner.empty:
        return inner
    negative = replace(inner, low=-inner.high, high=-inner.low, above=inner.below, below=inner.above)
    if isinstance(node, exp.Neg):
        return negative
    return inner.join(negative).meet(_UP)


def _rounded(inner: Range) -> Range:
    if inner.empty:
        return inner
    low = math.floor(inner.low) if math.isfinite(inner.low) else inner.low
    high = math.ceil(inner.high) if math.isfinite(inner.high) else inner.high
    return Range(low, high, whole=True)


def _corners(act: Callable[[float, float], float], left: Range, right: Range) -> Range:
    """Range of an operation that is monotone in each side: rounding keeps it so, and openness is lost."""
    if left.empty or right.empty or (act in (_div, _mod) and right.low == right.high == 0):
        return NOTHING  # what is divided by 0 is null
    if act is _div and right.holds(0):
        return EVERYTHING
    ends = [act(one, other) for one in (left.low, left.high) for other in (right.low, right.high)]
    return EVERYTHING if any(map(math.isnan, ends)) else Range(min(ends), max(ends))


def _mul(one: float, other: float) -> float:
    return 0.0 if 0 in (one, other) else one * other


def _div(one: float, other: float) -> float:
    return one / other if other else math.nan


def _mod(_one: float, _other: float) -> float:
    return math.nan  # what is left over is not monotone


_CORNERS: Final[dict[type[exp.Expression], Callable[[float, float], float]]] = {
    exp.Add: lambda one, other: one + other,
    exp.Sub: lambda one, other: one - other,
    exp.Mul: _mul,
    exp.Div: _div,
    exp.Mod: _mod,
}
