"""Enhanced fan-out: the event stream as AWS frames it, taken apart by boto3, as a source like any other.

Our own emulator pushes: public ones lack SubscribeToShard.
"""

import threading

import pytest
from tests.adapters.kafka.test_kafka_source import ids, take
from tests.adapters.kinesis.emulator import CONSUMER
from tests.adapters.kinesis.test_kinesis_source import values
from tests.spine import Tick, open_store
from tests.waiting import until

from ringfence.adapters.aws import aws_client
from ringfence.adapters.kinesis import source as module
from ringfence.adapters.kinesis.address import KinesisAddress
from ringfence.adapters.kinesis.fan_out import FanOut
from ringfence.adapters.kinesis.records import NAMES
from ringfence.adapters.stream_records import StreamDecoding
from ringfence.errors import InputError, StoreError
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "data") as made:
        yield made


def source_of(store, consumer=CONSUMER):
    client = FanOut(aws_client("kinesis", tries=1), consumer)
    return module.KinesisSource(
        KinesisAddress.of(f"kinesis://payments?consumer={consumer}", module.OPTIONS),
        client,
        StreamDecoding(load_mapping("canonical"), Tokenizer(store.meta.token_key), NAMES),
        store.positions,
        Tick().now_ms,
        leave=client.leave,
    )


def all_of(store, consumer=CONSUMER):
    """One run to the newest record of every shard."""
    source = source_of(store, consumer)
    try:
        source.open()
        return take(store, source)
    finally:
        source.close()


def subscriptions(aws):
    return [asked["StartingPosition"] for what, asked in aws.asked if what == "SubscribeToShard"]


def test_records_that_are_pushed_are_decided_once_over_many_subscriptions_and_runs(aws, store):
    aws.make("payments", shards=2)
    for shard in range(2):
        aws.put("payments", shard, *values(20, 100 * shard))
    assert all_of(store).transactions == 40
    begun = subscriptions(aws)
    assert len(begun) > 6  # none gives more than six records
    assert begun[0] == {"Type": "TRIM_HORIZON"}
    assert "GetRecords" not in {what for what, _ in aws.asked}
    aws.put("payments", 1, *values(5, 500))
    again = all_of(store)
    assert (again.transactions, again.duplicates) == (5, 0)
    assert subscriptions(aws)[len(begun)]["Type"] == "AFTER_SEQUENCE_NUMBER"


def test_children_begin_once_a_subscription_has_told_the_end_of_their_parent(aws, store):
    aws.make("payments")
    aws.put("payments", 0, *values(10))
    for child in aws.split("payments", 0):
        aws.put("payments", child, *values(3, 100 * child))
    assert all_of(store).transactions == 16
    assert [int(one[1:]) for one in ids(store)[:10]] == list(range(10))


@pytest.mark.parametrize("code", ["ResourceInUseException", "LimitExceededException"])
def test_a_subscription_that_is_refused_for_a_while_is_asked_for_again(aws, store, monkeypatch, code):
    monkeypatch.setattr(module, "_THROTTLED_SECONDS", 0.0)
    aws.make("payments")
    aws.put("payments", 0, *values(4))
    aws.failures = {"SubscribeToShard": [code] * 3}
    assert all_of(store).transactions == 4


def test_every_shard_has_its_turn_however_many_there_are(aws, store):
    aws.make("payments", shards=10)
    source = source_of(store)
    source.open()
    rounds = source.batches(100, is_over=lambda: False)
    for _ in range(6):
        next(rounds)
    source.close()
    asked = {asked["ShardId"] for what, asked in aws.asked if what == "SubscribeToShard"}
    assert len(asked) == 10


@pytest.mark.parametrize("code", ["ResourceInUseException", "InternalFailureException"])
def test_a_subscription_that_aws_ends_with_an_exception_is_followed_by_another(aws, store, monkeypatch, code):
    monkeypatch.setattr(module, "_THROTTLED_SECONDS", 0.0)
    aws.make("payments")
    aws.put("payments", 0, *values(10))
    aws.ends = [code] * 2
    assert all_of(store).transactions == 10
    assert aws.ends == []


def pushing():
    """Threads with a subscription."""
    return [one for one in threading.enumerate() if one.name == "ringfence-fan-out"]


def test_a_source_that_is_closed_ends_its_subscriptions(aws, store):
    aws.make("payments", shards=4)
    aws.is_held = True
    source = source_of(store)
    for _ in range(2):
        source.open()
        rounds = source.batches(100, is_over=lambda: False)
        next(rounds)
        assert len(pushing()) >= 4
        source.close()
        until(lambda: not pushing())


def test_a_shard_that_is_left_ends_its_subscription_though_nobody_takes_what_it_has_pushed(aws, store):
    aws.make("payments", shards=2)
    aws.is_held = True
    source = source_of(store)
    source.open()
    next(source.batches(100, is_over=lambda: False))
    aws.trim("payments", 0)
    source._beginning._options = {"on_gap": "continue"}
    source._look()
    until(lambda: len(pushing()) == 1)
    source.close()
    until(lambda: not pushing())


def test_a_right_that_is_missing_is_named(aws, store):
    aws.make("payments")
    aws.failures = {"SubscribeToShard": ["AccessDeniedException"]}
    with pytest.raises(StoreError, match=r"SubscribeToShard fails with AccessDenied.*allow the action"):
        all_of(store)


def test_a_consumer_that_is_not_registered_is_named_with_the_command_that_helps(aws, store):
    aws.make("payments")
    with pytest.raises(InputError, match=r"no consumer 'others': aws kinesis register-stream-consumer"):
        all_of(store, "others")
