"""The word that says what became of a payment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.bad import Reason
from ringfence.events.model import ACTIONS

if TYPE_CHECKING:
    from ringfence.events.decoding.draft import Draft


def fill_action(draft: Draft, values: Any) -> None:
    """One of `ACTIONS`, in capitals or not."""
    draft.text("action", values)
    words = pc.utf8_lower(draft.column("action"))
    unknown = pc.and_(pc.is_valid(words), pc.invert(pc.is_in(words, value_set=pa.array(ACTIONS))))
    draft.fault(
        unknown.to_numpy(zero_copy_only=False),
        Reason.WRONG_TYPE,
        "action",
        lambda row: f"{draft.show(values, row)} is none of {', '.join(ACTIONS)}",
    )
    draft.put("action", words)
