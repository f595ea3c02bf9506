"""Payments of flagged entities, told whichever came first: a brute-force join is the oracle."""

import json
import random
from contextlib import closing

import pytest
from tests.kafka import broker
from tests.spine import START_MS, Rows, batch, open_store, runner

from ringfence.adapters.flagged_payments import FlagsInForce
from ringfence.adapters.kafka.address import KafkaAddress
from ringfence.adapters.kafka.client import KafkaClient
from ringfence.adapters.kafka.sink import OPTIONS, FlaggedSink
from ringfence.events.model import Kind
from ringfence.follow import catch_up
from ringfence.ports import EVENTS, FLAG_MATCHES

HOUR_MS = 3_600_000


def flag(number, time_ms, account, since_ms, until_ms=None, *, removed=None):
    row = {"kind": Kind.FLAG, "event_id": f"f{number}", "event_time_ms": time_ms, "entity_type": "account"}
    more = {"entity_id": account, "effective_at_ms": since_ms, "expires_at_ms": until_ms, "removed": removed}
    return row | more


def paid(number, time_ms, account):
    row = {"transaction_id": f"t{number}", "event_time_ms": time_ms, "account_id": account}
    return row | {"amount_minor": 100 + number, "currency": "USD", "merchant_category": "Others"}


def stream(seed, count=300):
    """Payments and flags of five accounts within two days, in any order of their dates."""
    chance = random.Random(seed)
    rows, begun = [], set()  # a flag with the same beginning would change the end of the one before
    for number in range(count):
        account, at = f"a{chance.randrange(5)}", START_MS - chance.randrange(48) * HOUR_MS
        if chance.random() < 0.1 and (account, at) not in begun:
            begun.add((account, at))
            until = at + chance.randrange(1, 12) * HOUR_MS if chance.random() < 0.5 else None
            rows.append(flag(number, at, account, at, until))
        else:
            rows.append(paid(number, at, account))
    return rows


def joined(rows):
    """Every payment that some flag covers, with its account, and whether all those flags came later."""
    found = {}
    for place, row in enumerate(rows):
        if "transaction_id" in row:
            covering = [
                at
                for at, other in enumerate(rows)
                if other.get("entity_id") == row["account_id"]
                and other["effective_at_ms"] <= row["event_time_ms"]
                and (other["expires_at_ms"] is None or row["event_time_ms"] < other["expires_at_ms"])
            ]
            if covering:
                found[row["transaction_id"], row["account_id"]] = min(covering) > place
    return found


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "data") as made:
        yield made


def decide(store, rows, size=40):
    at_work = runner(store)
    with closing(at_work):
        at_work.run(Rows(batch(rows[n : n + size])) for n in range(0, len(rows), size))


def test_payments_and_flags_of_a_topic_are_joined_in_either_order_once(store):
    rows = stream(3)
    decide(store, rows)
    kafka = broker()
    decisions, processed = kafka.topic(), kafka.topic(3)
    address = f"kafka://{kafka.address}/{decisions}?flagged={processed}"
    follower = FlaggedSink(store.log, KafkaClient(KafkaAddress.of(address, OPTIONS), {}), store.folder)
    with closing(follower):
        catch_up(store.log, follower)
        assert follower.positions()[EVENTS] == len(rows)
    told = [(message, json.loads(message.value())) for message in kafka.content(processed)]
    assert {(one["transaction_id"], one["entity_id"]): one["late"] for _, one in told} == joined(rows)
    assert len(told) == len(joined(rows))
    assert all(message.key().decode() == one["entity_id"] for message, one in told)
    amounts = {row["transaction_id"]: row["amount_minor"] for row in rows if "transaction_id" in row}
    assert all(one["amount_minor"] == amounts[one["transaction_id"]] for _, one in told)
    topics = {dict(message.headers())["ringfence-topic"] for message, _ in told}
    assert topics == {EVENTS.encode(), FLAG_MATCHES.encode()}


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_killed_when_the_same_is_told(store, seed):
    """After a kill the flags in the file may be ahead of what was told, which then comes again."""
    rows = stream(seed, 200)
    rows.insert(150, flag(900, START_MS, "a1", None, removed=True))
    decide(store, rows, 20)
    chance, path = random.Random(seed), store.folder / "flags.json"
    whole = tell(store, FlagsInForce(store.log, store.folder / "other.json"), 0, len(rows))
    told, position = {}, 0
    while position < len(rows):
        flags = FlagsInForce(store.log, path)
        after = min(position + 20 * chance.randrange(1, 4), len(rows))
        told |= tell(store, flags, position, after)
        if chance.random() < 0.6:
            position = after  # else killed between flags and position
    assert told == whole
    late = {one["transaction_id"] for one in told.values() if one["late"]}
    assert late == set()
    assert len(whole) > 20


def tell(store, flags, begin, end):
    flags.up_to(begin)
    told = {}
    for one in store.log.read(EVENTS, begin, end):
        found = flags.take(one)
        flags.write()
        told |= {(message.offset, message.key): json.loads(message.value) for message in found}
    return told


def test_flags_are_kept_when_retention_has_taken_their_events(store):
    decide(
        store, [flag(1, START_MS, "a1", START_MS), *[paid(n, START_MS + n, "a1") for n in range(2, 100)]], 10
    )
    flags = FlagsInForce(store.log, store.folder / "flags.json")
    assert len(tell(store, flags, 0, 50)) == 49
    store.log.trim(EVENTS, 50)
    flags.close()
    assert len(tell(store, flags, 50, 99)) == 49
