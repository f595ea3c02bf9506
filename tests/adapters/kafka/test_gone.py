"""Records that are gone, topics that are made again or compacted: said, with the choice to go on."""

from collections import deque
from threading import Event, Thread

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewTopic
from tests.adapters.kafka.test_kafka_source import all_of, lines, opened, take
from tests.kafka import QUIET, own_broker
from tests.waiting import until

from ringfence.adapters.kafka import source as module
from ringfence.adapters.kafka.places import PartitionMark
from ringfence.cli import execute
from ringfence.errors import InputError


@pytest.fixture
def mortal():
    """A broker that a test may kill."""
    made = own_broker()
    yield made
    made.kill()


def test_records_that_are_gone_are_named_and_the_user_decides(kafka, store):
    topic = kafka.topic()
    address = f"kafka://{kafka.address}/{topic}"
    kafka.send(topic, lines(10))
    all_of(store, address)
    kafka.send(topic, lines(20, 10))
    part = TopicPartition(topic, 0, 25)
    kafka.admin.delete_records([part])[part].result(30)
    with pytest.raises(InputError, match=r"its 15 records up to offset 25 are gone.*on_gap=continue"):
        all_of(store, address)
    told = []
    assert all_of(store, address + "?on_gap=continue", told=told).transactions == 5
    assert "Going on at offset 25" in told[0]


def test_a_topic_that_was_made_again_is_not_taken_for_the_old_one(kafka, store):
    """It has more records by now than the old one ever had."""
    topic = kafka.topic()
    address = f"kafka://{kafka.address}/{topic}"
    kafka.send(topic, lines(5))
    all_of(store, address)
    kafka.admin.delete_topics([topic])[topic].result(30)
    kafka.admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    kafka.send(topic, lines(10, 100))
    with pytest.raises(InputError, match="deleted and made again"):
        all_of(store, address)
    assert all_of(store, address + "?on_gap=continue").transactions == 10


def made_again(kafka, topic, values):
    """A topic under the name of another one that is deleted first."""
    kafka.admin.delete_topics([topic])[topic].result(30)
    until(lambda: topic not in kafka.admin.list_topics(timeout=30).topics)
    kafka.admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    kafka.send(topic, values)


def test_a_topic_that_is_made_again_while_it_is_read_is_not_read_on_in_silence(kafka, store, monkeypatch):
    """Its offsets go on where the old one ended: what stands before would be passed over."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    topic = kafka.topic()
    address = f"kafka://{kafka.address}/{topic}"
    kafka.send(topic, lines(10))
    with opened(store, address) as source:
        batches = source.batches(100, is_over=lambda: False)
        next(batches)
        made_again(kafka, topic, lines(30, 100))
        with pytest.raises(InputError, match="deleted and made again while it was read"):
            deque(batches, maxlen=0)
    assert all_of(store, address + "?on_gap=continue").transactions == 30


def test_a_topic_that_is_deleted_while_it_is_read_is_told(kafka, store, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    topic = kafka.topic()
    kafka.send(topic, lines(10))
    with opened(store, f"kafka://{kafka.address}/{topic}") as source:
        batches = source.batches(100, is_over=lambda: False)
        next(batches)
        kafka.admin.delete_topics([topic])[topic].result(30)
        with pytest.raises(InputError, match=r"is gone: it was deleted|there is no topic"):
            deque(batches, maxlen=0)


def test_a_compacted_topic_is_read_only_where_the_address_says_so(kafka, store):
    topic = kafka.topic(**{"cleanup.policy": "compact,delete"})
    address, told = f"kafka://{kafka.address}/{topic}", []
    kafka.send(topic, lines(3), key=b"k")
    with pytest.raises(InputError, match=r"is compacted .* on_gap=continue"):
        all_of(store, address)
    assert all_of(store, address + "?on_gap=continue", told=told).transactions == 3
    assert told[0].startswith(f"Warning: topic {topic} is compacted")


def test_a_mark_that_has_no_topic_id_is_of_a_broker_that_told_none():
    assert PartitionMark(3).topic_id == ""


def test_a_topic_that_grows_all_the_time_is_read_to_where_it_ended(kafka, store):
    """A Flink job ticks in each partition, so none of them is ever at its end."""
    topic = kafka.topic(2)
    kafka.send(topic, lines(20))
    is_over, ticks = Event(), Event()
    producer = Producer({"bootstrap.servers": kafka.address, "linger.ms": 0, "logger": QUIET})

    def tick():
        while not is_over.wait(0.001):
            for number in range(2):
                producer.produce(topic, None, partition=number, on_delivery=lambda *_: ticks.set())
            producer.flush(30)

    ticking = Thread(target=tick)
    ticking.start()
    try:
        assert ticks.wait(60)
        assert all_of(store, f"kafka://{kafka.address}/{topic}").transactions == 20
    finally:
        is_over.set()
        ticking.join()


def test_ticks_are_named_and_not_taken_for_rows_that_a_mapping_leaves_out(kafka, tmp_path, capsys):
    topic = kafka.topic()
    kafka.send(topic, [None, *lines(2), None, None])
    assert execute(["run", f"kafka://{kafka.address}/{topic}", "--data", str(tmp_path / "data")]) == 0
    said = capsys.readouterr().out
    assert "3 records without a value" in said
    assert "skipped" not in said


@pytest.mark.slow
def test_a_source_that_ends_while_brokers_are_away_waits_for_no_commit(mortal, store, monkeypatch):
    """It would wait for their answer for a minute."""
    waited = []

    class Watched(Consumer):
        def commit(self, *, asynchronous, **more):
            waited.append(not asynchronous)
            return super().commit(asynchronous=asynchronous, **more)

    monkeypatch.setattr(module, "Consumer", Watched)
    topic = mortal.topic()
    mortal.send(topic, lines(3))
    with opened(store, f"kafka://{mortal.address}/{topic}") as source:
        assert take(store, source).transactions == 3
        mortal.kill()
    assert True not in waited


@pytest.mark.slow
def test_a_source_that_was_cut_off_is_well_again_when_brokers_are_back(mortal, store, monkeypatch):
    """Nothing new comes meanwhile, so no message says it."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    topic = mortal.topic()
    mortal.send(topic, lines(3))
    with opened(store, f"kafka://{mortal.address}/{topic}") as source:
        batches = source.batches(50, is_over=lambda: False)
        until(lambda: next(batches) and source.state.records == 3)
        mortal.kill()
        until(lambda: next(batches) and source.problem)
        mortal.start()
        until(lambda: next(batches) and not source.problem)
