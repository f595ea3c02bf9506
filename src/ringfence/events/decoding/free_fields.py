"""Free attributes of events that name them one by one, checked: a value's fate is its own record's affair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ringfence.events.attributes import ARROW_TYPE, ATTRIBUTES_LIMIT, arrange, encoded, fold
from ringfence.events.bad import Fault, Reason
from ringfence.events.model import ATTRIBUTE_PREFIX, OTHER_ATTRIBUTES
from ringfence.events.privacy.sensitive import named, secret_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.events.decoding.draft import Draft

    Rows = Sequence[dict[str, Any] | None]


def fill_attributes(draft: Draft, attributes: Rows) -> None:
    """The attributes of a draft's rows; an event with too many of them is refused."""
    if not any(attributes):
        return
    attributes = _without_secrets(draft, attributes)
    if draft.tokenizer.personal is not None:
        attributes = draft.tokenizer.personal.attributes(attributes, draft.safe_name)
    many = np.array([len(some or ()) > ATTRIBUTES_LIMIT for some in attributes])
    if many.any():
        draft.fault(many, Reason.TOO_LARGE, "attributes", f"more than {ATTRIBUTES_LIMIT} attributes")
        attributes = [None if few else some for some, few in zip(attributes, many, strict=True)]
    columns, others = arrange(fold(attributes, draft.safe_name))
    for name, (kind, values) in columns.items():
        draft.attribute(ATTRIBUTE_PREFIX + name, pa.array(values, ARROW_TYPE[kind]))
    if others is not None:
        _fill_others(draft, others)
    for found in draft.faults.values():  # the order of columns depends on who else is in the batch
        found.sort(key=lambda fault: fault.field if fault.field.startswith(ATTRIBUTE_PREFIX) else "")


def _without_secrets(draft: Draft, rows: Rows) -> Rows:
    """Without sensitive authentication data, by names that may be cut short later."""
    if not any(map(named, {name for row in rows for name in row or ()})):
        return rows
    kept = []
    for row, some in enumerate(rows):
        secrets = {name: secret for name, value in (some or {}).items() if (secret := secret_in(name, value))}
        for secret in secrets.values():
            draft.dropped.note(secret, [row])
        kept.append(some and {name: value for name, value in some.items() if name not in secrets})
    return kept


def _fill_others(draft: Draft, rows: Rows) -> None:
    """Attributes that have no place in a column, checked as those that have."""
    places = [(row, name) for row, some in enumerate(rows) for name in some or ()]
    values = [value for some in rows for value in (some or {}).values()]
    for kind in (float, str):
        mine = [at for at, value in enumerate(values) if type(value) is kind]
        if not mine:
            continue
        part = draft.part(len(mine))
        part.attribute(ATTRIBUTE_PREFIX, pa.array([values[at] for at in mine]))
        for at, value in zip(mine, part.column(ATTRIBUTE_PREFIX).to_pylist(), strict=True):
            values[at] = value
        for secret, lost in part.dropped.found:
            draft.dropped.note(secret, [places[mine[at]][0] for at in lost.tolist()])
        for at, found in part.faults.items():
            row, name = places[mine[at]]
            field = (ATTRIBUTE_PREFIX + name).removesuffix("_ms")
            draft.faults.setdefault(row, []).extend(Fault(one.reason, field, one.problem) for one in found)
    kept: list[dict[str, Any] | None] = [None] * draft.rows
    for (row, name), value in zip(places, values, strict=True):
        if value is not None:
            kept[row] = some = kept[row] or {}
            some[name] = value
    draft.put(OTHER_ATTRIBUTES, encoded(kept))
