"""An invented payment table with the habits of hard real ones: wide, masked, full of holes, and drifting.

    python -m benchmarks.wide_world payments.parquet --payments 500000 --columns 120 --seed 7

Nobody is named: a buyer shows only as a combination of masked columns (a card's key, a region, days since the
first payment). 3.5 of 100 payments are fraud, reported days later. Fraud gathers on buyers whose card was
stolen, and on combinations of a device, a mail domain and a product that come and go; most other columns are
counters, delays, flags and blocks of masked numbers that are there or not there together.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

START_MS = 1_672_531_200_000  # 2023-01-01
DAY_MS = 86_400_000
DAYS = 182
FRAUD_SHARE = 0.035
_PRODUCTS = np.array(["W", "C", "R", "H", "S"])
_BLOCK = 8  # masked numbers that are missing together


@dataclass
class _Buyers:
    """Who pays, by number: none of this is in the table as such."""

    card: np.ndarray
    region: np.ndarray
    mail: np.ndarray
    device: np.ndarray
    product: np.ndarray
    since: np.ndarray  # day of the first payment ever, may be before the table
    spend: np.ndarray
    stolen_day: np.ndarray  # from when on somebody else pays, far away for most


def invented(payments: int = 500_000, columns: int = 120, seed: int = 7) -> pa.Table:
    """A table of so many payments in order of time, with a label `is_fraud`."""
    rng = np.random.default_rng(seed)
    buyers = _buyers(rng, max(payments // 5, 20))
    who = np.minimum((len(buyers.card) * rng.beta(0.8, 1.6, payments)).astype(int), len(buyers.card) - 1)
    day = DAYS * rng.random(payments) ** 0.97
    stolen = rng.random(payments) < 0.10  # what is paid with stolen cards comes in bursts
    thieves = np.flatnonzero(buyers.stolen_day < DAYS)
    if len(thieves):
        whose = rng.choice(thieves, int(stolen.sum()))
        who[stolen] = whose
        day[stolen] = np.minimum(buyers.stolen_day[whose] + rng.exponential(6.0, len(whose)), DAYS - 1e-3)
    order = np.argsort(day, kind="stable")
    return _table(rng, buyers, who[order], day[order], columns)


def _buyers(rng: np.random.Generator, count: int) -> _Buyers:
    card = _zipf(rng, count, max(count // 8, 10))  # one key is shared by several buyers
    mail = np.minimum(_zipf(rng, count, 60), 59)
    device = np.minimum(_zipf(rng, count, 1786), 1785)
    product = rng.choice(5, count, p=[0.62, 0.16, 0.09, 0.08, 0.05])
    return _Buyers(
        card,
        np.minimum(_zipf(rng, count, 330), 329),
        mail,
        device,
        product,
        rng.integers(-600, DAYS, count),
        rng.lognormal(3.9, 0.8, count),
        np.where(rng.random(count) < 0.035, rng.uniform(0, DAYS, count), 10.0 * DAYS),
    )


def _zipf(rng: np.random.Generator, count: int, kinds: int) -> np.ndarray:
    """Values 0 to kinds - 1 of which few are frequent."""
    weight = 1 / np.arange(1, kinds + 1) ** 0.85
    return rng.permutation(kinds)[rng.choice(kinds, count, p=weight / weight.sum())]


def _table(
    rng: np.random.Generator, buyers: _Buyers, who: np.ndarray, day: np.ndarray, columns: int
) -> pa.Table:
    size = len(who)
    elsewhere = rng.random(size) < np.where(day >= buyers.stolen_day[who], 0.7, 0.12)
    device = np.where(elsewhere, np.minimum(_zipf(rng, size, 1786), 1785), buyers.device[who])
    mail = np.where(rng.random(size) < 0.08, np.minimum(_zipf(rng, size, 60), 59), buyers.mail[who])
    product = np.where(rng.random(size) < 0.15, rng.integers(0, 5, size), buyers.product[who])
    amount = buyers.spend[who] * rng.lognormal(0, 0.6, size) * np.where(product == 1, 0.4, 1.0)
    pair = _seasonal(rng, (60, 5), 0.10)[mail, product, _season(day)]
    model = _seasonal(rng, (1786,), 0.06)[device, _season(day)]
    region = _seasonal(rng, (330, 5), 0.05)[buyers.region[who], product, _season(day)]
    card_risk = rng.normal(0, 0.8, buyers.card.max() + 1)[buyers.card[who]]
    hidden = rng.normal(size=(size, 6))
    stolen = day >= buyers.stolen_day[who]
    odds = 7.0 * stolen + 4.5 * pair + 4.5 * model + 3.5 * region + 0.8 * card_risk
    odds += 6.0 * (hidden[:, 0] > 1.2) + 2.5 * hidden[:, 1] * (product == 1) + 2.5 * hidden[:, 2]
    odds += 0.5 * np.log(amount / 50) + 1.0 * elsewhere
    fraud = rng.random(size) < 1 / (1 + np.exp(-(odds - _level(odds))))
    made = {
        "payment_id": pa.array(np.arange(size) + 2_987_000),
        "paid_at": pa.array((START_MS + day * DAY_MS).astype(np.int64), pa.timestamp("ms")),
        "amount": np.round(amount, 2),
        "product": _PRODUCTS[product],
        "card_id": 1000 + buyers.card[who],
        "card_kind": np.array(["debit", "credit"])[(buyers.card[who] % 3 == 0).astype(int)],
        "card_net": np.array(["v", "m", "d", "a"])[np.minimum(buyers.card[who] % 7, 3)],
        "region": _holes(rng, 100.0 + buyers.region[who], 0.11),
        "mail": _words(rng, mail, "mail", 0.16),
        "device_model": _words(rng, device, "model", 0.45),
        "since_first": np.floor(day) - buyers.since[who],
        "is_fraud": fraud.astype(np.int64),
    }
    _fill(rng, made, columns, hidden, {"stolen": stolen, "product": product, "elsewhere": elsewhere})
    return pa.table(made)


def _season(day: np.ndarray) -> np.ndarray:
    return (day // 26).astype(int)


def _seasonal(rng: np.random.Generator, shape: tuple[int, ...], share: float) -> np.ndarray:
    """1 where a combination is risky; what is risky stays so for some of seven seasons."""
    chosen = rng.random(shape) < share
    begin = rng.integers(-2, 6, shape)
    seasons = np.arange(8)
    inside = (seasons >= begin[..., None]) & (
        seasons < begin[..., None] + rng.integers(2, 5, shape)[..., None]
    )
    return (chosen[..., None] & inside).astype(float)


def _level(odds: np.ndarray) -> float:
    """What to take off, so that the share of fraud is as it should be."""
    low, high = -10.0, 30.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if np.mean(1 / (1 + np.exp(middle - odds))) > FRAUD_SHARE else (low, middle)
        )
    return low


def _holes(rng: np.random.Generator, values: np.ndarray, share: float) -> pa.Array:
    return pa.array(values, mask=rng.random(len(values)) < share)


def _words(rng: np.random.Generator, codes: np.ndarray, stem: str, share: float) -> pa.Array:
    words = np.array([f"{stem} {number}" for number in range(codes.max() + 1)])
    return pa.array(words[codes].tolist(), pa.string(), mask=rng.random(len(codes)) < share)


def _fill(
    rng: np.random.Generator, made: dict, columns: int, hidden: np.ndarray, facts: dict[str, np.ndarray]
) -> None:
    """Counters, delays, flags and blocks of masked numbers, until there are so many columns."""
    size, number = len(hidden), 0
    while len(made) < columns:
        kind = number % 12
        if kind == 0:
            rate = 1.5 + 1.2 * facts["stolen"] * (rng.random() < 0.4)
            made[f"c{number}"] = rng.poisson(rate * rng.lognormal(0, 0.8, size)).astype(float)
        elif kind == 1:
            days = np.floor(rng.exponential(60, size) * np.where(facts["elsewhere"], 0.7, 1.0))
            made[f"d{number}"] = _holes(rng, days, rng.uniform(0.1, 0.9))
        elif kind == 2:
            flag = rng.random(size) < np.where(facts["elsewhere"], 0.6, 0.8)
            made[f"m{number}"] = pa.array(np.where(flag, "T", "F").tolist(), mask=rng.random(size) < 0.45)
        else:
            absent = rng.random(size) < np.where(facts["product"] == number % 5, 0.1, 0.75)
            for _ in range(min(_BLOCK, columns - len(made))):
                mixed = hidden @ rng.normal(0, 0.45, hidden.shape[1]) + rng.normal(0, 0.5, size)
                made[f"v{number}"] = pa.array(np.round(np.exp(mixed), 1), mask=absent)
                number += 1
            number += 11 - kind if kind < 11 else 0
        number += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--payments", type=int, default=500_000)
    parser.add_argument("--columns", type=int, default=120)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    pq.write_table(invented(options.payments, options.columns, options.seed), options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
