"""The world as account transactions, and flags of accounts whose details changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.model import Kind
from ringfence.simulate import names
from ringfence.simulate.categories import CATEGORIES
from ringfence.simulate.draws import fixed
from ringfence.simulate.honest import HOUR_MS
from ringfence.simulate.rows import Channel, SimulatedTypology

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ringfence.simulate.rows import SimulatedRows
    from ringfence.simulate.world import World

TRANSACTIONS: Final = pa.schema(
    [
        ("Account_Id", pa.int64()),
        ("Customer_Name", pa.string()),
        ("Merchant_Type", pa.string()),
        ("Transaction_Id", pa.string()),
        ("Transaction_Type", pa.string()),
        ("Transaction_Amount", pa.float64()),
        ("Transaction_Date", pa.string()),
    ]
)
FLAGS: Final = pa.schema([("Account_Id", pa.int64()), ("Flag_Date", pa.string())])

_TYPES: Final = {
    "grocery": "Grocery_Store",
    "fuel": "Gas_Station",
    "transport": "City_Services",
    "pharmacy": "HealthCare_Service",
    "health": "HealthCare_Service",
    **dict.fromkeys(("restaurant", "fast_food", "coffee"), "Food and Beverage"),
    **dict.fromkeys(
        ("fashion", "electronics", "home", "online_retail", "online_electronics"), "Shopping_Mall"
    ),
}
_TYPE_OF: Final = pa.array([_TYPES.get(item.name, "Others") for item in CATEGORIES] + ["Others"])
_MOVES_A_DAY: Final = 1 / 400  # honest customers who change their phone, name or address


def flagged_accounts(
    world: World, days: int | None, seed: int, first: int = 0
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Per day the transactions, and the flags. Some flags are told twice, as such topics do.

    A taken-over account was changed some hours before it pays; honest people change theirs, too.
    """
    for number, made in enumerate(world.days(days, first), first):
        rng = np.random.default_rng([seed, 2, number])
        paid = made.rows.take(made.rows.kind == Kind.TRANSACTION)
        yield _transactions(paid, world.categories(paid)), _flags(rng, paid)


def interleaved(transactions: pa.RecordBatch, flags: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Both as one stream in the order of their dates."""
    if not len(flags):
        yield transactions
        return
    dates = transactions.column("Transaction_Date").to_numpy(zero_copy_only=False)
    cuts = np.searchsorted(dates, flags.column("Flag_Date").to_numpy(zero_copy_only=False))
    begin = 0
    for number, cut in enumerate(np.maximum.accumulate(cuts).tolist()):
        if cut > begin:
            yield transactions.slice(begin, cut - begin)
            begin = cut
        yield flags.slice(number, 1)
    yield transactions.slice(begin)


def _transactions(paid: SimulatedRows, category: NDArray[np.int64]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [
            pa.array(paid.customer.astype(np.int64)),
            names.people(paid.customer.astype(np.int64)),
            _TYPE_OF.take(pa.array(category)),
            _hexadecimal(paid.number),
            pa.array(np.where(paid.channel == Channel.ONLINE, "Online", "In Store")),
            pa.array(paid.amount_minor / 100),
            _dates(paid.time_ms),
        ],
        schema=TRANSACTIONS,
    )


def _flags(rng: np.random.Generator, paid: SimulatedRows) -> pa.RecordBatch:
    stolen = np.flatnonzero(paid.truth == SimulatedTypology.TAKEOVER)
    victims, at = np.unique(paid.customer[stolen], return_index=True)
    moved = np.flatnonzero(rng.random(len(paid)) < _MOVES_A_DAY)
    account = np.concatenate([victims, paid.customer[moved]])
    before = rng.integers(HOUR_MS // 2, 36 * HOUR_MS, len(account))
    times = np.concatenate([paid.time_ms[stolen[at]], paid.time_ms[moved]]) - before
    twice = np.flatnonzero(rng.random(len(account)) < 0.1)
    account, times = np.concatenate([account, account[twice]]), np.concatenate([times, times[twice]])
    order = np.argsort(times, kind="stable")
    return pa.RecordBatch.from_arrays(
        [pa.array(account[order].astype(np.int64)), _dates(times[order])], schema=FLAGS
    )


def _dates(times_ms: NDArray[np.int64]) -> pa.Array:
    seconds = pa.array(times_ms // 1000).cast(pa.timestamp("s")).cast(pa.string())
    return pc.utf8_replace_slice(seconds, 10, 11, "T")


def _hexadecimal(numbers: NDArray[Any]) -> pa.Array:
    """Sixteen digits that say nothing, different for different numbers below 2^21."""
    high = (fixed(numbers, 61) * (1 << 42)).astype(np.int64)
    return pa.array([f"{item:016x}" for item in (high << 21 | numbers.astype(np.int64) & 0x1FFFFF).tolist()])
