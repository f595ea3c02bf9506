"""The crimes of the world, one function each: what a victim's card, account or device is made to pay.

Each is called with a random generator, the victim's number, and the moment (ms) at which it begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ringfence.simulate.people import CITIES, FAR_AWAY, card_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

Row = dict[str, Any]
_MINUTE_MS: Final = 60_000


def card_testing(rng: np.random.Generator, victim: int, begin_ms: int) -> list[Row]:
    """Half a dozen tiny payments online to see whether a stolen number works, then a large one."""
    steps = int(rng.integers(6, 10))
    rows = [
        _online(rng, victim, begin_ms + step * 50_000, round(rng.uniform(0.5, 4.5), 2))
        for step in range(steps)
    ]
    return [*rows, _online(rng, victim, begin_ms + steps * 50_000 + 30_000, round(rng.uniform(250, 900), 2))]


def unusual_amount(rng: np.random.Generator, victim: int, begin_ms: int) -> list[Row]:
    """One payment many times larger than the victim's others."""
    return [_online(rng, victim, begin_ms, round(rng.uniform(1500, 4000), 2))]


def counterfeit_card(rng: np.random.Generator, victim: int, begin_ms: int) -> list[Row]:
    """The card is at home and on another continent within the hour."""
    city, country, lat, lon = FAR_AWAY[rng.integers(len(FAR_AWAY))]
    rows = []
    for step in range(3):
        row = _payment(victim, begin_ms + step * 9 * _MINUTE_MS, round(rng.uniform(60, 400), 2))
        row |= {"channel": "pos", "city": city, "country": country, "lat": lat, "lon": lon}
        rows.append(row | {"merchant_id": f"shop-{country}-{step}", "merchant_category": "electronics"})
    return rows


def account_takeover(rng: np.random.Generator, victim: int, begin_ms: int) -> list[Row]:
    """Somebody else's device pays from the victim's account."""
    device = f"dev-x{rng.integers(10**6)}"
    amounts = rng.uniform(80, 350, rng.integers(2, 5))
    return [
        _online(rng, victim, begin_ms + step * 7 * _MINUTE_MS, round(float(amount), 2))
        | {"device_id": device}
        for step, amount in enumerate(amounts)
    ]


def device_farm(rng: np.random.Generator, victim: int, begin_ms: int) -> list[Row]:
    """One device, many stolen cards."""
    device = f"dev-farm{rng.integers(10**6)}"
    return [
        _online(rng, victim + step, begin_ms + step * 11 * _MINUTE_MS, round(rng.uniform(30, 120), 2))
        | {"device_id": device}
        for step in range(7)
    ]


def mule_account(rng: np.random.Generator, victim: int, begin_ms: int) -> list[Row]:
    """An account is emptied in a few minutes, to many others."""
    rows = []
    for step in range(8):
        row = _payment(victim, begin_ms + step * 25_000, round(rng.uniform(6000, 9500), 2))
        del row["card_id"]
        rows.append(row | {"channel": "transfer", "counterparty_id": f"acc-m{rng.integers(10**6)}"})
    return rows


CRIMES: Final[dict[str, Callable[[np.random.Generator, int, int], list[Row]]]] = {
    "card_testing": card_testing,
    "unusual_amount": unusual_amount,
    "counterfeit_card": counterfeit_card,
    "account_takeover": account_takeover,
    "device_farm": device_farm,
    "mule_account": mule_account,
}


def _online(rng: np.random.Generator, victim: int, at_ms: int, amount: float) -> Row:
    row = _payment(victim, at_ms, amount)
    return row | {
        "channel": "online",
        "merchant_id": f"web-{rng.integers(40)}",
        "merchant_category": "online",
    }


def _payment(victim: int, at_ms: int, amount: float) -> Row:
    return {
        "event_time_ms": at_ms,
        "amount": amount,
        "customer_id": f"cus-{victim:05}",
        "account_id": f"acc-{victim:05}",
        "card_id": card_of(victim),
        "country": CITIES[0][1],
    }
