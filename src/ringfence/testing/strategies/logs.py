"""Logs of up to 120 events: tied, late, too late, with absent fields, absurd values and labels in any order.

Steps in time come from the specification's own windows, delays and horizon, a millisecond more or less, so
that events fall on edges; keys and values come from small alphabets, so that they repeat.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st

from ringfence.events.model import AMOUNT_LIMIT_MAJOR, Kind
from ringfence.events.values.currencies import currency_exponent
from ringfence.testing.strategies.specs import specs
from ringfence.testing.streams import log_of

if TYPE_CHECKING:
    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import FeatureSpec

Drawn = tuple[dict[str, Any], int, bool]
"""Fields of an event, milliseconds to step, and whether forward from the latest time (or back from it)."""

_STARTS_MS = (
    1_700_000_000_000,
    160_000_000_000,
    4_000_000_000_000,
    1_711_842_300_000,  # 2024-03-31 00:45 in Berlin: clocks go forward, and the month ends
    1_730_610_000_000,  # 2024-11-03 01:00 in New York: clocks go back
)
_LATEST_MS = 4_100_000_000_000
_LATEST_LOCAL_MS = 2_145_000_000_000  # Arrow knows no daylight saving time from 2038 on
_COMMON_STEPS_MS = (0, 0, 1, 999, 1_000, 60_000, 1_800_000, 3_600_000)
_LARGEST = 10**16  # minor units of a currency with three digits; cut to the limit for the others

# A payment that is not dull. Amounts are minor units: 1e13 euros, refunds, zero, nothing.
_AMOUNTS = (0, 1, 30, 99, 2_200, -500, 1_000_000, _LARGEST, -_LARGEST, None)
_SCORES = (0.1, 0.5, -0.0, 2.5e-6, 0.125, -7.25, 123_456.789, 8e9, 9e15, 1e300, math.inf, math.nan, None)
_PLACES = (
    (52.52, 13.405),
    (48.8566, 2.3522),
    (-33.87, 151.21),
    (90.0, 0.0),
    (-90.0, 77.0),
    (0.0, 180.0),
    (0.0, -180.0),
    (0.0, -179.9999),
    (None, 13.0),
    (None, None),
)


class Scenario(NamedTuple):
    """A specification and a log to measure with it."""

    spec: FeatureSpec
    log: EventBatch


def _id(letter: str, count: int) -> st.SearchStrategy[str | None]:
    return st.sampled_from((*(f"{letter}{i}" for i in range(count)), "", None))


_PAYMENT = st.fixed_dictionaries(
    {
        "card_id": st.sampled_from(("c0", "c0", "c0", "c1", "c2", "", None)),
        "merchant_id": _id("m", 2),
        "customer_id": _id("u", 2),
        "device_id": _id("d", 3),
        "country": st.sampled_from(("FR", "DE", "JP", None)),
        "channel": st.sampled_from(("web", "app", "pos", None)),
        "currency": st.sampled_from(("EUR", "EUR", "JPY", "KWD", None)),
        "amount_minor": st.sampled_from(_AMOUNTS) | st.integers(-10_000, 10_000),
        "place": st.sampled_from(_PLACES),
        "attributes.score": st.sampled_from(_SCORES),
        "attributes.segment": st.sampled_from(("gold", "basic", None)),
        "attributes.recurring": st.sampled_from((True, False, None)),
        "attributes.time_zone": st.sampled_from(
            ("Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "Berlin", None)
        ),
    }
)
_LABEL = st.fixed_dictionaries(
    {"kind": st.just(int(Kind.LABEL)), "target": st.integers(0, 40), "label": st.booleans()}
)
_FREQUENT = (True, True, True, False)  # a label at every fourth place, a late payment likewise


@st.composite
def logs(draw: st.DrawFn, spec: FeatureSpec, *, longest: int = 120) -> EventBatch:
    """A log whose times sit around the edges of this specification's windows."""
    steps = st.sampled_from(_steps_ms(spec))
    payment: st.SearchStrategy[Drawn] = st.tuples(_PAYMENT, steps, st.sampled_from(_FREQUENT))
    label: st.SearchStrategy[Drawn] = st.tuples(_LABEL, st.just(0), st.just(value=True))
    event = st.sampled_from(_FREQUENT).flatmap(lambda pay: payment if pay else label)
    shortest = min(longest, draw(st.sampled_from((0, 10, 30, 80))))
    drawn = draw(st.lists(event, min_size=shortest, max_size=longest))
    latest_ms = _LATEST_MS if spec.zone == "UTC" else _LATEST_LOCAL_MS
    return log_of(_rows(drawn, draw(st.sampled_from(_STARTS_MS)), latest_ms))


@st.composite
def scenarios(draw: st.DrawFn, *, most_features: int = 12, longest: int = 120) -> Scenario:
    """A specification with a log made to hurt it."""
    spec = draw(specs(most_features=most_features))
    return Scenario(spec, draw(logs(spec, longest=longest)))


def _lawful(minor: int | None, currency: str | None) -> int | None:
    """The amount, no larger than what is let into a log."""
    limit = AMOUNT_LIMIT_MAJOR * 10 ** currency_exponent(currency or "")
    return None if minor is None else max(-limit, min(limit, minor))


def _steps_ms(spec: FeatureSpec) -> list[int]:
    edges = {spec.horizon_ms, spec.allowed_lateness_ms}
    for feature in spec.features:
        edges |= {feature.window_ms, feature.delay_ms, feature.window_ms + feature.delay_ms}
        edges.add(spec.retention_ms(feature.entity))
    around = {edge + shift for edge in edges for shift in (-1, 0, 1)} | {edge // 3 for edge in edges}
    return [*_COMMON_STEPS_MS * 3, *sorted(step for step in around if step > 0)]


def _rows(drawn: list[Drawn], start_ms: int, latest_ms: int) -> list[dict[str, Any]]:
    """Rows in log order: a punctual event is a step after the latest time so far, a late one before it."""
    rows = []
    watermark_ms, payments = min(start_ms, latest_ms), 0
    for fields, step_ms, punctual in drawn:
        row = dict(fields)
        if "kind" in row:
            row["transaction_id"] = f"t{row.pop('target')}"
            time_ms = watermark_ms
        else:
            row["lat"], row["lon"] = row.pop("place")
            row["amount_minor"] = _lawful(row["amount_minor"], row["currency"])
            row["transaction_id"] = f"t{payments}"
            payments += 1
            time_ms = watermark_ms + step_ms if punctual else watermark_ms - step_ms
            time_ms = min(time_ms, latest_ms)
            watermark_ms = max(watermark_ms, time_ms)
        rows.append({**row, "event_time_ms": time_ms})
    return rows
