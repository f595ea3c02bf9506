"""What a feature can be: its kind, the field and the condition that it looks at, its name.

Which of them can be combined is said here, once; `Feature` refuses the rest.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, Literal

from ringfence.errors import SpecError
from ringfence.events.model import (
    ATTRIBUTE_PREFIX,
    BIN_FIELDS,
    CATEGORY_FIELDS,
    ID_FIELDS,
    START_DAY_PREFIX,
)
from ringfence.features.calendar import LONGEST_MS, Calendar
from ringfence.features.durations import LONGEST_MS as LONGEST_DURATION_MS
from ringfence.features.durations import format_duration

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
    SINCE_LAST = (
        "seconds_since_last"  # to the latest earlier event (position < p, time <= t), or further back
    )
    SINCE_FIRST = "seconds_since_first"  # to the first event, the current one included: 0 for a new key
    IS_NEW = "is_new"  # 1 when no earlier event carries this value, null when the value is null
    DISTANCE = "distance_km"  # great circle from the latest earlier event that has a position
    SPEED = "speed_kmh"  # that distance / elapsed time, which counts as at least one second
    PREVIOUS = "previous"  # x of the latest earlier event, or of one further back
    IS_SAME = "is_same"  # 1 where that event carries the current value, null when either has none


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

CATEGORICAL: Final = frozenset({FeatureKind.DISTINCT, FeatureKind.IS_NEW, FeatureKind.IS_SAME})
"""Kinds whose field has words, not numbers."""

MOST_BACK: Final = 16
"""How many events back a feature may look."""

_NEEDS_FIELD: Final = CATEGORICAL | {
    *("sum", "mean", "std", "min", "max", "ratio", "zscore"),
    FeatureKind.PREVIOUS,
}
_BACK: Final = ("previous", "is_same", "seconds_since_last")
_CONDITIONAL: Final = ("count", "sum", "mean", "std", "distinct", "share")
_DELAYED: Final = ("count", "sum", "mean", "std", "ratio", "zscore", "share", "label_count", "label_rate")


KEYS: Final = ENTITY_KEYS | {"bin": "card_bin"}  # no party to a payment: measured, not looked up


def check_word(text: str, what: str) -> None:
    """`SpecError` for a name that nobody could write in a rule."""
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
        check_word(self.name, "condition name")
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
    back: int = 1  # which of the earlier events it looks at: 1 is the latest

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", FeatureKind(self.kind))
        problem = self._problem()
        if problem:
            raise SpecError(f"{self.entity}.{self.kind}: {problem}")

    def _problem(self) -> str | None:
        return self._problem_of_reach() or self._problem_of_value()

    def _problem_of_reach(self) -> str | None:  # noqa: PLR0911 (one line a rule)
        """What is wrong with how far back it looks."""
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
        if self.back != 1 and self.kind not in _BACK:
            return f"looks at no single event: only {', '.join(_BACK)} do"
        if not 1 <= self.back <= MOST_BACK:
            return f"looks 1 to {MOST_BACK} events back, not {self.back}"
        return None

    def _problem_of_value(self) -> str | None:
        """What is wrong with its field or its condition."""
        if (self.field is not None) != (self.kind in _NEEDS_FIELD):
            return "needs a field" if self.kind in _NEEDS_FIELD else "takes no field"
        if self.kind is FeatureKind.SHARE and self.where is None:
            return "needs a condition"
        if self.where and self.kind not in _CONDITIONAL:
            return f"takes no condition: only {', '.join(_CONDITIONAL)} do"
        if self.is_lifecycle:
            plain = self.kind is FeatureKind.SUM and self.where is None
            return None if plain else f"{self.field} takes part in sums without a condition alone"
        if self.field:
            return field_problem(self.field, categorical=self.kind in CATEGORICAL)
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
        """Its fields. Without a calendar window they are those of before there were any: digests stay.

        Likewise where it looks at the latest event, as all did once.
        """
        unset = {"" if self.calendar else "calendar", "" if self.back > 1 else "back"}
        return {name: value for name, value in asdict(self).items() if name not in unset}

    @property
    def name(self) -> str:
        """`<entity>.<kind>[_<field>][_<condition>][_<window>][_delay_<delay>][_before][_back_<number>]`."""
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
        if self.back > 1:
            parts.append(f"back_{self.back}")
        return f"{self.entity}.{'_'.join(parts)}"


def short_field(name: str) -> str:
    """The field's part in a feature name: `merchant_id` is `merchant`, `attributes.score` is `score`."""
    if name.startswith(START_DAY_PREFIX):
        return f"start_day_{short_field(name.removeprefix(START_DAY_PREFIX))}"
    return name.removeprefix(ATTRIBUTE_PREFIX).removesuffix("_id").replace(".", "_")


def field_problem(name: str, *, categorical: bool) -> str | None:
    """Why a field can be no value of a feature, or, `categorical`, no key; None where it can."""
    if name.startswith(ATTRIBUTE_PREFIX):
        return None
    if name.startswith(START_DAY_PREFIX):
        counted = name.removeprefix(START_DAY_PREFIX)
        if categorical and counted.startswith(ATTRIBUTE_PREFIX):
            return None
        return f"{name!r} is no field: a start day is a key, {START_DAY_PREFIX}attributes.<name>"
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


def categorical_field(name: str) -> str:
    """`merchant` stands for `merchant_id`, and so on for the id fields; other names stay as they are."""
    return KEYS.get(name, name)
