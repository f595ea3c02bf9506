"""What tokens cost at the door, before and after token keys rotate: python -m benchmarks.token_keys.

Payments with a card number and six personal values are decoded in small steps, as a server does it, all of
them of people whose tokens are in no memory yet: the dearest case. Half of them are known after a rotation.
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import median

import numpy as np

from benchmarks.report import machine, show, versions
from ringfence.events.decoding.decode_small import SmallDecoder
from ringfence.events.privacy.personal import PersonalData
from ringfence.events.privacy.token_keys import TokenKeys, mark
from ringfence.events.privacy.tokens import Tokenizer

NOW_MS = 1_790_000_000_000
STEP = 16
SEED = 7


def payment(number: int) -> bytes:
    """Of a person of its own."""
    record = {
        "transaction_id": f"t{number}", "event_time": NOW_MS - 1000, "amount": "12.50", "currency": "EUR",
        "card_number": f"4{number:014}0", "customer_id": f"C-{number}", "account_id": f"A-{number}",
        "email": f"c{number}@mail.example", "phone": f"+4917{number:08}", "counterparty_id": f"P-{number}",
        "ip": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", "merchant_id": "m1",
    }  # fmt: skip
    return json.dumps(record).encode()


def keys_of(count: int, known: int, persons: int) -> TokenKeys:
    """So many keys; of so many marks those of every second person's card are by the first."""
    keys = [bytes([number + 1]) * 32 for number in range(count)]
    cards = Tokenizer(keys[0])
    held = [mark(cards.token(f"4{number:014}0")) for number in range(0, persons, 2)]
    others = np.random.default_rng(SEED).integers(1, 1 << 63, known, np.uint64)
    return TokenKeys(tuple(keys), keys[0], np.unique(np.append(np.array(held, np.uint64), others)))


def seconds(keys: TokenKeys, records: list[bytes]) -> float:
    """To decode these once, with nothing remembered."""
    decoder = SmallDecoder(Tokenizer(keys, personal=PersonalData(keys)), SEED)
    begin = time.process_time()
    for at in range(0, len(records), STEP):
        assert decoder.decode(records[at : at + STEP], NOW_MS) is not None
    return time.process_time() - begin


def main() -> None:
    """The table: microseconds a payment."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--known", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(machine(), versions("numpy"), sep="\n")
    records = [payment(number) for number in range(options.events)]
    made = {count: keys_of(count, options.known, options.events) for count in (1, 2, 8)}
    seconds(made[1], records[:STEP])
    took: dict[int, list[float]] = {count: [] for count in made}
    for _ in range(options.rounds):
        for count, keys in made.items():
            took[count].append(seconds(keys, records) / options.events * 1e6)
    rows = [
        [str(count), f"{options.known:,}" if count > 1 else "-", f"{median(some):.1f}"]
        for count, some in took.items()
    ]
    show("At the door", ["live keys", "known tokens", "us a payment"], rows)


if __name__ == "__main__":
    main()
