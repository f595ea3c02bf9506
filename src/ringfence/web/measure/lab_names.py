"""What the rule lab completes: every name that a condition may use, with what recent payments have there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import pyarrow as pa

from ringfence.analysis.impact import newest
from ringfence.api.services import RecordServices
from ringfence.scoring.language.names import Names
from ringfence.scoring.rulesets.outcomes import Outcome
from ringfence.scoring.rulesets.ruleset import Rule
from ringfence.web.parts.rendering import feature

if TYPE_CHECKING:
    from ringfence.web.dashboard import Dashboard

_LOOKED_AT: Final = 2000
_DEGREES: Final = (50, 99)


class Name(msgspec.Struct, frozen=True):
    """A name, its type, and the values of recent payments in words."""

    name: str
    kind: str
    values: str


def names_of(dashboard: Dashboard) -> list[Name]:
    """All of them, those with values first."""
    spec = dashboard.of(RecordServices).spec
    values = _values(dashboard, spec.digest)
    found = [Name(name, kind.value, values.get(name, "")) for name, kind in Names(spec).fixed.items()]
    return sorted(found, key=lambda one: (not one.values, one.name))


def _values(dashboard: Dashboard, features: str) -> dict[str, str]:
    """By name: the newest value, the median and the 99th percentile."""
    parts: dict[str, list[np.ndarray]] = {}
    for decided, payments in newest(dashboard.store.log, features, _LOOKED_AT):
        parts.setdefault("amount", []).append(payments.amount)
        for field in decided.schema:
            if "." in field.name and pa.types.is_floating(field.type):
                column = decided.column(field.name).to_numpy(zero_copy_only=False)
                parts.setdefault(field.name, []).append(column)
    told = {}
    for name, runs in parts.items():
        known = np.concatenate(runs)
        known = known[~np.isnan(known)]
        if len(known):
            median, high = np.percentile(known, _DEGREES)
            told[name] = f"now {feature(known[-1])}, median {feature(median)}, p99 {feature(high)}"
    return told


TEMPLATES: Final = {
    "velocity": Rule(
        id="many_payments",
        title="Many payments in an hour",
        when="card.count_1h >= 6",
        outcome=Outcome.REVIEW,
        reason="MANY_PAYMENTS",
        analyst="{card.count_1h} payments within an hour.",
    ),
    "amount": Rule(
        id="unusual_amount",
        title="Far above what the customer usually pays",
        when="amount > 200 and amount > 8 * customer.mean_amount_30d",
        outcome=Outcome.CHALLENGE,
        reason="UNUSUAL_AMOUNT",
        analyst="This customer usually pays {customer.mean_amount_30d}.",
    ),
    "model": Rule(
        id="model_and_amount",
        title="The model suspects a large payment",
        when="model.score >= 60 and amount > 100",
        outcome=Outcome.REVIEW,
        reason="MODEL_AND_AMOUNT",
        analyst="The model gives it a probability of {model.probability:percent}.",
    ),
    "list": Rule(
        id="listed_device",
        title="Device on a list",
        when="device_id IN LIST 'stolen devices'",
        outcome=Outcome.DECLINE,
        reason="LISTED_DEVICE",
        analyst="The device is on the list of stolen devices.",
    ),
}
"""What a new rule may begin as."""
