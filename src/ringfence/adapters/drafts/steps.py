"""Rows that tell what became of a payment: authorised in one, captured or refunded in the next."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ringfence.adapters.drafts.desk import DraftDesk

_BEGINS: Final = frozenset({"authorization", "authorisation", "auth", "authorized", "authorised"})
_FOLLOWS: Final = frozenset(
    {"capture", "captured", "settle", "settled", "void", "voided", "refund", "refunded", "chargeback"}
)


def tell_steps(desk: DraftDesk) -> None:
    """Say where one payment has several rows, each of which would count as one."""
    written = partial(json.dumps, ensure_ascii=False)
    for name, column in desk.left.items():
        counts = Counter(text.strip().lower() for text in column.texts)
        begun, later = (sum(counts[word] for word in words) for words in (_BEGINS, _FOLLOWS))
        if begun and later and begun + later > len(column.texts) / 2:
            first = next(text for text in column.different if text.strip().lower() in _BEGINS)
            desk.plan.remarks.append(
                f"{name} tells what became of a payment: {later:,} of {column.rows:,} rows report a later "
                "step, such as a capture, and would be counted as payments of their own. Keep the first step "
                f"only, under [[records]]: only = {{ {written(name)} = [{written(first)}] }}"
            )
