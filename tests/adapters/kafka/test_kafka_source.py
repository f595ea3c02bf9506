"""Topics of a real Kafka as sources: each message is decided once, and what is no record is quarantined."""

import json
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewPartitions, NewTopic
from tests.adapters.kafka.test_registry import avro, of, registry, served
from tests.cli.conftest import payment
from tests.kafka import QUIET
from tests.spine import START_MS, Tick, runner

from ringfence.adapters.kafka import source as module
from ringfence.adapters.kafka.address import KafkaAddress
from ringfence.adapters.kafka.client import KafkaClient, properties_in
from ringfence.adapters.kafka.records import NAMES
from ringfence.adapters.kafka.source import OPTIONS, KafkaSource
from ringfence.adapters.stream_records import StreamDecoding
from ringfence.cli.setup.checks.check import State
from ringfence.cli.setup.checks.streams import streams
from ringfence.compose.clock import SystemClock
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import InputError, StoreError
from ringfence.events import codec
from ringfence.events.mapping import load_mapping, parse_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.ports import DECISIONS, EVENTS
from ringfence.runner import Runner

OWN = """
name = "own"
title = "Payments by strangers"
about = "A payment has a pid, a refund notice has a flag."

[[records]]
kind = "transaction"
when = ["paid"]

[records.fields]
transaction_id = { column = "pid", row_id = true }
event_time = "kafka_timestamp"
card_id = "kafka_key"
amount = "paid"
currency = { constant = "EUR" }

[records.attributes]
trace = { column = "kafka_header_trace", optional = true }
"""


@contextmanager
def opened(store, address, mapping=None, told=None, properties=None, now_ms=None, registry=None, **more):
    """A source over the canonical mapping, or another."""
    client = KafkaClient(KafkaAddress.of(address, OPTIONS), properties or {})
    tokenizer = Tokenizer(store.meta.token_key)
    decoding = StreamDecoding(mapping or load_mapping("canonical"), tokenizer, NAMES, **more)
    said = (told if told is not None else []).append
    clock = now_ms or Tick().now_ms
    source = KafkaSource(client, decoding, store.positions, clock, group="tests", registry=registry, say=said)
    try:
        source.open()
        yield source
    finally:
        source.close()


def take(store, source, rows=1000):
    """Decide what the topics hold, as a new process would."""
    at_work: Runner = runner(store)
    totals = at_work.run(source.batches(rows, until_end=True, is_over=lambda: False))
    at_work.close()
    return totals


def all_of(store, address, **more):
    with opened(store, address, **more) as source:
        return take(store, source)


def ids(store):
    batches = [DecisionBatch.decode(item.payload).table for item in store.log.read(DECISIONS)]
    return [identity for table in batches for identity in table.column("transaction_id").to_pylist()]


def lines(count, first=0):
    return [json.dumps(paid(n)) for n in range(first, first + count)]


def paid(number, **more):
    """One payment a second, up to the clock of the tests."""
    return payment(0, transaction_id=f"t{number}", event_time=START_MS - 40_000_000 + 1000 * number, **more)


def test_each_message_is_decided_once_and_the_next_run_goes_on_behind_it(kafka, store):
    topic = kafka.topic()
    address = f"kafka://{kafka.address}/{topic}"
    kafka.send(topic, lines(50))
    assert all_of(store, address).transactions == 50
    assert all_of(store, address).events == 0
    kafka.send(topic, lines(20, 50))
    again = all_of(store, address)
    assert (again.transactions, again.duplicates) == (20, 0)
    assert ids(store) == [f"t{n}" for n in range(70)]


def test_partitions_are_merged_and_each_keeps_its_order(kafka, store):
    topic = kafka.topic(3)
    for number in range(3):
        kafka.send(topic, lines(40, 100 * number), partition=number)
    assert all_of(store, f"kafka://{kafka.address}/{topic}").transactions == 120
    found = [int(identity[1:]) for identity in ids(store)]
    for number in range(3):
        own = [one for one in found if one // 100 == number]
        assert own == sorted(own)


def test_events_of_all_kinds_come_over_several_topics(kafka, store):
    payments, others = kafka.topic(), kafka.topic()
    kafka.send(payments, lines(3))
    at = START_MS
    rows = [
        {"kind": "label", "event_id": "l1", "transaction_id": "t0", "event_time": at, "label": True},
        {"kind": "profile", "event_id": "p1", "event_time": at, "entity_type": "card", "entity_id": "card-1",
         "attributes": {"limit": 5}},
        {"kind": "flag", "event_id": "f1", "event_time": at, "entity_type": "card", "entity_id": "card-1"},
    ]  # fmt: skip
    kafka.send(others, map(json.dumps, rows))
    totals = all_of(store, f"kafka://{kafka.address}/{payments},{others}")
    assert (totals.transactions, totals.events, totals.bad) == (3, 6, 0)


def test_what_is_no_record_goes_to_quarantine_with_partition_and_offset(kafka, store):
    """A tombstone is no record and no fault; its neighbours are decided."""
    topic = kafka.topic(2)
    large = json.dumps(paid(1, attributes={"x": "y" * 50_000_000})).encode()
    poison = [b"no json", b"", b"\xff\xfe", b"\0\0\0\0\x01avro", b"[1]", b'{"transaction_id": 1', large]
    kafka.send(topic, [lines(1)[0], *poison, lines(1, 1)[0], None], partition=1, key=b"k")
    totals = all_of(store, f"kafka://{kafka.address}/{topic}")
    assert (totals.transactions, totals.bad) == (2, len(poison))
    found = {(one.source, one.position): one.reason for one in store.quarantine.records()}
    assert sorted(found) == [(f"{topic}/1", offset) for offset in range(1, 8)]
    assert found[f"{topic}/1", 3] == "invalid_utf8"
    assert found[f"{topic}/1", 7] == "too_large"
    assert all_of(store, f"kafka://{kafka.address}/{topic}").bad == 0


def test_a_card_number_in_a_poison_record_is_not_kept(kafka, store):
    topic = kafka.topic()
    kafka.send(topic, [b"card 4111111111111111 and no json"])
    all_of(store, f"kafka://{kafka.address}/{topic}")
    [kept] = store.quarantine.records()
    assert b"4111111111111111" not in kept.original


def test_a_mapping_may_name_key_headers_and_time_of_a_message(kafka, store):
    topic = kafka.topic()
    kafka.send(topic, [b'{"paid": 5}', b'{"paid":\n 7.5}'], key=b"card-9", headers=[("trace", b"abc")])
    own = parse_mapping(OWN, "own.toml")
    now_ms = SystemClock().now_ms
    totals = all_of(store, f"kafka://{kafka.address}/{topic}", mapping=own, now_ms=now_ms)
    assert (totals.transactions, totals.bad) == (2, 0)
    assert ids(store) == [f"{topic}/0/0", f"{topic}/0/1"]


def test_key_and_headers_are_kept_where_asked(kafka, store):
    topic = kafka.topic()
    kafka.send(topic, lines(1), key=b"\xff", headers=[("trace", b"abc"), ("empty", None)])
    all_of(store, f"kafka://{kafka.address}/{topic}", keep=frozenset({"key", "headers"}))
    [batch] = [codec.decode(item.payload) for item in store.log.read(EVENTS)]
    assert batch.attributes_of(0) == {
        "kafka_key": "ff",
        "kafka_header_trace": "abc",
    }


def test_cloud_events_are_taken_out_of_their_envelope(kafka, store):
    topic = kafka.topic()
    whole = {"specversion": "1.0", "id": "1", "source": "/bank", "type": "payment"}
    structured = [{**whole, "data": paid(1)}, whole, {**whole, "data_base64": "!"}]
    kafka.send(
        topic,
        map(json.dumps, structured),
        headers=[("content-type", b"application/cloudevents+json; charset=utf-8")],
    )
    kafka.send(topic, [json.dumps(paid(2))], headers=[("ce_specversion", b"1.0")])  # in binary mode
    totals = all_of(store, f"kafka://{kafka.address}/{topic}")
    assert (totals.transactions, totals.bad) == (2, 2)


def test_values_whose_schema_is_in_a_registry_are_decided(kafka, store):
    topic = kafka.topic()
    names = ("transaction_id", "event_time", "amount", "currency", "card_id", "merchant_id")
    kinds = {"event_time": "long", "amount": "double"}
    fields = [{"name": name, "type": kinds.get(name, "string")} for name in names]
    schema = {"type": "record", "name": "Payment", "fields": fields}
    changed = schema | {"fields": [field for field in fields if field["name"] != "amount"]}
    kafka.send(topic, [avro(schema, paid(1), 7), avro(schema, paid(2), 8), lines(1)[0]])
    kafka.send(topic, [avro(changed, paid(3), 9), avro(schema, paid(4), 7)])
    with registry({"7": of(schema), "9": of(changed)}) as (known, _):
        totals = all_of(store, f"kafka://{kafka.address}/{topic}", registry=known)
    assert (totals.transactions, totals.bad) == (3, 2)
    assert ids(store) == ["t1", "t0", "t4"]
    reasons = {one.position: one.reason for one in store.quarantine.records()}
    assert reasons == {1: "malformed", 3: "missing_field"}  # a schema that is unknown, and one that changed


def test_new_partitions_are_read_from_their_beginning(kafka, store, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    topic = kafka.topic()
    kafka.send(topic, lines(5), partition=0)
    seen: list[int] = []
    with opened(store, f"kafka://{kafka.address}/{topic}") as source:
        for batch in source.batches(100, is_over=lambda: False):
            if sum(seen) >= 12:
                break
            if not seen and len(batch.events):
                kafka.admin.create_partitions([NewPartitions(topic, 2)])[topic].result(30)
                kafka.send(topic, lines(7, 50), partition=1)
            seen += [len(batch.events)] if len(batch.events) else []
        assert {number for _, number in source.state.partitions} == {0, 1}
        assert source.state.assignments == 2


@pytest.mark.parametrize(
    ("address", "kind", "told"),
    [
        ("kafka://127.0.0.1:1/payments", StoreError, "no Kafka broker answers at 127.0.0.1:1"),
        ("kafka://{broker}/missing", InputError, "there is no topic 'missing'"),
        ("kafka://{broker}/t?no.such.property=1", InputError, "no.such.property"),
        ("kafka://{broker}/t?no_such=1", InputError, "is no option"),
        ("kafka://{broker}", InputError, "names no topic"),
        ("kafka:///t", InputError, "no brokers"),
        ("kafka://{broker}/a%20b", InputError, "names no topic"),
        ("kafka://bank:hunter2@{broker}/t", InputError, "kafka_properties"),
        ("kafka://{broker}/t?sasl.password=hunter2", InputError, "kafka_properties"),
        ("kafka://{broker}/t?on_gap=perhaps", InputError, "one of stop, continue"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_message_without_secrets(
    kafka, store, monkeypatch, address, kind, told
):
    monkeypatch.setattr(module, "SECONDS", 20.0 if "{broker}" in address else 2.0)
    with pytest.raises(kind) as raised:
        all_of(store, address.format(broker=kafka.address))
    assert told in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_user_is_let_in_by_password_and_a_wrong_one_is_never_shown(kafka, store, tmp_path, monkeypatch):
    topic = kafka.topic()
    kafka.send(topic, lines(3))
    file = tmp_path / "client.properties"
    text = (
        "# from a console\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
        "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required "
        'username="bank" password="{}";\n'
    )
    address = f"kafka://127.0.0.1:{kafka.sasl}/{topic}"
    file.write_text(text.format("hunter2"))
    assert all_of(store, address, properties=properties_in(file)).transactions == 3
    monkeypatch.setattr(module, "SECONDS", 10.0)
    file.write_text(text.format("hunter3"))
    with pytest.raises(InputError, match="do not accept this user") as raised:
        all_of(store, address, properties=properties_in(file))
    assert "hunter3" not in str(raised.value)


def test_the_doctor_asks_brokers_for_the_topics_that_are_set(kafka, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ringfence.adapters.kafka.topic_check.SECONDS", 10.0)
    topic = kafka.topic(2)
    sources = [
        f"kafka://{kafka.address}/{topic}",
        f"kafka://{kafka.address}/missing",
        "kafka://127.0.0.1:1/t",
    ]
    monkeypatch.setenv("RINGFENCE_SOURCES", json.dumps(sources))
    monkeypatch.setenv("RINGFENCE_KAFKA_SINK", f"kafka://{kafka.address}/{topic}?flag_matches=none")
    found = list(streams())
    assert [one.state for one in found] == [State.FINE, State.BAD, State.BAD, State.BAD]
    assert f"{topic} with 2 partitions" in found[0].said
    assert "missing" in found[1].said
    assert "no Kafka broker answers" in found[2].said
    assert "no topic none" in found[3].said


def test_the_doctor_reads_the_newest_schemas_and_notes_messages_of_the_time_to_come(
    kafka, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    topic = kafka.topic(2)
    producer = Producer({"bootstrap.servers": kafka.address, "logger": QUIET})
    producer.produce(topic, b"{}", partition=1, timestamp=SystemClock().now_ms() + 3_600_000)
    assert producer.flush(30) == 0
    monkeypatch.setenv("RINGFENCE_SOURCES", json.dumps([f"kafka://{kafka.address}/{topic}"]))
    schemas = {"types": ["AVRO"], "latest": {"id": 9}, "9": {"schemaType": "XML", "schema": ""}}
    with served(schemas) as (url, _):
        monkeypatch.setenv("RINGFENCE_KAFKA_SCHEMA_REGISTRY_URL", url)
        found = list(streams())
    assert [(one.part, one.state) for one in found] == [
        ("source", State.FINE),
        ("schema", State.BAD),
        ("clock", State.NOTE),
    ]
    assert f"values of {topic} are not read" in found[1].said
    assert "ahead of this clock" in found[2].said


def test_a_source_that_cannot_be_opened_is_closed_and_may_be_opened_later(kafka, store):
    """The topic is made after the first attempt."""
    name = f"late-{kafka.topic()}"
    client = KafkaClient(KafkaAddress.of(f"kafka://{kafka.address}/{name}", OPTIONS), {})
    decoding = StreamDecoding(load_mapping("canonical"), Tokenizer(store.meta.token_key), NAMES)
    source = KafkaSource(client, decoding, store.positions, Tick().now_ms, group="tests")
    with pytest.raises(InputError):
        source.open()
    assert not source.is_open
    kafka.admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    kafka.send(name, lines(3))
    source.open()
    assert source.is_open
    assert take(store, source).transactions == 3
    source.close()
    assert not source.is_open
