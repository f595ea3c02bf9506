"""A DynamoDB table's own stream as a source: a row that changes is a profile from the next payment on."""

import time
import uuid
from collections import deque
from contextlib import closing
from itertools import islice

import boto3
import pytest
from tests.adapters.aws import emulator
from tests.adapters.kafka.test_kafka_source import take
from tests.adapters.kinesis.test_changes import MAPPING
from tests.spine import open_store

from ringfence.adapters.aws import aws_client
from ringfence.adapters.kinesis import source as module
from ringfence.adapters.kinesis.address import KinesisAddress
from ringfence.adapters.kinesis.records import NAMES
from ringfence.adapters.kinesis.tables import OPTIONS, TableStreams
from ringfence.adapters.stream_records import StreamDecoding
from ringfence.errors import InputError
from ringfence.events import codec
from ringfence.events.mapping import parse_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.ports import EVENTS


@pytest.fixture
def table(monkeypatch):
    """The name of a table of its own, and boto3's client."""
    emulator.environment(monkeypatch)
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.0)
    return f"demographic-{uuid.uuid4().hex}", boto3.client("dynamodb")


def now_ms():
    """The emulator's own clock, which says when a row changed."""
    return time.time_ns() // 1_000_000


def make(client, name, view="NEW_IMAGE"):
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "user_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "user_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": view}
        if view
        else {"StreamEnabled": False},
    )


def put(client, name, user, age):
    client.put_item(TableName=name, Item={"user_id": {"S": user}, "age": {"N": str(age)}})


def make_stream_anew(client, name):
    """The table of this name has a stream with another ARN from now on; its shards are called the same."""
    client.delete_table(TableName=name)
    make(client, name)


def source_of(store, name, options="", client=None):
    decoding = StreamDecoding(
        parse_mapping(MAPPING, "demographic.toml"), Tokenizer(store.meta.token_key), NAMES, changes=True
    )
    client = TableStreams(client or aws_client("dynamodbstreams"))
    address = KinesisAddress.of(f"dynamodb://{name}{options}", OPTIONS)
    return module.KinesisSource(address, client, decoding, store.positions, now_ms)


def read(store, name, options="", client=None):
    """One run over the table's stream, to its end."""
    source = source_of(store, name, options, client)
    try:
        source.open()
        return take(store, source, 1000)
    finally:
        source.close()


def ages(store):
    found = []
    for batch in store.log.read(EVENTS):
        events = codec.decode(batch.payload)
        ids = events.column("entity_id").to_pylist()
        found += [(who, events.attributes_of(row)["age"]) for row, who in enumerate(ids)]
    return found


def test_rows_become_profiles_as_they_change_and_the_next_run_goes_on(table, tmp_path):
    name, client = table
    make(client, name)
    put(client, name, "u1", 41)
    put(client, name, "u2", 17)
    with open_store(tmp_path / "data") as store:
        assert read(store, name).events == 2
        put(client, name, "u1", 42)
        client.delete_item(TableName=name, Key={"user_id": {"S": "u2"}})
        read(store, name)
        assert read(store, name).events == 0
        assert ages(store) == [("u1", 41), ("u2", 17), ("u1", 42)]


def test_a_stream_that_was_made_anew_is_a_hole_that_somebody_has_to_accept(table, tmp_path):
    name, client = table
    make(client, name)
    put(client, name, "u1", 41)
    with open_store(tmp_path / "data") as store:
        read(store, name)
        make_stream_anew(client, name)
        put(client, name, "u2", 17)
        with pytest.raises(InputError, match=r"made again.*on_gap=continue"):
            read(store, name)
        read(store, name, "?on_gap=continue")
        assert ages(store) == [("u1", 41), ("u2", 17)]
        assert read(store, name).events == 0


@pytest.mark.parametrize("option", ["", "?on_gap=continue"])
def test_a_stream_is_made_anew_while_it_is_read(table, tmp_path, monkeypatch, option):
    name, client = table
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    make(client, name)
    put(client, name, "u1", 41)
    found = 0
    with open_store(tmp_path / "data") as store, closing(source_of(store, name, option)) as source:
        source.open()
        batches = source.batches(1000, is_over=lambda: found == 2)
        while not found:
            found += len(next(batches).events)
        make_stream_anew(client, name)
        put(client, name, "u2", 17)
        if not option:
            with pytest.raises(InputError, match="made again"):
                deque(batches, maxlen=0)
            return
        found += sum(len(batch.events) for batch in islice(batches, 100))
        assert found == 2


class EmptyPages:
    """boto3's client, with empty pages before the records of a shard, as AWS has them."""

    def __init__(self, client, pages):
        self.pages = pages
        self._client = client

    def __getattr__(self, name):
        return getattr(self._client, name)

    def get_records(self, *, ShardIterator, Limit):  # noqa: N803 (AWS's words)
        if self.pages:
            self.pages -= 1
            return {"Records": [], "NextShardIterator": ShardIterator}
        return self._client.get_records(ShardIterator=ShardIterator, Limit=Limit)


def test_empty_pages_amid_a_shard_are_not_its_end(table, tmp_path):
    name, client = table
    make(client, name)
    put(client, name, "u1", 41)
    with open_store(tmp_path / "data") as store:
        assert read(store, name, client=EmptyPages(aws_client("dynamodbstreams"), 5)).events == 1


def test_a_table_without_a_stream_of_rows_is_refused_with_the_command_that_helps(table, tmp_path):
    name, client = table
    with open_store(tmp_path / "data") as store:
        with pytest.raises(InputError, match=rf"{name}.* has no stream in .*update-table"):
            read(store, name)
        make(client, name, "KEYS_ONLY")
        with pytest.raises(InputError, match=r"does not carry new images.*update-table"):
            read(store, name)


@pytest.mark.parametrize("option", ["from=end", "format=cloudevents"])
def test_what_such_a_stream_cannot_do_is_no_option(option):
    with pytest.raises(InputError, match="is no option of an address"):
        KinesisAddress.of(f"dynamodb://users?{option}", OPTIONS)
