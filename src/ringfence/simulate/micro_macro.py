"""A hundred accounts and a ring of eleven behind one e-mail address and one phone (mapping `micro-macro`)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from ringfence.simulate.honest import DAY_MS, HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNTS: Final = 100
RING: Final = range(20, 31)
SCHEMA: Final = pa.schema(
    [
        (name, pa.string())
        for name in (
            "object_type",
            "account",
            "accountemail",
            "phone",
            "merchant",
            "transaction_amount",
            "time",
        )
    ]
)
_NORMAL, _LARGE = 500, 50  # payments a day
_BEGIN_MS: Final = 2 * HOUR_MS
_SPAN_MS: Final = 2 * HOUR_MS


def micro_macro(days: int | None, seed: int, start_ms: int, first: int = 0) -> Iterator[pa.RecordBatch]:
    """Per day 500 payments of 100, 200 or 500, and 50 of 10,000, 20,000 or 50,000 by members of the ring.

    The large ones come in bursts of one account.
    """
    day = first
    while days is None or day < first + days:
        yield _day(np.random.default_rng([seed, 3, day]), start_ms + day * DAY_MS)
        day += 1


def _day(rng: np.random.Generator, start_ms: int) -> pa.RecordBatch:
    bursts = _LARGE // 5
    ring = np.repeat(rng.choice(RING, bursts), 5)
    begin = np.repeat(rng.integers(0, _SPAN_MS - 5 * MINUTE_MS, bursts), 5)
    account = np.concatenate([rng.integers(1, ACCOUNTS + 1, _NORMAL), ring])
    times = np.concatenate(
        [rng.integers(0, _SPAN_MS, _NORMAL), begin + rng.integers(0, 4 * MINUTE_MS, _LARGE)]
    )
    amounts = np.concatenate(
        [rng.choice([100, 200, 500], _NORMAL), rng.choice([10_000, 20_000, 50_000], _LARGE)]
    )
    order = np.argsort(times, kind="stable")
    merchants = rng.integers(1000, 1020, len(order))
    rows = [
        _row(int(account[at]), int(merchant), int(amounts[at]), start_ms + _BEGIN_MS + int(times[at]))
        for at, merchant in zip(order.tolist(), merchants.tolist(), strict=True)
    ]
    return pa.RecordBatch.from_pylist(rows, SCHEMA)


def _row(account: int, merchant: int, amount: int, time_ms: int) -> dict[str, str]:
    shared = account in RING
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return {
        "object_type": "transaction",
        "account": f"1234-5678-{account}",
        "accountemail": "ring@example.com" if shared else f"account{account}@example.com",
        "phone": "10001000" if shared else f"2000{account:04}",
        "merchant": f"1234-5678-{merchant}",
        "transaction_amount": str(amount),
        "time": f"{moment:%b %d, %Y, %H:%M:%S}.{time_ms % 1000:03}",
    }
