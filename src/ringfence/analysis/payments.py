"""What a backtest keeps of each payment, as columns over all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.analysis.history import StoredColumns

_WHO = ("customer_id", "card_id", "account_id")


@dataclass(slots=True)
class StoredPayments:
    """Columns over n payments in log order.

    Attributes:
        ids: hash of the transaction's id.
        times: event time, ms.
        amount: in major units, 0 where unknown.
        currency: row in `currencies`.
        who: hash of the customer, or the card or account where there is none.
        stored: strictness of the outcome that was decided.
        control: let through as one of the control group.
        weight: how many payments each stands for in unbiased estimates, see `weights`.
        fraud, labelled: by the labels of the log.
    """

    ids: NDArray[np.int64]
    times: NDArray[np.int64]
    amount: NDArray[np.float64]
    currency: NDArray[np.int16]
    currencies: list[str]
    who: NDArray[np.int64]
    stored: NDArray[np.int8]
    control: NDArray[np.bool_]
    share: NDArray[np.float64]
    fraud: NDArray[np.bool_]
    labelled: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    def weights(self) -> NDArray[np.float64]:
        """How many payments each stands for where outcomes were seen.

        1 where it was not declined, 1 / share in the control group, 0 where it was declined: its outcome was
        never seen, and the control group stands for it.
        """
        weight = np.where(self.stored == 3, 0.0, 1.0)
        weight[self.control] = 1.0 / self.share[self.control]
        return weight


@dataclass(slots=True)
class Collector:
    """Gathers `StoredPayments` run by run. `shares` gives the control group's share by the rules' digest."""

    shares: Mapping[str, float]
    count: int = 0
    _parts: dict[str, list[Any]] = field(default_factory=dict)
    _currencies: dict[str, int] = field(default_factory=dict)

    def take(self, columns: StoredColumns) -> None:
        """Keep a run of payments."""
        events, stored, seed = columns.transactions, columns.stored, columns.reference.seed
        who = events.hashes(_WHO[0], seed)
        for other in _WHO[1:]:
            if not who.all():
                who = np.where(who == 0, events.hashes(other, seed), who)
        control = stored.column("control").to_numpy(zero_copy_only=False)
        digest = (stored.schema.metadata or {}).get(b"rules", b"").decode()
        parts = {
            "ids": events.hashes("transaction_id", seed),
            "times": events.event_time_ms,
            "amount": np.nan_to_num(events.amount),
            "currency": self._currency(events.column("currency")),
            "who": who,
            "stored": stored.column("outcome").indices.to_numpy(),
            "control": control,
            "share": np.full(len(events), self.shares.get(digest, 1.0)),
        }
        for name, values in parts.items():
            self._parts.setdefault(name, []).append(values)
        self.count += len(events)

    def _currency(self, values: Any) -> NDArray[np.int16]:
        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        words = [word or "" for word in (*values.dictionary.to_pylist(), None)]
        codes = np.array([self._currencies.setdefault(w, len(self._currencies)) for w in words], np.int16)
        found: NDArray[np.int16] = codes[
            values.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)
        ]
        return found

    def payments(self, labels: Mapping[int, tuple[bool, int]]) -> StoredPayments:
        """All that was kept, with what the labels say."""
        whole: Any = {name: np.concatenate(parts) for name, parts in self._parts.items()}
        if not whole:
            whole = {name: np.empty(0, kind) for name, kind in _EMPTY.items()}
        known = np.fromiter(labels, np.int64, len(labels))
        frauds = np.array([item for item, (fraud, _) in labels.items() if fraud], np.int64)
        return StoredPayments(
            **whole,
            currencies=list(self._currencies),
            fraud=np.isin(whole["ids"], frauds),
            labelled=np.isin(whole["ids"], known),
        )


_EMPTY: dict[str, Any] = {
    "ids": np.int64,
    "times": np.int64,
    "amount": np.float64,
    "currency": np.int16,
    "who": np.int64,
    "stored": np.int8,
    "control": np.bool_,
    "share": np.float64,
}
