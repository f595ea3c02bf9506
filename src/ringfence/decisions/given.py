"""Decisions that another host made of payments, as this log keeps them."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.decisions.decide import schema_of
from ringfence.decisions.decision import DECISION_FIELDS, Decision, DecisionBatch, Known
from ringfence.scoring.rulesets.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST: Final = 1 << 18
"""Bytes of a decision."""

MOST_MODELS: Final = 100
"""Different models in one batch, which has room for 127."""

_DECODER: Final = msgspec.json.Decoder(Decision)
_OUTCOMES: Final = pa.array([str(outcome) for outcome in OUTCOMES])
_OWN: Final = frozenset(field.name for field in DECISION_FIELDS)
_DECIDED_BY: Final = frozenset({"features", "rules"})
_LAST_MS: Final = 253_402_300_799_999  # of the year 9999, as far as a date goes
_LONGEST_US: Final = (1 << 63) - 1


class Told(NamedTuple):
    """A decision in JSON.

    Decisions of equal `kin` may stand in one batch: it is what a batch says of all of them at once. It has
    room for `MOST_MODELS`.
    """

    name: str
    kin: bytes
    model: str | None


def read_given(line: bytes) -> Told:
    """What `given_of` can make rows of; `msgspec.MsgspecError` of anything else."""
    if len(line) > LONGEST:
        raise msgspec.ValidationError(f"it has {len(line):,} bytes, at most {LONGEST:,} are allowed")
    found = _DECODER.decode(line)
    if not found.transaction_id:
        raise msgspec.ValidationError("transaction_id is empty")
    if missing := _DECIDED_BY - found.versions.keys():
        raise msgspec.ValidationError(f"versions lacks {', '.join(sorted(missing))}")
    if clashing := _OWN & found.features.keys():
        raise msgspec.ValidationError(f"a feature has the name of a field: {min(clashing)}")
    if not 0 <= found.decided_at_ms <= _LAST_MS or not 0 <= found.latency_us <= _LONGEST_US:
        raise msgspec.ValidationError("decided_at_ms or latency_us is out of range")
    kin = [list(found.versions.items()), list(found.challengers), list(found.features)]
    return Told(found.transaction_id, sha256(msgspec.json.encode(kin)).digest(), found.model)


def given_of(lines: Iterable[bytes]) -> pa.RecordBatch:
    """Rows of a batch of decisions, made of some of one kin that `read_given` has accepted.

    They have their place and the payment's time from the log that they are kept in (`given`).
    """
    rows = [_DECODER.decode(line) for line in lines]
    known = Known(list(rows[0].features), rows[0].versions, list(rows[0].challengers))
    codes = pa.array([one.outcome.strictness for one in rows], pa.int8())
    columns: dict[str, Any] = {
        "offset": [0] * len(rows),
        "event_time_ms": [0] * len(rows),
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
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def given(own: DecisionBatch, told: pa.RecordBatch) -> DecisionBatch:
    """What another host decided (`given_of`) in place of what this one did, at the places of this log.

    `told` has all payments of `own`, in any order.
    """
    names = pa.array(own.values("transaction_id"), pa.string())
    rows = told.take(pc.index_in(names, told.column("transaction_id")))
    columns = dict(zip(told.schema.names, rows.columns, strict=True))
    columns |= {name: pa.array(own.numbers(name), pa.int64()) for name in ("offset", "event_time_ms")}
    return DecisionBatch(pa.RecordBatch.from_arrays(list(columns.values()), schema=told.schema))
