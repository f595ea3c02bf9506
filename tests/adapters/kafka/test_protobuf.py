"""Values of Protobuf whose schema is in a registry: the library writes them, HTTP is real."""

import base64
import contextlib
import json

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapters.kafka.test_registry import registry

from ringfence.adapters.kafka.protobuf import _known, protobuf_reader
from ringfence.adapters.kafka.schema_values import MisfitError
from ringfence.events.bad import Fault

SERIALIZED = "?format=serialized"
HEAD = b"\0\0\0\0\x07"


def field(message, name, kind, number, type_name="", **more):
    made = message.field.add(name=name, number=number, type=kind, label=Field.LABEL_OPTIONAL)
    if type_name:
        made.type_name = type_name
    for key, value in more.items():
        setattr(made, key, value)


def of_merchant():
    proto = descriptor_pb2.FileDescriptorProto(name="merchant.proto", package="bank", syntax="proto3")
    field(proto.message_type.add(name="Merchant"), "merchant_id", Field.TYPE_STRING, 1)
    return proto


def of_payment():
    """`Other` comes first; `Payment` has the message `Line` and the enumeration `State` inside."""
    proto = descriptor_pb2.FileDescriptorProto(name="p.proto", package="bank", syntax="proto3")
    proto.dependency[:] = [
        "merchant.proto",
        "google/protobuf/timestamp.proto",
        "google/protobuf/wrappers.proto",
        "confluent/type/decimal.proto",
        "confluent/meta.proto",
    ]
    field(proto.message_type.add(name="Other"), "x", Field.TYPE_INT32, 1)
    made = proto.message_type.add(name="Payment")
    field(made.nested_type.add(name="Line"), "sku", Field.TYPE_STRING, 1)
    states = made.enum_type.add(name="State")
    for number, name in enumerate(("UNKNOWN", "ONLINE")):
        states.value.add(name=name, number=number)
    field(made, "transaction_id", Field.TYPE_STRING, 1)
    field(made, "amount", Field.TYPE_MESSAGE, 2, ".confluent.type.Decimal")
    field(made, "event_time", Field.TYPE_MESSAGE, 3, ".google.protobuf.Timestamp")
    field(made, "lines", Field.TYPE_MESSAGE, 4, ".bank.Payment.Line", label=Field.LABEL_REPEATED)
    field(made, "channel", Field.TYPE_ENUM, 5, ".bank.Payment.State")
    field(made, "number", Field.TYPE_INT64, 6)
    field(made, "merchant", Field.TYPE_MESSAGE, 7, ".bank.Merchant")
    field(made, "token", Field.TYPE_BYTES, 8)
    field(made, "limit", Field.TYPE_MESSAGE, 9, ".google.protobuf.DoubleValue")
    field(made, "inner", Field.TYPE_MESSAGE, 10, ".bank.Payment")
    field(made, "states", Field.TYPE_ENUM, 11, ".bank.Payment.State", label=Field.LABEL_REPEATED)
    entry = made.nested_type.add(name="TagsEntry")
    entry.options.map_entry = True
    field(entry, "key", Field.TYPE_STRING, 1)
    field(entry, "value", Field.TYPE_STRING, 2)
    field(made, "tags", Field.TYPE_MESSAGE, 12, ".bank.Payment.TagsEntry", label=Field.LABEL_REPEATED)
    return proto


def text_of(proto):
    return base64.b64encode(proto.SerializeToString()).decode()


def classes():
    pool = descriptor_pool.DescriptorPool()
    names = of_payment().dependency
    for proto in (*(_known(name) for name in names if name != "merchant.proto"), of_merchant(), of_payment()):
        pool.Add(proto)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"bank.{name}"))
        for name in ("Other", "Payment", "Payment.Line")
    }


REFERENCES = [{"name": "merchant.proto", "subject": "bank/merchant", "version": 3}]
SCHEMAS = {
    "7": {"schemaType": "PROTOBUF", "schema": "text", "references": REFERENCES},
    f"7{SERIALIZED}": {"schemaType": "PROTOBUF", "schema": text_of(of_payment()), "references": REFERENCES},
    f"3{SERIALIZED}": {"schemaType": "PROTOBUF", "schema": text_of(of_merchant())},
}


def payment():
    made = classes()["Payment"](transaction_id="t1", channel=1, number=2**53 + 1, token=b"\xff")
    made.amount.value, made.amount.scale = (-1250).to_bytes(2, "big", signed=True), 2
    made.event_time.CopyFrom(type(made.event_time)(seconds=1_700_000_000))
    made.lines.add(sku="a")
    made.merchant.merchant_id = "m1"
    made.limit.value = 2.5
    made.states.extend([0, 1, 9])
    made.tags["k"] = "v"
    return made


def test_a_message_with_nested_and_imported_types_becomes_json_and_each_file_is_asked_for_once():
    value = HEAD + b"\x02\x02" + payment().SerializeToString()  # one index: 1
    with registry(SCHEMAS) as (found, asked):
        told = [json.loads(found.json_in(value)) for _ in range(3)]
    assert told[1:] == told[:-1]
    assert told[0] == {
        "transaction_id": "t1",
        "amount": "-12.50",
        "event_time": "2023-11-14T22:13:20Z",
        "lines": [{"sku": "a"}],
        "channel": "ONLINE",
        "number": 2**53 + 1,
        "merchant": {"merchant_id": "m1"},
        "token": "/w==",
        "limit": 2.5,
        "states": ["UNKNOWN", "ONLINE", 9],
        "tags": {"k": "v"},
    }
    assert [path for path, _ in asked] == [
        "/schemas/ids/7",
        f"/schemas/ids/7{SERIALIZED}",
        f"/subjects/bank%2Fmerchant/versions/3{SERIALIZED}",
    ]


def test_indexes_lead_to_a_message_and_absent_fields_without_presence_have_their_default():
    made = classes()
    with registry(SCHEMAS) as (found, _):
        assert found.json_in(HEAD + b"\0" + made["Other"](x=3).SerializeToString()) == b'{"x":3}'
        assert found.json_in(HEAD + b"\x04\x02\0") == b'{"sku":""}'  # two indexes: 1, 0
        empty = json.loads(found.json_in(HEAD + b"\x02\x02"))
    absent = {"transaction_id": "", "channel": "UNKNOWN", "number": 0, "token": ""}
    assert empty == absent | {"lines": [], "states": [], "tags": {}}


def nested(depth):
    """A payment within a payment, so deep."""
    raw = b""
    for _ in range(depth):
        size, head = len(raw), b""
        while size > 0x7F:
            head += bytes([size & 0x7F | 0x80])
            size >>= 7
        raw = b"\x52" + head + bytes([size]) + raw
    return raw


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"", "no message indexes"),
        (b"\x02", "no message indexes"),
        (b"\x01", "no message indexes"),
        (b"\xff\xff\xff\xff\xff\xff", "no message indexes"),
        (b"\x02\x0a", "lead to no message"),
        (b"\x02\x01", "lead to no message"),
        (b"\x02\x02\x0a\x05abc", "DecodeError"),
        (b"\x02\x02\x0a\x01\xff", "DecodeError"),
        (b"\x02\x02" + nested(5000), "DecodeError"),
        (b"\x02\x02" + b"\x22\0" * 400_000, "more than 4,194,304 characters"),
        (b"\x02\x02\x5a" + b"\x80\x80\x20" + bytes(1 << 19), "more than 4,194,304 characters"),
        (b"\x02\x02\x12\x23\x0a\x21" + b"\x01" * 33, "too many digits"),
        (b"\x02\x02\x12\x06\x18\xff\xff\xff\xff\x07", "too many digits"),
        (b"\x02\x02\x1a\x09\x08" + b"\xff" * 7 + b"\x7f", "does not fit"),
    ],
)  # fmt: skip
def test_hostile_bytes_are_a_fault_with_its_reason(value, said):
    with registry(SCHEMAS) as (found, _):
        told = found.json_in(HEAD + value)
    assert isinstance(told, Fault)
    assert said in str(told)


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_whatever_bytes_come_a_reader_tells_json_or_raises(body):
    with contextlib.suppress(MisfitError, DecodeError):
        assert isinstance(json.loads(_READER(body)), dict)


_READER = protobuf_reader("p", {"p": text_of(of_payment()), "merchant.proto": text_of(of_merchant())})


def importing(name):
    proto = of_merchant()
    proto.dependency.append(name)
    return {"schemaType": "PROTOBUF", "schema": text_of(proto)}


@pytest.mark.parametrize(
    ("schemas", "said"),
    [
        ({f"7{SERIALIZED}": {"schema": 'syntax = "proto3";'}}, "no descriptor"),
        ({f"7{SERIALIZED}": {"schema": "AAAA"}}, "cannot be used"),
        ({f"7{SERIALIZED}": importing("other.proto")}, "imports other.proto"),
        ({f"7{SERIALIZED}": importing("schema-7.proto")}, "imports itself"),
        ({f"7{SERIALIZED}": importing("merchant.proto") | {"references": REFERENCES}}, "does not have"),
    ],
)
def test_a_schema_that_cannot_be_used_is_the_fault_of_its_values(schemas, said):
    with registry({"7": {"schemaType": "PROTOBUF", "schema": "text"}} | schemas) as (found, _):
        told = found.json_in(HEAD + b"\0")
    assert isinstance(told, Fault)
    assert said in str(told)


def test_references_are_bounded():
    """Each version of a subject refers to the next one."""
    schemas = {
        f"{n}{SERIALIZED}": {
            "schema": text_of(of_merchant()),
            "references": [{"name": f"f{n}", "subject": "s", "version": n + 1}],
        }
        for n in range(7, 200)
    }
    with registry(schemas | {"7": {"schemaType": "PROTOBUF", "schema": "text"}}) as (found, asked):
        assert "too many schemas" in str(found.json_in(HEAD + b"\0"))
    assert len(asked) < 30


def test_the_timestamp_of_the_known_files_is_the_librarys_own():
    assert _known("google/protobuf/timestamp.proto").name == timestamp_pb2.DESCRIPTOR.name
