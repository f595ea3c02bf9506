"""IP addresses: with a port, a zone or proxies behind them, and as numbers."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from ringfence.adapters.drafts.money import MOST
from ringfence.events.values.norms import norm

if TYPE_CHECKING:
    from ringfence.adapters.drafts.desk import DraftDesk
    from ringfence.adapters.drafts.sample import Column

_SOME: Final = 300
_BESIDE: Final = frozenset({"ip", "address", "customer", "device", "sender", "txn", "payment", "order"})


def ip_points(column: Column) -> float:
    """How much a column holds the payer's addresses."""
    if "ip" not in column.meanings:
        return 0
    some = column.different[:_SOME]
    if not some:
        return 20 * bool(column.placeholders)
    if sum(map(_is_address, some)) < MOST * len(some):
        return 0
    return 60.0 - 30 * ("party" in column.meanings) - 20 * bool(column.meanings & {"merchant", "related"})


def tell_unread_addresses(desk: DraftDesk) -> None:
    """Columns that are called addresses and hold none that is whole."""
    for column in desk.left.values():
        if column.texts and "ip" in column.meanings and column.meanings <= _BESIDE:
            desk.plan.remarks.append(
                f"{column.name} holds no whole IP addresses ({column.different[0]}): it is no key, and kept "
                "as an attribute"
            )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(norm("ip", text))
    except ValueError:
        return False
    return True
