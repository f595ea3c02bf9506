"""Decisions as JSON, made column by column: what goes to topics and streams."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from ringfence.decisions.decision import DECISION_FIELDS, Decision, Factor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.decisions.decision import DecisionBatch

_Row: Final[Any] = msgspec.defstruct(
    "_Row", [(field.name, Any) for field in msgspec.structs.fields(Decision)], frozen=True, gc=False
)
_ENCODER: Final = msgspec.json.Encoder()
_NO_LIST: Final[list[Any]] = []
_NO_NAMES: Final[dict[str, Any]] = {}


def json_of(batch: DecisionBatch) -> list[bytes]:
    """Each decision of a batch as `msgspec.json.encode` writes its `Decision`, some ten times as fast.

    Nothing is made of a field that most decisions lack, and names of features are not encoded anew.
    """
    count, table = len(batch), batch.table
    columns: dict[str, Sequence[Any]] = {
        name: table.column(name).to_pylist()
        for name in table.schema.names[: len(DECISION_FIELDS)]
        if name not in _LISTS
    }
    for name in ("reasons", "rules", "shadow_rules", "degraded"):
        columns[name] = _lists(batch, name)
    columns["factors"] = [
        [Factor(*pair) for pair in zip(names, weights, strict=True)] if names else names
        for names, weights in zip(_lists(batch, "factors"), _lists(batch, "factor_weights"), strict=True)
    ]
    columns["typologies"] = [
        dict(zip(names, scores, strict=True)) if names else _NO_NAMES
        for names, scores in zip(_lists(batch, "typologies"), _lists(batch, "typology_scores"), strict=True)
    ]
    heard = batch.challenger_names
    columns["challengers"] = [
        dict(zip(heard, said, strict=True)) if said else _NO_NAMES for said in _lists(batch, "challengers")
    ]
    columns["features"] = _features(batch)
    columns["versions"] = [msgspec.Raw(_ENCODER.encode(batch.versions))] * count
    rows = zip(*(columns[name] for name in _Row.__struct_fields__), strict=True)
    return [_ENCODER.encode(_Row(*row)) for row in rows]


_LISTS: Final = frozenset(field.name for field in DECISION_FIELDS if str(field.type).startswith("list"))


def _lists(batch: DecisionBatch, name: str) -> list[list[Any]]:
    """A column of lists; those that are empty, as most are, are one."""
    column = batch.table.column(name)
    inside = column.flatten().to_pylist()
    if not inside:
        return [_NO_LIST] * len(batch)
    ends = column.offsets.to_numpy()
    return [inside[begin:end] for begin, end in pairwise((ends - ends[0]).tolist())]


def _features(batch: DecisionBatch) -> list[Any]:
    """Features of each decision; a value that is not finite is encoded as null."""
    table, first = batch.table, len(DECISION_FIELDS)
    columns = [
        table.column(first + at).to_numpy(zero_copy_only=False) for at in range(len(batch.feature_names))
    ]
    made = _struct_of(tuple(batch.feature_names))
    if not columns:
        return [made()] * len(batch)
    return [made(*row) for row in np.stack(columns, axis=1).tolist()]


@lru_cache(maxsize=32)
def _struct_of(names: tuple[str, ...]) -> Any:
    """A class whose values are encoded as objects with these members."""
    own = {f"f{at}": name for at, name in enumerate(names)}
    return msgspec.defstruct("_Features", [(name, Any) for name in own], rename=own, frozen=True, gc=False)
