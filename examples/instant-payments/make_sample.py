"""Writes data/transfers.ndjson and data/planted.csv: ten days of instant payments, frauds and near misses planted.

    python make_sample.py

The same lines come out every time. `planted.csv` names the rule that has to fire on a payment, or none where a
payment looks like fraud and is not; no rule of this project may fire on the honest rest.
"""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

DATA = Path(__file__).parent / "data"
BEGIN = datetime(2025, 3, 3, tzinfo=UTC)
BILLS = ["utility", "landlord", "telecom", "insurer"]


class Transfer(NamedTuple):
    """One instant payment."""

    at: datetime
    payer: str
    payee: str
    cents: int
    device: str


class Plant(NamedTuple):
    """A transfer of which it is known what has to happen to it."""

    transfer: Transfer
    story: str
    rule: str


def honest(chance: Random) -> list[Transfer]:
    """Thirty people who pay their bills and one or two friends, from one phone each."""
    made = []
    for number in range(30):
        friends = [(number + step) % 30 for step in (1, 7)]
        for day in range(10):
            at = BEGIN + timedelta(days=day, minutes=chance.randrange(7 * 60, 21 * 60))
            friend, bill = f"acct-{chance.choice(friends):02}", chance.choice(BILLS)
            payee, cents = (
                (friend, chance.randrange(500, 6_000)) if day % 2 else (bill, chance.randrange(2_000, 45_000))
            )
            made.append(Transfer(at, f"acct-{number:02}", payee, cents, f"phone-{number:02}"))
    return made


def planted() -> list[Plant]:
    """Four kinds of fraud, and beside each what resembles it."""

    def pay(
        day: int,
        clock: str,
        payer: str,
        payee: str,
        euros: float,
        story: str,
        rule: str = "",
        device: str = "",
    ) -> Plant:
        hour, minute = map(int, clock.split(":"))
        at = BEGIN + timedelta(days=day, hours=hour, minutes=minute)
        return Plant(Transfer(at, payer, payee, round(euros * 100), device or f"phone-{payer}"), story, rule)

    safe, own = (
        "told by a false officer to bring money to safety",
        "moves to a new phone, and pays the usual landlord",
    )
    collects, club = (
        "one of many who pay an account opened yesterday",
        "a club that has collected its fees for a week",
    )
    below, rent = "a sum in parts below 1,000", "payments below 1,000, four days apart"
    return [
        # Somebody on the phone makes a customer send everything to an account never paid before.
        pay(1, "09:00", "anna", "landlord", 700, "an ordinary payment"),
        pay(9, "14:00", "anna", "safe-1", 4_800, safe, "new_payee_new_device", "phone-new"),
        pay(1, "09:30", "ben", "landlord", 2_600, own),
        pay(9, "14:30", "ben", "landlord", 2_600, own, device="phone-ben-2"),
        # A mule collects within a day what five strangers pay; a club's account is older than that.
        *(
            pay(8, f"{10 + n}:15", f"victim-{n}", "mule-1", 320, collects, "mule_collects" if n >= 4 else "")
            for n in range(6)
        ),
        *(pay(0, f"{8 + n}:10", f"member-{n}", "club", 45, club) for n in range(2)),
        *(pay(8, f"{11 + n}:20", f"member-{n}", "club", 45, club) for n in range(6)),
        # A sum is split below a reporting limit.
        *(
            pay(
                7, f"{9 + n}:00", "splitter", f"cousin-{n}", 980, below, "split_below_limit" if n >= 2 else ""
            )
            for n in range(4)
        ),
        *(pay(1 + 4 * n, "12:00", "tenant", "landlord", 950, rent) for n in range(3)),
        # An account that another bank has confirmed as a mule's, and one of which that is no longer held.
        pay(9, "16:00", "carl", "mule-9", 60, "pays a mule that another bank reported", "confirmed_mule"),
        pay(9, "16:05", "dora", "mule-8", 60, "the report on this account has expired"),
    ]


def main() -> None:
    """Write both files, transfers in the order in which they happened."""
    plants = planted()
    transfers = sorted([*honest(Random(5)), *(plant.transfer for plant in plants)])
    names = {transfer: f"ip{number:04}" for number, transfer in enumerate(transfers, 1)}
    with (DATA / "transfers.ndjson").open("w") as file:
        for one in transfers:
            told = {
                "endToEndId": names[one],
                "accepted": one.at.isoformat().replace("+00:00", "Z"),
                "amount": {"value": f"{one.cents / 100:.2f}", "currency": "EUR"},
                "debtor": {"account": one.payer, "device": one.device},
                "creditor": {"account": one.payee},
            }
            file.write(json.dumps(told, separators=(",", ":")) + "\n")
    with (DATA / "planted.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["transaction_id", "rule", "story"])
        out.writerows([names[plant.transfer], plant.rule, plant.story] for plant in plants)


if __name__ == "__main__":
    main()
