"""Events as columns of whole numbers: who, with what, where, how much. Names come last, in `tables.py`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ringfence.events.model import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class SimulatedTypology(IntEnum):
    """What a payment is in truth. Only the truth file and the labels say so, no event does."""

    HONEST = 0
    CARD_TESTING = 1
    STOLEN_CARD = 2
    COUNTERFEIT = 3
    TAKEOVER = 4
    COMPROMISED_TERMINAL = 5
    COMPROMISED_MERCHANT = 6
    MULE_RING = 7
    BUST_OUT = 8
    FRIENDLY = 9


class Channel(IntEnum):
    """How a payment is made."""

    POS = 0
    ONLINE = 1
    TRANSFER = 2
    ATM = 3


class SimulatedEntry(IntEnum):
    """How a card's number gets into the payment."""

    CONTACTLESS = 0
    CHIP = 1
    SWIPE = 2
    KEYED = 3
    RECURRING = 4


@dataclass(slots=True)
class SimulatedRows:
    """Events as columns of equal length; -1 stands for nobody and nothing."""

    time_ms: NDArray[np.int64]
    truth: NDArray[np.int8]  # Typology
    customer: NDArray[np.int32]
    card: NDArray[np.int32]
    merchant: NDArray[np.int32]
    terminal: NDArray[np.int8]  # number within the merchant
    device: NDArray[np.int32]
    ip: NDArray[np.int32]
    contact: NDArray[np.int32]  # e-mail and phone that were given
    counterparty: NDArray[np.int32]
    city: NDArray[np.int16]  # where the payer is
    channel: NDArray[np.int8]
    entry: NDArray[np.int8]
    amount_minor: NDArray[np.int64]
    kind: NDArray[np.int8]  # ringfence.events.model.Kind
    number: NDArray[np.int64]  # of the payment, for a label too
    label: NDArray[np.int8]  # 1 fraud, 0 none
    source: NDArray[np.int8]  # of the label

    @classmethod
    def blank(cls, time_ms: NDArray[np.int64], truth: SimulatedTypology, **given: Any) -> Self:
        """Rows at these times with `given` columns or constants; the rest is nothing, the kind a payment."""
        rows, given = len(time_ms), {"kind": Kind.TRANSACTION, **given}
        columns = {
            item.name: np.broadcast_to(np.asarray(given.get(item.name, -1)), rows).astype(_TYPES[item.name])
            for item in fields(cls)[2:]
        }
        return cls(time_ms.astype(np.int64), np.full(rows, truth, np.int8), **columns)

    @classmethod
    def joined(cls, parts: Sequence[SimulatedRows]) -> Self:
        """One after the other."""
        names = [item.name for item in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    def __len__(self) -> int:
        return len(self.time_ms)

    def take(self, at: NDArray[Any]) -> SimulatedRows:
        """The rows at these places, or where this is true."""
        return SimulatedRows(**{item.name: getattr(self, item.name)[at] for item in fields(self)})


_TYPES = {
    "truth": np.int8,
    "terminal": np.int8,
    "channel": np.int8,
    "entry": np.int8,
    "amount_minor": np.int64,
    "city": np.int16,
    "kind": np.int8,
    "number": np.int64,
    "label": np.int8,
    "source": np.int8,
} | dict.fromkeys(("customer", "card", "merchant", "device", "ip", "contact", "counterparty"), np.int32)

NO_ROWS = SimulatedRows.blank(np.zeros(0, np.int64), SimulatedTypology.HONEST)
"""None at all."""
