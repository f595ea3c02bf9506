"""A DynamoDB table's own stream as a source: a row that changes is a profile from the next payment on."""

import time
import uuid

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


def read(store, name):
    """One run over the table's stream, to its end."""
    decoding = StreamDecoding(
        parse_mapping(MAPPING, "demographic.toml"), Tokenizer(store.meta.token_key), NAMES, changes=True
    )
    client = TableStreams(aws_client("dynamodbstreams"))
    address = KinesisAddress.of(f"dynamodb://{name}", OPTIONS)
    source = module.KinesisSource(address, client, decoding, store.positions, now_ms)
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
