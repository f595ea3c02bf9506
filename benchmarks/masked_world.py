"""An invented export of a payment provider, masked as exports are before they are given away.

    python -m benchmarks.masked_world payments.csv --payments 590000 --seed 5

Time is seconds since some unknown beginning. Nobody is named: a client is a card's code, a region and the day
on which days began to be counted, and no column says so. Fraud goes on for a client once it has begun, and is
likelier with some mails, devices and products for a season. The cents of an amount tell how it was priced;
counters, delays, flags, device texts with versions and blocks of masked numbers are there or not together.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv

DAY_S = 86_400
DAYS = 182
FRAUD_SHARE = 0.035
_PRODUCTS = np.array(list("WCRHS"))
_MASKED_BLOCKS = 6
_BLOCK = 8
_HIDDEN = 5


@dataclass
class _Clients:
    """Who pays; `began` is the day of the first payment ever, `turns` the day from which on it is fraud."""

    card: np.ndarray
    region: np.ndarray
    mail: np.ndarray
    device: np.ndarray
    product: np.ndarray
    began: np.ndarray
    spend: np.ndarray
    active: np.ndarray
    hidden: np.ndarray
    turns: np.ndarray


def exported(payments: int = 590_000, seed: int = 5) -> pa.Table:
    """A table of so many payments in order of time, labelled in `isFraud`."""
    rng = np.random.default_rng(seed)
    clients = _clients(rng, max(payments // 3, 50))
    share = clients.active / clients.active.sum()
    who = rng.choice(len(share), payments, p=share)
    first = np.maximum(clients.began, 0.0)[who]
    day = first + (DAYS - first) * rng.random(payments)
    bad = clients.turns[who] < DAYS
    burst = bad & (rng.random(payments) < 0.75)  # what is stolen is spent within days
    late = clients.turns[who] + rng.exponential(5.0, payments) * (rng.random(payments) < 0.95)
    day = np.where(burst, np.minimum(late, DAYS - 1e-3), day)
    order = np.argsort(day, kind="stable")
    return _table(rng, clients, who[order], day[order])


def _clients(rng: np.random.Generator, count: int) -> _Clients:
    card = _zipf(rng, count, max(count // 14, 20))
    product = rng.choice(5, count, p=[0.72, 0.14, 0.06, 0.055, 0.025])
    region, mail = _zipf(rng, count, 330), _zipf(rng, count, 60)
    device = _zipf(rng, count, 1786)
    hidden = rng.normal(size=(count, _HIDDEN))
    began = np.where(rng.random(count) < 0.45, rng.uniform(0, DAYS, count), rng.uniform(-600, 0, count))
    starts = np.maximum(began, 0) + np.where(
        rng.random(count) < 0.7, 0.0, rng.uniform(0, 1, count) * (DAYS - np.maximum(began, 0))
    )
    season = (starts // 26).astype(int)
    odds = 1.1 * (product == 1) + 1.0 * rng.normal(size=card.max() + 1)[card]
    odds += 2.6 * _seasonal(rng, (60, 5), 0.12)[mail, product, season]
    odds += 2.2 * _seasonal(rng, (1786,), 0.08)[device, season]
    odds += 1.8 * _seasonal(rng, (330, 5), 0.06)[region, product, season]
    odds += 1.3 * hidden[:, 0] + 0.9 * hidden[:, 1] * (product == 1) + 0.8 * (hidden[:, 2] > 1)
    odds += 0.7 * (began > 0)
    fraud = rng.random(count) < _sigmoid(odds - _level(odds, 0.021))
    active = rng.lognormal(0, 1.1, count) * np.where(fraud, 1.6, 1.0)
    turns = np.where(fraud, starts, 10.0 * DAYS)
    return _Clients(
        card, region, mail, device, product, began, rng.lognormal(4.2, 0.8, count), active, hidden, turns
    )


def _table(rng: np.random.Generator, clients: _Clients, who: np.ndarray, day: np.ndarray) -> pa.Table:
    size = len(who)
    product, bad = clients.product[who], day >= clients.turns[who]
    fraud = np.where(bad, rng.random(size) < 0.93, rng.random(size) < 0.003)
    hidden = 0.75 * clients.hidden[who] + 0.65 * rng.normal(size=(size, _HIDDEN)) + 0.25 * bad[:, None]
    cents, amount = _amounts(rng, clients.spend[who] * rng.lognormal(0, 0.5, size), product, fraud)
    card, since = clients.card[who], np.floor(day) - np.floor(clients.began[who])
    web = (product != 0) & (rng.random(size) < 0.9)
    device = np.where(rng.random(size) < 0.1, _zipf(rng, size, 1786), clients.device[who])
    mail = np.where(rng.random(size) < 0.06, _zipf(rng, size, 60), clients.mail[who])
    made: dict[str, object] = {
        "TransactionID": np.arange(size) + 4_100_000,
        "isFraud": fraud.astype(np.int64),
        "TransactionDT": (DAY_S * (1 + day)).astype(np.int64),
        "TransactionAmt": np.where(cents == 3, np.round(amount, 3), np.round(amount, 2)),
        "ProductCD": _PRODUCTS[product],
        "card1": 1000 + card,
        "card2": _holes(rng, 100 + card * 7919 % 500, 0.015),
        "card3": np.where(card % 9 == 0, 185, 150),
        "card4": np.array(["visa", "mastercard", "discover", "american express"])[np.minimum(card % 7, 3)],
        "card5": 100 + card * 31 % 119,
        "card6": np.array(["debit", "credit"])[(card % 3 == 0).astype(int)],
        "addr1": _missing(100.0 + clients.region[who], (product == 1) & (rng.random(size) < 0.8)),
        "addr2": _missing(np.where(rng.random(size) < 0.99, 87.0, 60.0), (product == 1)),
        "dist1": _missing(np.round(rng.exponential(60, size)), (product != 0) | (rng.random(size) < 0.45)),
        "P_emaildomain": _words(mail, "mail", rng.random(size) < 0.15),
        "R_emaildomain": _words(mail, "mail", ~web),
    }
    _counters(rng, made, clients, who, bad)
    _ages(rng, made, who, day, since, product)
    _flags(rng, made, hidden, product)
    _masked(rng, made, hidden, bad, product, web)
    _devices(rng, made, device, hidden, web)
    return pa.table(made)


def _amounts(
    rng: np.random.Generator, spend: np.ndarray, product: np.ndarray, fraud: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How a price is told (0 round, 1 ninety-five cents, 2 any cents, 3 converted), and the amount."""
    own = np.where(rng.random(len(spend)) < np.where(fraud, 0.3, 0.5), 0, rng.integers(1, 3, len(spend)))
    how = np.where(product == 1, np.where(rng.random(len(spend)) < np.where(fraud, 0.9, 0.7), 3, 2), own)
    whole = np.maximum(np.round(spend), 1.0)
    gifts = np.maximum(np.round(spend / 25), 1) * 25.0
    amount = np.select([how == 0, how == 1], [np.where(product > 1, gifts, whole), whole - 0.05], spend)
    return how, amount


def _counters(
    rng: np.random.Generator, made: dict[str, object], clients: _Clients, who: np.ndarray, bad: np.ndarray
) -> None:
    """Counts of what a client used, which move together."""
    busy = np.exp(0.6 * clients.hidden[who, 3] + 0.35 * bad)
    earlier = _earlier(who)
    for number in range(1, 15):
        rate = (0.4 + 0.25 * (number % 5)) * busy * rng.lognormal(0, 0.5, len(who))
        count = rng.poisson(rate) if number not in (5, 13) else earlier + rng.poisson(0.3, len(who))
        made[f"C{number}"] = count.astype(np.int64)


def _earlier(who: np.ndarray) -> np.ndarray:
    """How often whoever pays has paid before."""
    order = np.argsort(who, kind="stable")
    place = np.empty(len(who), np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(who[order]) != 0])
    place[order] = np.arange(len(who)) - np.repeat(starts, np.diff(np.r_[starts, len(who)]))
    return place


def _ages(
    rng: np.random.Generator, made: dict[str, object], who: np.ndarray, day: np.ndarray,
    since: np.ndarray, product: np.ndarray,
) -> None:  # fmt: skip
    """Days since this and that of a client's began; some count something else, most have holes."""
    size, clients = len(who), int(who.max()) + 1
    last = np.full(clients, np.nan)
    gap = np.empty(size)
    for row, (one, now) in enumerate(zip(who.tolist(), day.tolist(), strict=True)):
        gap[row] = now - last[one]
        last[one] = now
    made["D1"] = _missing(since, rng.random(size) < 0.002)
    made["D2"] = _missing(since, (since == 0) | (rng.random(size) < 0.05))
    made["D3"] = _missing(np.floor(gap), np.isnan(gap))
    for number, holes in ((4, 0.28), (10, 0.13), (11, 0.47), (15, 0.15)):
        later = np.floor(rng.exponential(25, clients) * (rng.random(clients) < 0.4))[who]
        moved = rng.random(size) < 0.06
        made[f"D{number}"] = _missing(
            np.where(moved, 0, np.maximum(since - later, 0)), rng.random(size) < holes
        )
    made["D5"] = _missing(np.floor(gap), np.isnan(gap) | (rng.random(size) < 0.3))
    away = (product != 1) | (rng.random(size) < 0.3)
    for number in (6, 7, 12, 13, 14):
        made[f"D{number}"] = _missing(np.floor(rng.exponential(30, size)), away | (rng.random(size) < 0.2))
    absent = (product == 0) | (rng.random(size) < 0.4)
    made["D8"] = _missing(np.round(since + day % 1, 6), absent)
    made["D9"] = _missing(np.round(np.floor(day % 1 * 24) / 24, 6), absent)


def _flags(
    rng: np.random.Generator, made: dict[str, object], hidden: np.ndarray, product: np.ndarray
) -> None:
    size = len(product)
    gone = {0: (product != 0) | (rng.random(size) < 0.3), 1: rng.random(size) < 0.45}
    for number in range(1, 10):
        if number == 4:
            kind = np.clip(np.round(hidden[:, 1] + 1 + 0.5 * rng.normal(size=size)), 0, 2).astype(int)
            made["M4"] = pa.array(np.array(["M0", "M1", "M2"])[kind].tolist(), mask=gone[1])
            continue
        told = hidden[:, number % _HIDDEN] + rng.normal(0, 2, size) < 0.9
        away = gone[0] if number < 4 or number > 6 else gone[1]
        made[f"M{number}"] = pa.array(np.where(told, "T", "F").tolist(), mask=away)


def _masked(
    rng: np.random.Generator, made: dict[str, object], hidden: np.ndarray, bad: np.ndarray,
    product: np.ndarray, web: np.ndarray,
) -> None:  # fmt: skip
    """Blocks of masked counts and sums; a block is there or not as a whole."""
    size, number = len(product), 12
    for block in range(_MASKED_BLOCKS):
        absent = (web if block == 1 else ~web) if block < 3 else rng.random(size) < 0.12 * block
        for place in range(_BLOCK - 1):
            mixed = hidden @ rng.normal(0, 0.45, _HIDDEN) + rng.normal(0, 0.7, size) + 0.15 * bad
            value = np.exp(mixed)
            told = np.round(value) if place % 3 else np.round(40 * value, 4 if place else 0)
            made[f"V{number}"] = _missing(told, absent)
            number += 7


def _devices(
    rng: np.random.Generator, made: dict[str, object], device: np.ndarray, hidden: np.ndarray, web: np.ndarray
) -> None:
    """What a browser tells, in words with versions, where it was seen at all."""
    size = len(device)
    noise = rng.random(size)
    made["id_01"] = _missing(-5.0 * rng.poisson(np.exp(0.5 * hidden[:, 2])), ~web)
    made["id_02"] = _missing(np.round(np.exp(11.5 + hidden[:, 0] + rng.normal(0, 0.8, size))), ~web)
    for name, spread in (("id_05", 2.0), ("id_06", 6.0), ("id_11", 0.5)):
        made[name] = _missing(np.round(spread * rng.normal(size=size)), ~web | (noise < 0.1))
    for name, kinds in (("id_13", 50), ("id_17", 100), ("id_19", 500), ("id_20", 390)):
        made[name] = _missing(100.0 + (device * 37 + rng.integers(0, 3, size)) % kinds, ~web | (noise < 0.05))
    made["id_12"] = pa.array(np.where(hidden[:, 4] > 0.8, "Found", "NotFound").tolist(), mask=~web)
    made["id_15"] = pa.array(np.array(["New", "Found", "Unknown"])[device % 3].tolist(), mask=~web)
    phone = device % 2 == 1
    systems = np.where(
        phone, np.char.add("Android 7.", _text(device % 5)), np.char.add("Windows ", _text(7 + device % 4))
    )
    made["id_30"] = pa.array(systems.tolist(), mask=~web | (noise < 0.4))
    version = _text(55 + rng.poisson(8, size))
    browser = np.where(phone, np.char.add(np.char.add("chrome ", version), ".0 for android"), "ie 11.0")
    made["id_31"] = pa.array(browser.tolist(), mask=~web)
    made["id_33"] = pa.array(
        np.char.add(_text(600 + device % 90 * 16), np.char.add("x", _text(400 + device % 60 * 18))).tolist(),
        mask=~web | (noise < 0.45),
    )
    for name in ("id_36", "id_37", "id_38"):
        made[name] = pa.array(np.where(rng.random(size) < 0.3, "T", "F").tolist(), mask=~web)
    made["DeviceType"] = pa.array(np.where(phone, "mobile", "desktop").tolist(), mask=~web)
    names = np.char.add(np.char.add("SM-G", _text(device)), np.char.add(" Build/NRD", _text(device % 90)))
    made["DeviceInfo"] = pa.array(
        np.where(phone, names, np.char.add("rv:", _text(device))).tolist(), mask=~web | (noise < 0.15)
    )


def _text(numbers: np.ndarray) -> np.ndarray:
    return numbers.astype(np.int64).astype(str)


def _zipf(rng: np.random.Generator, count: int, kinds: int) -> np.ndarray:
    """Values 0 to kinds - 1 of which few are frequent."""
    weight = 1 / np.arange(1, kinds + 1) ** 0.85
    return rng.permutation(kinds)[rng.choice(kinds, count, p=weight / weight.sum())]


def _seasonal(rng: np.random.Generator, shape: tuple[int, ...], share: float) -> np.ndarray:
    """1 where a combination is risky in a season; what is risky stays so for some of seven."""
    chosen, begin, seasons = rng.random(shape) < share, rng.integers(-2, 6, shape), np.arange(8)
    length = rng.integers(2, 5, shape)
    inside = (seasons >= begin[..., None]) & (seasons < (begin + length)[..., None])
    return (chosen[..., None] & inside).astype(float)


def _sigmoid(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds))


def _level(odds: np.ndarray, share: float) -> float:
    """What to take off, so that the share of fraud is as it should be."""
    low, high = -10.0, 30.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if np.mean(_sigmoid(odds - middle)) > share else (low, middle)
    return low


def _holes(rng: np.random.Generator, values: np.ndarray, share: float) -> pa.Array:
    return _missing(values, rng.random(len(values)) < share)


def _missing(values: np.ndarray, absent: np.ndarray) -> pa.Array:
    return pa.array(values, mask=absent)


def _words(codes: np.ndarray, stem: str, absent: np.ndarray) -> pa.Array:
    words = np.array([f"{stem}{number}.com" for number in range(codes.max() + 1)])
    return pa.array(words[codes].tolist(), pa.string(), mask=absent)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--payments", type=int, default=590_000)
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    csv.write_csv(exported(options.payments, options.seed), options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
