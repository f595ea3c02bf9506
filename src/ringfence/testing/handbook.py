"""The Fraud Detection Handbook's features by its own definitions, in sorted arrays, without the engine.

The handbook computes them with rolling windows over each customer's and each terminal's payments. Here the
payments of a key lie side by side in order of time, a window is a pair of binary searches, and a sum is the
difference of two running sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY_MS = 86_400_000
DELAY_MS = 7 * DAY_MS
WINDOW_DAYS = (1, 7, 30)


class HandbookPayments(NamedTuple):
    """The handbook's columns, in order of time: what it calls CUSTOMER_ID, TERMINAL_ID and so on."""

    time_ms: NDArray[np.int64]
    customer: NDArray[np.int64]
    terminal: NDArray[np.int64]
    cents: NDArray[np.int64]
    fraud: NDArray[np.bool_]


def read_payments(path: str, days: int | None = None) -> HandbookPayments:
    """The first days (or all) of the handbook's set, from Parquet."""
    table = pq.read_table(path).sort_by("TRANSACTION_ID")
    time_ms = table["TX_DATETIME"].cast(pa.int64()).to_numpy()
    size = len(time_ms) if days is None else int(np.searchsorted(time_ms, time_ms[0] + days * DAY_MS))
    return HandbookPayments(
        time_ms[:size],
        table["CUSTOMER_ID"].to_numpy()[:size].astype(np.int64),
        table["TERMINAL_ID"].to_numpy()[:size].astype(np.int64),
        np.rint(table["TX_AMOUNT"].to_numpy()[:size] * 100).astype(np.int64),
        table["TX_FRAUD"].to_numpy()[:size] == 1,
    )


def invented_payments(seed: int, size: int, *, days: int = 60) -> HandbookPayments:
    """Payments of 50 customers at 40 terminals, in whole seconds, so that many share one; 3 % are frauds."""
    rng = np.random.default_rng(seed)
    seconds = np.sort(rng.integers(0, days * 86_400, size))
    seconds[1::5] = seconds[0::5][: len(seconds[1::5])]
    return HandbookPayments(
        1_522_540_800_000 + np.sort(seconds) * 1000,
        rng.integers(0, 50, size),
        rng.integers(0, 40, size),
        rng.integers(0, 30_000, size),
        rng.random(size) < 0.03,
    )


def log_of_payments(payments: HandbookPayments, label_delay_ms: int = DELAY_MS) -> EventBatch:
    """The log: payments at their times, a fraud's label before the first payment that is so much later."""
    n, frauds = len(payments.time_ms), np.flatnonzero(payments.fraud)
    known_ms = payments.time_ms[frauds] + label_delay_ms
    place = np.searchsorted(payments.time_ms, known_ms, side="left") - 0.5
    order = np.argsort(np.concatenate([np.arange(n), place]), kind="stable")
    ids = np.arange(n)
    columns: dict[str, Any] = {
        "kind": np.concatenate([np.zeros(n, np.uint8), np.full(len(frauds), Kind.LABEL, np.uint8)]),
        "event_time_ms": np.concatenate([payments.time_ms, known_ms]),
        "transaction_id": _text(np.concatenate([ids, frauds])),
        "customer_id": _text(payments.customer, len(frauds)),
        "terminal_id": _text(payments.terminal, len(frauds)),
        "amount_minor": pa.array([*payments.cents.tolist(), *[None] * len(frauds)], pa.int64()),
        "label": pa.array([*[None] * n, *[True] * len(frauds)], pa.bool_()),
    }
    table = pa.table(columns).take(pa.array(order)).combine_chunks()
    return EventBatch(table.to_batches()[0])


def handbook_features(payments: HandbookPayments) -> dict[str, NDArray[np.float64]]:
    """The twelve windowed features by the handbook's names, one value per payment."""
    found = {}
    for days in WINDOW_DAYS:
        customer = _Rolling(payments.customer, payments.time_ms)
        n, amount = customer.window(days * DAY_MS, 0, payments.cents)
        found[f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW"] = n
        found[f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW"] = amount / (n * 100)
        terminal = _Rolling(payments.terminal, payments.time_ms)
        n, frauds = terminal.window(days * DAY_MS, DELAY_MS, payments.fraud.astype(np.int64))
        found[f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW"] = n
        found[f"TERMINAL_ID_RISK_{days}DAY_WINDOW"] = np.divide(frauds, n, out=np.zeros_like(n), where=n > 0)
    return found


def facts_of_the_payment(payments: HandbookPayments) -> dict[str, NDArray[np.float64]]:
    """The three features that need no window."""
    days, hours = payments.time_ms // DAY_MS, payments.time_ms // 3_600_000 % 24
    return {
        "TX_AMOUNT": payments.cents / 100,
        "TX_DURING_WEEKEND": ((days + 3) % 7 >= 5).astype(np.float64),  # 1970-01-01 was a Thursday
        "TX_DURING_NIGHT": (hours <= 6).astype(np.float64),
    }


class _Rolling:
    """Payments grouped by key, in order of time inside."""

    def __init__(self, key: NDArray[np.int64], time_ms: NDArray[np.int64]) -> None:
        self.order = np.lexsort((np.arange(len(key)), time_ms, key))
        since_ms = time_ms - time_ms.min(initial=time_ms[0] if len(time_ms) else 0)
        # One number line for all keys, with gaps between them that no window bridges.
        stride = int(since_ms.max(initial=0)) + 40 * DAY_MS
        self.line = (key * stride + since_ms)[self.order]

    def window(
        self, window_ms: int, delay_ms: int, values: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Count and sum of values over (t - delay - window, t - delay], payments in order of the input."""
        left = np.searchsorted(self.line, self.line - delay_ms - window_ms, side="right")
        # Without a delay the window ends with the payment itself: those tied with it come later.
        to_now = np.arange(1, len(self.line) + 1)
        right = np.searchsorted(self.line, self.line - delay_ms, side="right") if delay_ms else to_now
        running = np.concatenate([[0], np.cumsum(values[self.order])])
        count, total = np.empty((2, len(self.line)))
        count[self.order] = right - left
        total[self.order] = running[right] - running[left]
        return count, total


def _text(numbers: NDArray[np.int64], nulls_after: int = 0) -> Any:
    words = pa.array(numbers).cast(pa.string()).dictionary_encode().cast(pa.string())
    return pa.concat_arrays([words, pa.nulls(nulls_after, pa.string())])
