"""Writes data/orders.csv and data/planted.csv: eight days of a marketplace, with frauds and near misses planted.

    python make_sample.py

The same lines come out every time. `planted.csv` names the rule that has to fire on an order, or none where an
order looks like fraud and is not; no rule of this project may fire on the honest rest.
"""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

DATA = Path(__file__).parent / "data"
BEGIN = datetime(2025, 3, 3, tzinfo=UTC)


class Order(NamedTuple):
    """One line of the export."""

    at: datetime
    buyer: str
    seller: str
    cents: int
    card: str
    device: str
    email: str
    voucher: str


class Plant(NamedTuple):
    """An order of which it is known what has to happen to it."""

    order: Order
    story: str
    rule: str


def honest(chance: Random) -> list[Order]:
    """Fifty buyers with a card and a device each, at twelve sellers; some use the voucher for their first order."""
    made = []
    for number in range(50):
        at = BEGIN + timedelta(minutes=chance.randrange(3 * 24 * 60))
        for order in range(chance.randrange(2, 6)):
            cents, seller = chance.randrange(800, 9_000), f"shop-{chance.randrange(12):02}"
            voucher = "WELCOME" if order == 0 and number % 3 == 0 else ""
            made.append(_order(at, f"buyer-{number:02}", seller, cents / 100, voucher=voucher))
            at += timedelta(minutes=chance.randrange(300, 3_000))
    return made


def _order(at: datetime, buyer: str, seller: str, euros: float, device: str = "", voucher: str = "") -> Order:
    email = f"{buyer}@mail.example"
    return Order(
        at, buyer, seller, round(euros * 100), f"card-{buyer}", device or f"device-{buyer}", email, voucher
    )


def planted() -> list[Plant]:
    """Four kinds of fraud, and beside each what resembles it."""

    def order(
        day: int, clock: str, buyer: str, seller: str, euros: float, story: str, rule: str = "", **more: str
    ) -> Plant:
        hour, minute = map(int, clock.split(":"))
        return Plant(
            _order(BEGIN + timedelta(days=day, hours=hour, minutes=minute), buyer, seller, euros, **more),
            story,
            rule,
        )

    farm, family = "one device opens account after account for the voucher", "a family shares a tablet"
    burst, opening = "a new seller, many cards, much money", "a new seller on a good first day: little money"
    sale = "many cards and much money, at a seller known for a week"
    friends, beans = "a buyer and a seller who pass money to each other", "buys coffee every other day"
    return [
        # The same device signs up again and again, each time with the voucher of the first order.
        *(
            order(
                2,
                f"{10 + n}:00",
                f"farm-{n}",
                "shop-01",
                20,
                farm,
                "voucher_farm" if n >= 3 else "",
                device="emulator",
                voucher="WELCOME",
            )
            for n in range(6)
        ),
        *(
            order(2, f"{10 + n}:30", f"family-{n}", "shop-02", 25, family, device="tablet", voucher="WELCOME")
            for n in range(3)
        ),
        # A seller who opened yesterday sells what will never be sent.
        *(
            order(
                6, f"{9 + n}:10", f"lured-{n}", "brand-new", 650, burst, "new_seller_burst" if n >= 4 else ""
            )
            for n in range(7)
        ),
        *(order(6, f"{9 + n}:20", f"guest-{n}", "just-opened", 35, opening) for n in range(7)),
        order(0, "08:00", "early-0", "old-seller", 40, sale),
        *(order(7, f"{9 + n}:40", f"bargain-{n}", "old-seller", 650, sale) for n in range(7)),
        # Stolen cards are turned into cash: always the same two, always large.
        *(
            order(
                3 + n // 2,
                f"{11 + 5 * (n % 2)}:05",
                "straw",
                "straw-shop",
                700,
                friends,
                "buyer_and_seller" if n >= 3 else "",
            )
            for n in range(5)
        ),
        *(order(n, "15:00", "drinker", "roastery", 18, beans) for n in range(0, 8, 2)),
        # An address that another marketplace has seen in fraud.
        order(
            5,
            "12:00",
            "seen-before",
            "shop-03",
            90,
            "an address known from another marketplace",
            "blocked_address",
        ),
        order(5, "12:10", "seen-before-2", "shop-03", 90, "an address that only looks like it"),
    ]


def main() -> None:
    """Write both files, orders in the order in which they came."""
    plants = planted()
    orders = sorted([*honest(Random(11)), *(plant.order for plant in plants)])
    names = {order: f"o{number:04}" for number, order in enumerate(orders, 1)}
    with (DATA / "orders.csv").open("w", newline="") as file:
        out = csv.writer(file, delimiter=";", lineterminator="\n")
        out.writerow(
            ["order", "created_at", "buyer", "seller", "total", "card", "device", "email", "voucher"]
        )
        for one in orders:
            created, total = one.at.strftime("%Y-%m-%d %H:%M:%S"), f"{one.cents / 100:.2f} EUR"
            out.writerow(
                [
                    names[one],
                    created,
                    one.buyer,
                    one.seller,
                    total,
                    one.card,
                    one.device,
                    one.email,
                    one.voucher,
                ]
            )
    with (DATA / "planted.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["transaction_id", "rule", "story"])
        out.writerows([names[plant.order], plant.rule, plant.story] for plant in plants)


if __name__ == "__main__":
    main()
