"""Writes data/authorisations.csv and data/planted.csv: two days of an issuer, with frauds and near misses planted.

    python make_sample.py

The same lines come out every time. `planted.csv` names the rule that has to fire on a payment, or none where a
payment looks like fraud and is not; no rule of this project may fire on the honest rest.
"""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

DATA = Path(__file__).parent / "data"
BEGIN = datetime(2025, 3, 3, 6, 0, tzinfo=UTC)
CITIES = {"Vienna": (48.21, 16.37), "Graz": (47.07, 15.44), "Lisbon": (38.72, -9.14), "Linz": (48.31, 14.29)}
SHOPS = [("bakery", 4, 12), ("grocery", 10, 90), ("fuel", 30, 80), ("clothing", 20, 160), ("cafe", 3, 15)]


class Payment(NamedTuple):
    """One line of the export."""

    at: datetime
    card: str
    amount: float
    shop: str
    terminal: str
    entry: str
    city: str


class Plant(NamedTuple):
    """A payment of which it is known what has to happen to it."""

    payment: Payment
    story: str
    rule: str


def honest(chance: Random) -> list[Payment]:
    """Forty cards that stay in their city and pay two to five times a day, half an hour apart at least."""
    made = []
    for number in range(40):
        city = chance.choice(["Vienna", "Graz", "Linz"])
        for day in range(2):
            at = BEGIN + timedelta(days=day, minutes=chance.randrange(120))
            for _ in range(chance.randrange(2, 6)):
                shop, least, most = chance.choice(SHOPS)
                amount = chance.randrange(least * 100, most * 100) / 100
                terminal = f"{city[:3].lower()}-{shop}-{chance.randrange(4)}"
                made.append(Payment(at, f"card-{number:02}", amount, shop, terminal, "chip", city))
                at += timedelta(minutes=chance.randrange(30, 180))
    return made


def planted() -> list[Plant]:
    """Three kinds of fraud, and beside each what resembles it."""

    def at(hour: int, minute: int, day: int = 1) -> datetime:
        return BEGIN.replace(hour=hour, minute=minute) + timedelta(days=day)

    def tried(card: str, minutes: tuple[int, ...], story: str) -> list[Plant]:
        return [
            Plant(Payment(at(9, minute), card, 1.0, "charity", "web-7", "online", ""), story, "")
            for minute in minutes
        ]

    def bought(card: str, minute: int, story: str, rule: str) -> Plant:
        return Plant(Payment(at(9, minute), card, 480.0, "electronics", "web-9", "online", ""), story, rule)

    def paid(card: str, when: datetime, city: str, story: str, rule: str, entry: str = "chip") -> Plant:
        return Plant(
            Payment(when, card, 75.0, "hotel", f"{city[:3].lower()}-hotel-1", entry, city), story, rule
        )

    def filled(card: str, entry: str, story: str, rule: str) -> Plant:
        return Plant(Payment(at(12, 20), card, 61.0, "fuel", "lin-fuel-9", entry, "Linz"), story, rule)

    return [
        *tried("stolen-1", (0, 2, 3, 5), "tries out a stolen number"),
        bought("stolen-1", 8, "uses the number that worked", "tested_then_used"),
        *tried("giver-1", (0, 14, 28, 42), "gives a little, again and again, within the hour"),
        bought("giver-1", 45, "a purchase after gifts that were far apart", ""),
        paid("copied-1", at(10, 0), "Vienna", "the card's owner at home", ""),
        paid("copied-1", at(11, 0), "Lisbon", "a copy of the card, an hour later", "two_places", "magstripe"),
        paid("flyer-1", at(8, 0), "Vienna", "before the flight", ""),
        paid("flyer-1", at(13, 30), "Lisbon", "after the flight", ""),
        filled("skimmed-1", "magstripe", "a copied stripe at a terminal known for it", "skimmed_terminal"),
        filled("driver-1", "chip", "the same terminal, by chip, which cannot be copied", ""),
    ]


def main() -> None:
    """Write both files, payments in the order in which they happened."""
    plants = planted()
    payments = sorted([*honest(Random(3)), *(plant.payment for plant in plants)])
    names = {payment: f"a{number:04}" for number, payment in enumerate(payments, 1)}
    with (DATA / "authorisations.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(
            [
                "auth_id",
                "local_time",
                "card",
                "amount_eur",
                "category",
                "terminal",
                "entry",
                "city",
                "lat",
                "lon",
            ]
        )
        for one in payments:
            when = (one.at + timedelta(hours=1)).strftime("%d.%m.%Y %H:%M")
            place = CITIES.get(one.city, ("", ""))
            amount = f"{one.amount:.2f}".replace(".", ",")
            out.writerow(
                [names[one], when, one.card, amount, one.shop, one.terminal, one.entry, one.city, *place]
            )
    with (DATA / "planted.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["transaction_id", "rule", "story"])
        out.writerows([names[plant.payment], plant.rule, plant.story] for plant in plants)


if __name__ == "__main__":
    main()
