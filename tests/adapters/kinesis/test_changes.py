"""Changes of a DynamoDB table, as its stream to Kinesis has them, become profiles."""

import json

import pytest
from tests.adapters.kinesis.test_kinesis_source import all_of, no_pause, store  # noqa: F401 (fixtures)

from ringfence.adapters.kinesis.changes import row_in
from ringfence.events import codec
from ringfence.events.bad import Fault, Reason
from ringfence.events.mapping import parse_mapping
from ringfence.ports import EVENTS

MAPPING = """
[[records]]
kind = "profile"
[records.fields]
event_time = "dynamodb_time"
customer_id = "user_id"
entity_type = { constant = "customer" }
entity_id = { field = "customer_id" }
[records.attributes]
age = "age"
"""


def change(image, name="MODIFY", at=1_699_999_000_123, **more):
    row = {"ApproximateCreationDateTime": at, "Keys": {}, "SizeBytes": 1, **more}
    row |= {} if image is None else {"NewImage": image}
    told = {
        "eventName": name,
        "tableName": "user_demographic",
        "dynamodb": row,
        "eventSource": "aws:dynamodb",
    }
    return json.dumps(told).encode()


def user(age):
    return {"user_id": {"S": "u1"}, "age": {"N": str(age)}}


def test_a_changed_row_is_a_profile_and_a_removed_one_is_none(aws, store):  # noqa: F811 (a fixture)
    aws.make("demographic")
    aws.put("demographic", 0, change(user(41), "INSERT"), change(user(42), at=1_699_999_001_000))
    aws.put("demographic", 0, change(None, "REMOVE"), b'{"transaction_id": "t1"}', change(None))
    mapping = parse_mapping(MAPPING, "demographic.toml")
    totals = all_of(store, "kinesis://demographic?format=dynamodb", mapping=mapping, changes=True)
    assert (totals.events, totals.bad) == (2, 2)
    (table,) = [codec.decode(one.payload).table for one in store.log.read(EVENTS)]
    told = table.select(["entity_type", "entity_id", "event_time_ms"]).to_pylist()
    assert told == [
        {"entity_type": "customer", "entity_id": "u1", "event_time_ms": at}
        for at in (1_699_999_000_123, 1_699_999_001_000)
    ]
    assert all_of(store, "kinesis://demographic", mapping=mapping, changes=True).events == 0


@pytest.mark.parametrize(
    ("more", "time"),
    [
        ({"at": 1_769_853_600}, "2026-01-31T10:00:00.000Z"),
        (
            {"at": 1_769_853_600_123_456, "ApproximateCreationDateTimePrecision": "MICROSECOND"},
            "2026-01-31T10:00:00.123Z",
        ),
    ],
)
def test_a_time_is_read_in_the_precision_that_it_has(more, time):
    assert json.loads(row_in(change(user(1), **more)))["dynamodb_time"] == time


def test_values_lose_their_types_and_numbers_keep_their_digits():
    image = {
        "a": {"N": "12345678901234567890.10"},
        "b": {"BOOL": True},
        "c": {"NULL": True},
        "d": {"L": [{"S": "x"}, {"N": "2"}]},
        "e": {"M": {"f": {"SS": ["y"]}}},
    }
    found = row_in(change(image))
    assert b'"a":12345678901234567890.10' in found
    row = json.loads(found)
    assert (row["b"], row["c"], row["d"], row["e"]) == (True, None, ["x", 2], {"f": ["y"]})
    assert row["dynamodb_change"] == "MODIFY"


@pytest.mark.parametrize(
    "image",
    [{"a": {"N": "NaN"}}, {"a": {"N": 1}}, {"a": {}}, {"a": {"S": "x", "N": "1"}}, {"a": {"X": 1}}, {"a": 1}],
)
def test_what_dynamodb_would_not_write_is_a_fault(image):
    assert isinstance(row_in(change(image)), Fault)


def test_neither_depth_nor_a_time_out_of_range_ends_the_reader():
    deep = {"S": "x"}
    for _ in range(60):
        deep = {"L": [deep]}
    for raw in (change({"a": deep}), change(user(1), at=10**18), b"[" * 100_000, b"\xff", b""):
        assert isinstance(row_in(raw), Fault)


@pytest.mark.parametrize(
    "twice",
    [
        change(user(1)).replace(b'"eventName"', b'"eventName": "REMOVE", "eventName"'),
        change(user(1)).replace(b'"NewImage"', b'"NewImage": {"user_id": {"S": "u2"}}, "NewImage"'),
        change(user(1)).replace(b'"age"', b'"age": {"N": "17"}, "age"'),
    ],
)
def test_a_change_in_which_a_key_stands_twice_is_refused(twice):
    found = row_in(twice)
    assert isinstance(found, Fault)
    assert found.reason is Reason.REPEATED_FIELD
