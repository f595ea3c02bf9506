"""Payments of a real Kafka whose decisions another host writes: each is kept as that host made it."""

import json
import time
from contextlib import contextmanager
from itertools import count

import msgspec
import pytest
from tests.cli.conftest import payment
from tests.spine import Tick, open_store, runner

from ringfence.adapters.kafka import decided
from ringfence.adapters.kafka.address import KafkaAddress
from ringfence.adapters.kafka.client import KafkaClient
from ringfence.adapters.kafka.decided import DecidedSource, DecisionReading
from ringfence.adapters.kafka.records import NAMES
from ringfence.adapters.kafka.source import OPTIONS, KafkaSource
from ringfence.adapters.stream_records import StreamDecoding, Streamed
from ringfence.api.sourcing import Sources
from ringfence.decisions.decision import DecisionBatch
from ringfence.decisions.written import json_of
from ringfence.events.ids.hashing import hash_text
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.ports import DECISIONS

COUNT = 40


@pytest.fixture
def elsewhere(tmp_path):
    """What another host decided of payments, by id: all declined, by other rules in the second half."""
    with open_store(tmp_path / "elsewhere") as other:
        at_work = runner(other)
        decoding = StreamDecoding(load_mapping("canonical"), Tokenizer(other.meta.token_key), NAMES)
        records = (Streamed("elsewhere", at, "", b"", line) for at, line in enumerate(lines(0, COUNT)))
        at_work.ingest(decoding(records, 1_800_000_000_000).events)
        made = {}
        for one in decisions_in(other):
            one |= {"outcome": "decline", "offset": one["offset"] + 7, "reasons": ["ELSEWHERE"]}
            one["versions"] = one["versions"] | {"rules": "before" if len(made) < COUNT // 2 else "after"}
            made[one["transaction_id"]] = one
    return made


def lines(first, count):
    return [json.dumps(payment(n)).encode() for n in range(first, first + count)]


def decisions_in(store):
    return [
        json.loads(line)
        for batch in store.log.read(DECISIONS)
        for line in json_of(DecisionBatch.decode(batch.payload))
    ]


@contextmanager
def followed(store, kafka, payments, decisions, told=None, seconds=time.monotonic):
    """A source, and the runner that takes it in."""
    at_work, say = runner(store), (told if told is not None else []).append
    decoding = StreamDecoding(load_mapping("canonical"), Tokenizer(store.meta.token_key), NAMES)
    reading = DecisionReading(decoding.refused)
    both = [
        KafkaSource(
            KafkaClient(KafkaAddress.of(f"kafka://{kafka.address}/{topic}", OPTIONS), {}),
            one,
            store.positions,
            lambda: 1_800_000_000_000,
            group="tests",
        )
        for topic, one in ((payments, decoding), (decisions, reading))
    ]
    seed = store.meta.hash_seed
    source = DecidedSource(
        *both, reading, lambda name: bool(at_work.intake.seen.offsets_of(hash_text(name, seed))), say, seconds
    )
    source.open()
    try:
        yield at_work, source
    finally:
        source.close()


def take(store, kafka, payments, decisions, told=None, rows=16, seconds=time.monotonic):
    with followed(store, kafka, payments, decisions, told, seconds) as (at_work, source):
        return at_work.run(source.batches(rows, until_end=True, is_over=lambda: False))


def test_decisions_of_another_host_are_kept_as_it_made_them(kafka, store, elsewhere):
    payments, decisions = kafka.topic(2), kafka.topic(2)
    for at in range(0, COUNT, 5):
        kafka.send(payments, lines(at, 5), partition=at // 5 % 2)
    kafka.send(payments, lines(3, 2), partition=0)  # a retry
    for number, one in enumerate(reversed(elsewhere.values())):
        kafka.send(decisions, [json.dumps(one)], partition=number % 2)
    too_large = json.dumps(elsewhere["p0"] | {"latency_us": 1 << 70})
    kafka.send(
        decisions, ["no decision", '{"offset": 1, "card": "4111111111111111"}', too_large], partition=0
    )
    totals = take(store, kafka, payments, decisions)
    assert (totals.transactions, totals.duplicates, totals.bad) == (COUNT, 2, 3)
    assert not any(b"4111111111111111" in one.original for one in store.quarantine.records())
    kept = decisions_in(store)
    assert [one.pop("offset") for one in kept] == list(range(COUNT))
    assert {one["transaction_id"]: one for one in kept} == {
        name: {key: value for key, value in one.items() if key != "offset"} for name, one in elsewhere.items()
    }


def test_a_payment_waits_for_its_decision_and_is_read_again_until_it_comes(kafka, store, elsewhere):
    payments, decisions = kafka.topic(), kafka.topic()
    kafka.send(payments, lines(0, COUNT))
    written = [json.dumps(one) for one in elsewhere.values()]
    told = []
    kafka.send(decisions, written[:20])
    assert take(store, kafka, payments, decisions, told).transactions == 16  # whole batches
    assert told[0].startswith(f"Note: {COUNT - 16} payments of kafka://{kafka.address}/{payments} are not")
    kafka.send(payments, lines(2, 1))  # again, when its decision has been used long since
    kafka.send(decisions, written[20:])
    assert take(store, kafka, payments, decisions, told).transactions == COUNT - 16
    assert take(store, kafka, payments, decisions, told).events == 0
    assert len(told) == 1
    assert {one["outcome"] for one in decisions_in(store)} == {"decline"}


def test_a_decision_of_another_host_has_all_that_it_had(kafka, store, elsewhere):
    payments, decisions = kafka.topic(), kafka.topic()
    first = elsewhere["p0"] | {
        "probability": 0.5,
        "model": "m",
        "challengers": {"c": 0.25, "d": None},
        "factors": [{"input": "amount", "weight": 1.5}],
        "typologies": {"mule": 80.0},
        "degraded": ["model"],
    }
    kafka.send(payments, lines(0, 1))
    kafka.send(decisions, [msgspec.json.encode(first)])
    take(store, kafka, payments, decisions)
    assert decisions_in(store) == [first | {"offset": 0}]


def test_a_record_that_no_row_can_be_made_of_goes_to_quarantine_before_its_payment_moves_anything(
    kafka, store, elsewhere
):
    payments, decisions = kafka.topic(), kafka.topic()
    kafka.send(payments, lines(0, 3))
    good = [json.dumps(elsewhere[f"p{n}"]) for n in range(3)]
    twice = good[2][:-1] + ', "outcome": "approve"}'
    no_rules = json.dumps(elsewhere["p1"] | {"versions": {"features": "f"}})
    for one in (json.dumps(elsewhere["p0"] | {"versions": {}}), good[0], no_rules, good[1], twice, good[2]):
        kafka.send(decisions, [one])
    totals = take(store, kafka, payments, decisions, rows=1)
    assert (totals.transactions, totals.bad) == (3, 3)
    assert [one["outcome"] for one in decisions_in(store)] == ["decline"] * 3
    assert any("stands twice" in one.message for one in store.quarantine.records())


def test_more_models_than_a_batch_has_room_for_are_kept_in_several(kafka, store, elsewhere):
    payments, decisions = kafka.topic(), kafka.topic()
    kafka.send(payments, lines(0, 200))
    kafka.send(
        decisions,
        [json.dumps(elsewhere["p0"] | {"transaction_id": f"p{n}", "model": f"m{n}"}) for n in range(200)],
    )
    assert take(store, kafka, payments, decisions, rows=200).transactions == 200
    assert [one["model"] for one in decisions_in(store)] == [f"m{n}" for n in range(200)]


def test_decisions_far_ahead_of_their_payments_are_read_again_and_none_is_lost(
    kafka, store, elsewhere, monkeypatch
):
    monkeypatch.setattr(decided, "_MOST_WAITING", 8)
    monkeypatch.setattr(decided, "_MOST_HELD", 2)
    payments, decisions, told = kafka.topic(), kafka.topic(), []
    kafka.send(payments, lines(0, COUNT))
    kafka.send(decisions, [json.dumps(one) for one in reversed(elsewhere.values())])
    assert take(store, kafka, payments, decisions, told, rows=4).transactions == COUNT
    assert not told
    assert {one["outcome"] for one in decisions_in(store)} == {"decline"}


def test_a_decision_that_is_written_again_counts_once_and_holds_up_no_position(kafka, store, elsewhere):
    payments, decisions = kafka.topic(), kafka.topic()
    kafka.send(payments, lines(0, COUNT))
    written = [json.dumps(one) for one in elsewhere.values()]
    again = [json.dumps(one | {"outcome": "approve"}) for one in list(elsewhere.values())[:16]]
    kafka.send(decisions, [*written[:16], *again, *written[16:]])
    with followed(store, kafka, payments, decisions) as (_, source):  # all on its way, nothing logged yet
        batches = list(source.batches(16, until_end=True, is_over=lambda: False))
    ends = [json.loads(one.value)["offset"] for batch in batches for one in batch.positions]
    assert ends[-1] == COUNT + 16
    assert all(
        set(batch.decided.column("outcome").to_pylist()) == {"decline"}
        for batch in batches
        if batch.decided is not None
    )


def test_a_payment_sent_again_does_not_wait_while_the_first_is_on_its_way_to_the_log(kafka, store, elsewhere):
    payments, decisions, told = kafka.topic(), kafka.topic(), []
    kafka.send(payments, [*lines(0, 8), *lines(4, 4), *lines(8, 4)])
    kafka.send(decisions, [json.dumps(elsewhere[f"p{n}"]) for n in range(12)])
    with followed(store, kafka, payments, decisions, told) as (_, source):  # nothing is logged yet
        batches = list(source.batches(4, until_end=True, is_over=lambda: False))
    assert sum(len(batch.events) for batch in batches) == 16
    assert not told


def test_a_decision_whose_payment_never_comes_is_passed_over_after_an_hour_with_its_name(
    kafka, store, elsewhere
):
    payments, decisions = kafka.topic(), kafka.topic()
    kafka.send(payments, lines(0, COUNT))
    orphan = json.dumps(elsewhere["p0"] | {"transaction_id": "orphan"})
    kafka.send(decisions, [orphan, *(json.dumps(one) for one in elsewhere.values())])

    def ends(seconds):
        told = []
        with followed(store, kafka, payments, decisions, told, seconds) as (_, source):
            batches = list(source.batches(16, until_end=True, is_over=lambda: False))
            beside = Sources(None, Tick())  # it decides nothing here
            beside.add([source])
            warnings = beside.warnings()
        found = {
            one.source.rsplit("/")[-1]: json.loads(one.value)["offset"]
            for batch in batches
            for one in batch.positions
        }
        return found, told, warnings

    assert ends(lambda: 0.0) == ({payments: COUNT}, [], [])
    hours = count(0, 3601)
    found, told, [warning] = ends(lambda: next(hours))
    assert found == {payments: COUNT, decisions: COUNT + 1}
    assert "1 decisions have been passed over" in warning
    assert "orphan" in warning
    assert told == [f"Warning: {warning}"]
