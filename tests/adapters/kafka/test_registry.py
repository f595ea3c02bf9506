"""Values whose schema is in a registry, read by its id; `fastavro` writes them, HTTP is real."""

import io
import json
import threading
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fastavro
import pytest

from ringfence.adapters.kafka.address import KafkaAddress
from ringfence.adapters.kafka.client import KafkaClient
from ringfence.adapters.kafka.registry import URL, SchemaRegistry
from ringfence.errors import InputError, StoreError
from ringfence.events.bad import Fault

AT_MS = 1_700_000_000_000
PAYMENT = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {"name": "transaction_id", "type": "string"},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "device", "type": ["null", "string"], "default": None},
    ],
}


@contextmanager
def served(schemas, status=200, size=0):
    """A registry with these answers by id; the ids that were asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Authorization")))
            found = schemas.get(self.path.rpartition("/")[2])
            code = status if status != 200 else 200 if found is not None else 404
            codes = {"/schemas": 40403, "/subjects": 40402}
            absent = {"error_code": codes.get(self.path[: self.path.find("/", 1)], 404)}
            said = json.dumps(found or absent).encode() + b" " * size
            self.send_response(code)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@contextmanager
def registry(schemas, login="", **more):
    with served(schemas, **more) as (url, asked):
        made = SchemaRegistry({URL: url, "basic.auth.user.info": login})
        yield made, asked
        made.close()


def avro(schema, record, number):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
    return b"\0" + number.to_bytes(4, "big") + out.getvalue()


def of(schema):
    return {"schema": json.dumps(schema)}


def test_avro_becomes_json_and_each_schema_is_asked_for_once():
    record = {
        "transaction_id": "t1",
        "amount": Decimal("12.50"),
        "event_time": 1_700_000_000_000,
        "device": None,
    }
    with registry({"7": of(PAYMENT)}, login="bank:hunter2") as (found, asked):
        for _ in range(3):
            told = json.loads(found.json_in(avro(PAYMENT, record, 7)))
    assert told == record | {"amount": "12.50", "event_time": "2023-11-14T22:13:20Z"}
    assert asked == [("/schemas/ids/7", "Basic YmFuazpodW50ZXIy")]


def test_avro_may_refer_to_other_schemas():
    merchant = {"type": "record", "name": "bank.Merchant", "fields": [{"name": "id", "type": "string"}]}
    fields = [{"name": "a", "type": "bank.Merchant"}, {"name": "b", "type": ["null", "bank.Merchant"]}]
    schema = {"type": "record", "name": "Two", "fields": fields}
    whole = {**schema, "fields": [{"name": "a", "type": merchant}, fields[1]]}
    record = {"a": {"id": "m1"}, "b": {"id": "m2"}}
    named = [{"name": "bank.Merchant", "subject": "merchant", "version": 3}]
    with registry({"7": of(schema) | {"references": named}, "3": of(merchant)}) as (found, _):
        assert json.loads(found.json_in(avro(whole, record, 7))) == record


def test_json_with_a_schema_is_taken_as_it_is():
    with registry({"3": {"schemaType": "JSON", "schema": "{}"}}) as (found, _):
        assert found.json_in(b"\0\0\0\0\x03" + b'{"a": 1}') == b'{"a": 1}'


def chain(length):
    """Records that each have the next one."""
    schema = "int"
    for n in range(length):
        schema = {"type": "record", "name": f"R{n}", "fields": [{"name": "next", "type": schema}]}
    return schema


MANY = b"\0\0\0\0\x09\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\0"  # 2^62 of them
TREE = {"type": "record", "name": "Node", "fields": [{"name": "n", "type": ["null", "Node"]}]}
EMPTY = {"type": "record", "name": "Empty", "fields": []}
LIST_OF_NOTHING = {"type": "array", "items": EMPTY}
LIST_OF_COINS = {"type": "array", "items": "Empty"}
COINS = [{"name": "Empty", "subject": "coins", "version": 3}]


@pytest.mark.parametrize(
    ("schemas", "value", "said"),
    [
        ({}, b"\0\0\0\0\x09x", "names schema 9, which the registry does not have"),
        ({}, b"\0\0", "ends there"),
        ({"9": {"schemaType": "XML", "schema": "x"}}, b"\0\0\0\0\x09x", "XML is not read"),
        ({"9": of(PAYMENT) | {"references": [{"name": "x"}]}}, b"\0\0\0\0\x09x", "cannot be used"),
        ({"9": of(LIST_OF_COINS) | {"references": COINS}, "3": of(EMPTY)}, MANY, "take no bytes"),
        ({"9": of({"type": "nothing"})}, b"\0\0\0\0\x09x", "cannot be used"),
        ({"9": of(LIST_OF_NOTHING)}, MANY, "take no bytes"),
        ({"9": of({"type": "array", "items": "null"})}, b"\0\0\0\0\x09x", "take no bytes"),
        ({"9": of(PAYMENT)}, b"\0\0\0\0\x09\x02", "does not fit schema 9"),
        ({"9": of(TREE)}, b"\0\0\0\0\x09" + b"\x02" * 5000 + b"\0", "Node refers to itself"),
        ({"9": of(chain(100))}, b"\0\0\0\0\x09x", "nested too deeply"),
        ({"9": of(PAYMENT)}, b"\0\0\0\0\x09\x02t\x80\x02" + bytes(128), "does not fit schema 9"),
        ({"9": of("boolean")}, b"\0\0\0\0\x09\x01\x01", "does not fit schema 9: it has more bytes"),
        ({"9": of({"type": "array", "items": "int"})}, MANY, "does not fit"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_read_is_a_fault_with_its_reason(schemas, value, said):
    with registry(schemas) as (found, _):
        told = found.json_in(value)
    assert isinstance(told, Fault)
    assert said in str(told)


@pytest.mark.parametrize(
    ("more", "kind", "said"),
    [
        ({"status": 401}, InputError, "does not accept this user"),
        ({"status": 503}, StoreError, "with 503"),
        ({"size": 2 << 20}, StoreError, "more than 1 MiB"),
    ],
)
def test_a_registry_that_gives_no_schema_stops_the_source_and_tells_no_secret(more, kind, said):
    with (
        registry({"9": of(PAYMENT)}, login="bank:hunter2", **more) as (found, _),
        pytest.raises(kind) as raised,
    ):
        found.json_in(b"\0\0\0\0\x09x")
    assert said in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_registry_that_is_away_stops_the_source():
    found = SchemaRegistry({URL: "http://127.0.0.1:1"})
    with pytest.raises(StoreError, match=r"does not answer.*check schema\.registry\.url"):
        found.json_in(b"\0\0\0\0\x09x")
    for url in ("http://bank:hunter2@localhost:8081", "http://h:80a81", "localhost:8081"):
        with pytest.raises(InputError, match="is the address of a registry"):
            SchemaRegistry({URL: url})
    with pytest.raises(InputError, match=r"ssl.ca.location is no property"):
        SchemaRegistry({URL: "http://localhost:8081", "schema.registry.ssl.ca.location": "ca.pem"})


def test_only_a_registry_is_believed_that_a_schema_is_absent():
    """A wrong path answers 404 to everything; no payment goes to quarantine for it."""
    with served({}) as (url, _):
        found = SchemaRegistry({URL: f"{url}/no/such/path"})
        with pytest.raises(StoreError, match="look at its address"):
            found.json_in(b"\0\0\0\0\x09x")
        with pytest.raises(StoreError, match="look at its address"):
            found.look()
        found.close()


def test_an_absent_schema_is_asked_for_again_later_and_not_for_each_message(monkeypatch):
    with registry({}) as (found, asked):
        for _ in range(5):
            found.json_in(b"\0\0\0\0\x09x")
        assert len(asked) == 1
        monkeypatch.setattr("ringfence.adapters.kafka.registry._ABSENT_SECONDS", -1.0)
        for _ in range(2):
            found.json_in(b"\0\0\0\0\x0ax")
        assert len(asked) == 3


def test_a_file_of_properties_may_hold_the_registrys_beside_those_of_the_library():
    given = {URL: "http://localhost:8081", "basic.auth.user.info": "bank:hunter2", "security.protocol": "SSL"}
    client = KafkaClient(KafkaAddress.of("kafka://localhost:9092/payments", {}), given)
    assert client.registry == {URL: "http://localhost:8081", "basic.auth.user.info": "bank:hunter2"}
    assert not any("hunter2" in str(value) for value in client.settings().values())
    with pytest.raises(InputError, match="is a secret"):
        KafkaAddress.of("kafka://localhost:9092/payments?basic.auth.user.info=bank:hunter2", {})
