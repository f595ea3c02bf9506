"""Looking into topics of a real Kafka: who reads them, and messages by offset, time, key and text."""

import json

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from tests.adapters.kafka.test_registry import avro, of, registry
from tests.kafka import QUIET

from ringfence.adapters.kafka import browser as module
from ringfence.adapters.kafka.address import KafkaAddress
from ringfence.adapters.kafka.browser import KafkaBrowser
from ringfence.adapters.kafka.client import KafkaClient
from ringfence.errors import InputError, StoreError
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.ports.topics import MessageQuery

CARD = "4111111111111111"
TOKENIZER = Tokenizer(bytes(32))


@pytest.fixture(scope="module")
def topic(kafka):
    """Two partitions with 40 messages each, a second apart from one to the next."""
    name = kafka.topic(2, **{"retention.ms": "-1"})
    producer = Producer({"bootstrap.servers": kafka.address, "logger": QUIET})
    for n in range(80):
        value = json.dumps({"n": n, "who": f"person {n}"})
        producer.produce(
            name, value, key=f"k{n % 10}", partition=n % 2, timestamp=1_700_000_000_000 + 1000 * n
        )
    assert producer.flush(30) == 0
    return name


def looking(kafka, *topics, found=None):
    client = KafkaClient(KafkaAddress.of(f"kafka://{kafka.address}/{topics[0]}", {}), {})
    return KafkaBrowser(client, frozenset(topics), TOKENIZER, found)


@pytest.fixture(scope="module")
def look(kafka, topic):
    made = looking(kafka, topic)
    yield made
    made.close()


def numbers(looked):
    return [json.loads(one.value)["n"] for one in looked.messages]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (MessageQuery(), range(55, 80)),
        (MessageQuery(count=3), [77, 78, 79]),
        (MessageQuery(partition=1, count=3), [75, 77, 79]),
        (MessageQuery(partition=1, offset=0, count=3), [1, 3, 5]),
        (MessageQuery(partition=1, offset=39), [79]),
        (MessageQuery(partition=1, offset=40), []),
        (MessageQuery(offset=10, count=2), [20, 22]),
        (MessageQuery(since_ms=1_700_000_010_500, count=4), [11, 12, 13, 14]),
        (MessageQuery(since_ms=1_800_000_000_000), []),
        (MessageQuery(key="k3"), [3, 13, 23, 33, 43, 53, 63, 73]),
        (MessageQuery(key="k3", since_ms=1_700_000_040_000, count=2), [43, 53]),
        (MessageQuery(match="PERSON 4"), [4, *range(40, 50)]),
        (MessageQuery(match="nobody"), []),
    ],
)
def test_messages_are_found_by_offset_time_key_and_text(look, topic, wanted, found):
    looked = look.messages(topic, wanted)
    assert numbers(looked) == list(found)
    assert looked.messages == sorted(looked.messages, key=lambda one: one.time_ms)


def test_what_is_not_there_is_said(look, topic):
    for wanted, said in (
        (MessageQuery(partition=2), "has no partition 2: it has 0 to 1"),
        (MessageQuery(partition=0, offset=41), "go from 0 to 39"),
    ):
        with pytest.raises(InputError, match=said):
            look.messages(topic, wanted)
    with pytest.raises(InputError, match="there is no topic 'none'"):
        look.details("none")


def test_a_search_is_bounded_and_says_so(look, topic, monkeypatch):
    monkeypatch.setattr(module, "_MOST_SCANNED", 20)
    looked = look.messages(topic, MessageQuery(match="person"))
    assert (len(looked.messages), looked.scanned, looked.is_cut) == (20, 20, True)
    monkeypatch.setattr(module, "_CPU_SECONDS", -1.0)
    looked = look.messages(topic, MessageQuery(match="person"))
    assert (looked.scanned, looked.is_cut) == (1, True)
    monkeypatch.setattr(module, "_SCAN_SECONDS", -1.0)
    looked = look.messages(topic, MessageQuery(match="person"))
    assert (looked.messages, looked.is_cut) == ([], True)


def test_a_search_that_follows_goes_on_where_it_was(kafka, look):
    name = kafka.topic()
    kafka.send(name, [f'{{"n": {n}}}' for n in (1, 12, 3)])
    wanted = MessageQuery(match='"n": 1', follow=True, count=2)
    first = look.messages(name, wanted)
    kafka.send(name, ['{"n": 14}', '{"n": 5}'])
    second, third = look.messages(name, wanted), look.messages(name, wanted)
    assert (numbers(first), first.scanned) == ([1, 12], 3)
    assert (numbers(second), second.scanned, second.is_cut) == ([12, 14], 2, False)
    assert (numbers(third), third.scanned) == ([12, 14], 0)


def test_partitions_configuration_groups_and_their_lag_are_told(kafka, look, topic):
    group = Consumer({"bootstrap.servers": kafka.address, "group.id": "their group", "logger": QUIET})
    group.commit(offsets=[TopicPartition(topic, 0, 15), TopicPartition(topic, 1, 30)], asynchronous=False)
    group.close()
    details = look.details(topic)
    assert [(one.number, one.start, one.end, one.in_sync) for one in details.partitions] == [
        (0, 0, 40, [1]),
        (1, 0, 40, [1]),
    ]
    assert ("retention.ms", "-1", False) in details.settings
    cluster = look.cluster()
    assert [one.address for one in cluster.brokers] == [kafka.address]
    [seen] = [one for one in cluster.topics if one.name == topic]
    assert (seen.partitions, seen.replicas, seen.records) == (2, 1, 80)
    [theirs] = [one for one in cluster.groups if one.group == "their group"]
    assert (theirs.topic, theirs.offset, theirs.lag, theirs.state) == (topic, 45, 35, "empty")


def test_values_are_decoded_and_card_numbers_masked(kafka):
    name = kafka.topic()
    schema = {"type": "record", "name": "P", "fields": [{"name": "card", "type": "string"}]}
    kafka.send(
        name,
        [
            avro(schema, {"card": CARD}, 7),
            avro(schema, {"card": CARD}, 8),
            b"\xff\xfe",
            f"no JSON {CARD}",
            None,
        ],
        key=f"card {CARD}",
        headers=[("trace", CARD.encode())],
    )
    with registry({"7": of(schema)}) as (known, _):
        made = looking(kafka, name, found=known)
        shown = made.messages(name, MessageQuery()).messages
        [by_key] = made.messages(name, MessageQuery(key=f"card {CARD}", count=1)).messages
        made.close()
    assert [one.schema for one in shown] == [
        "Avro, schema 7",
        "not read: names schema 8, which the registry does not have",
        "text",
        "text",
        "tombstone",
    ]
    token = TOKENIZER.token(CARD)
    assert json.loads(shown[0].value) == {"card": token}
    assert [one.value for one in shown[2:]] == ["fffe", "no JSON ************1111", ""]
    assert CARD not in str(shown)
    assert shown[0].headers == [("trace", token)]
    assert by_key.key == f"card {token}"


def test_two_who_look_at_once_wait_for_each_other_but_not_for_long(look, topic, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.01)
    with look._asking(), pytest.raises(StoreError, match="try again"):
        look.cluster()
    assert look.messages(topic, MessageQuery(count=1)).messages


def test_brokers_that_are_away_are_one_message(monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 1.0)
    client = KafkaClient(KafkaAddress.of("kafka://127.0.0.1:1/t", {}), {"sasl.password": "hunter2"})
    made = KafkaBrowser(client, frozenset({"t"}), TOKENIZER)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"no Kafka broker answers at 127\.0\.0\.1:1") as raised:
            made.cluster()
        assert "hunter2" not in str(raised.value)
