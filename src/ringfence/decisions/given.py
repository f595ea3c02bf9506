"""Decisions that another host made of payments, as this log keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
import pyarrow as pa

from ringfence.decisions.decide import schema_of
from ringfence.decisions.decision import DECISION_FIELDS, Decision, DecisionBatch, Known
from ringfence.scoring.rulesets.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Mapping

_DECODER: Final = msgspec.json.Decoder(Decision)
_MOST: Final = (1 << 63) - 1
_OUTCOMES: Final = pa.array([str(outcome) for outcome in OUTCOMES])

Kin: TypeAlias = tuple[Any, ...]
"""Equal of decisions that one batch may hold: what it says of all of them at once."""


def read_given(line: bytes) -> tuple[str, Kin]:
    """The payment of a decision in JSON, and its kin; `msgspec.MsgspecError` where it is no decision."""
    found = _DECODER.decode(line)
    if max(map(abs, (found.decided_at_ms, found.latency_us))) > _MOST:
        raise msgspec.ValidationError("a number is too large")
    return found.transaction_id, (tuple(found.versions.items()), *found.challengers, "", *found.features)


def given(own: DecisionBatch, told: Mapping[str, bytes]) -> DecisionBatch:
    """What another host decided (`json_of`) in place of what this one did, at the places of this log.

    `told` has all of them by payment, and they are of one kin.
    """
    rows = [_DECODER.decode(told[name]) for name in own.values("transaction_id")]
    known = Known(list(rows[0].features), rows[0].versions, list(rows[0].challengers))
    codes = pa.array([one.outcome.strictness for one in rows], pa.int8())
    columns: dict[str, Any] = {
        "offset": own.numbers("offset"),
        "event_time_ms": own.numbers("event_time_ms"),
        "outcome": pa.DictionaryArray.from_arrays(codes, _OUTCOMES),
        "challengers": [list(one.challengers.values()) for one in rows],
        "factors": [[factor.input for factor in one.factors] for one in rows],
        "factor_weights": [[factor.weight for factor in one.factors] for one in rows],
        "typologies": [list(one.typologies) for one in rows],
        "typology_scores": [list(one.typologies.values()) for one in rows],
    }
    schema = schema_of(known)
    for field in DECISION_FIELDS:
        values = columns.get(field.name)
        columns[field.name] = [getattr(one, field.name) for one in rows] if values is None else values
    for name in known.feature_names:
        columns[name] = [one.features[name] for one in rows]
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for field in schema
        for column in (columns[field.name],)
    ]
    return DecisionBatch(pa.RecordBatch.from_arrays(arrays, schema=schema))
