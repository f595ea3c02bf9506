"""Values whose schema is in a registry: a zero byte, the schema's id in four bytes, and what it describes.

Read as Confluent's registry and those that speak as it does describe it: Avro and JSON Schema, not Protobuf.
Source: "Wire format" in the documentation of Confluent Schema Registry.
"""

from __future__ import annotations

import io
import json
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import fastavro
import httpx
import msgspec
from fastavro.read import LOGICAL_READERS

from ringfence.errors import InputError, StoreError
from ringfence.events.bad import Fault, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

URL: Final = "schema.registry.url"
LOGINS: Final = ("schema.registry.basic.auth.user.info", "basic.auth.user.info")
PREFIXES: Final = ("schema.registry.", "basic.auth.")
"""Properties of a registry's client, which librdkafka does not know."""

_MAGIC: Final = b"\0"
_HEAD_BYTES: Final = 5
_SECONDS: Final = 5.0
_MOST_SCHEMAS: Final = 1000  # remembered
_SCHEMA_BYTES: Final = 1 << 20
_DEEPEST: Final = 64
_ABSENT: Final = 40403  # the registry's code for a schema that it does not have
_ABSENT_SECONDS: Final = 30.0  # for which that is believed
_DECIMAL: Final = "bounded-decimal"
_DECIMAL_BYTES: Final = 32
_USED: Final = (
    URL,
    *LOGINS,
    "basic.auth.credentials.source",
    "schema.registry.basic.auth.credentials.source",
)


class Registry:
    """Schemas by id, each asked for once. One thread at a time."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """`settings` hold the registry's address under `URL`, and user and password where it wants them."""
        unused = sorted(set(settings) - set(_USED))
        if unused:
            raise InputError(f"{unused[0]} is no property of a registry that is used: {', '.join(_USED)}")
        url = str(settings[URL]).rstrip("/")
        try:
            is_address = httpx.URL(url).scheme in ("http", "https") and bool(httpx.URL(url).host)
        except httpx.InvalidURL:
            is_address = False
        if not is_address or "@" in url:
            raise InputError(
                f"{URL} is the address of a registry, such as http://localhost:8081; user and password go "
                f"into {LOGINS[1]} in the file of kafka_properties"
            )
        login = next((str(settings[name]) for name in LOGINS if settings.get(name)), "")
        user, _, password = login.partition(":")
        self.url = url
        self._http = httpx.Client(
            auth=(user, password) if login else None, timeout=_SECONDS, follow_redirects=False
        )
        self._known: dict[int, Any] = {}  # parsed Avro, None for JSON, a Fault for what cannot be used
        self._absent: dict[int, float] = {}  # schemas that were not there, and until when that is believed

    def json_in(self, raw: bytes) -> bytes | Fault:
        """The value as JSON, or what is wrong with it; `StoreError` where the registry does not answer."""
        if len(raw) < _HEAD_BYTES:
            return Fault(Reason.MALFORMED, "", "begins as a value with the id of its schema, and ends there")
        number, body = int.from_bytes(raw[1:_HEAD_BYTES], "big"), raw[_HEAD_BYTES:]
        schema = self._schema(number)
        if schema is None:
            return body
        if isinstance(schema, Fault):
            return schema
        source = io.BytesIO(body)
        try:
            record = fastavro.schemaless_reader(source, schema, None)
            if source.read(1):
                return Fault(Reason.MALFORMED, "", f"has more bytes than schema {number} describes")
            return msgspec.json.encode(record)
        except Exception as error:  # noqa: BLE001 (whatever bytes a stranger sends)
            return Fault(Reason.MALFORMED, "", f"does not fit schema {number}: {type(error).__name__}")

    def look(self) -> None:
        """Whether it answers; `StoreError` or `InputError` where it does not, or lets nobody in."""
        if self._asked("/schemas/types") is None:
            raise StoreError(f"what answers at {self.url} is no schema registry")

    def close(self) -> None:
        """Leave it."""
        self._http.close()

    def _schema(self, number: int) -> Any:
        if number not in self._known:
            absent = Fault(Reason.MALFORMED, "", f"names schema {number}, which the registry does not have")
            if self._absent.get(number, 0.0) > time.monotonic():
                return absent
            answer = self._asked(f"/schemas/ids/{number}")
            kept: dict[int, Any] = self._absent if answer is None else self._known
            if len(kept) >= _MOST_SCHEMAS:
                kept.pop(next(iter(kept)))
            if answer is None:
                self._absent[number] = time.monotonic() + _ABSENT_SECONDS
                return absent
            self._known[number] = self._read(number, answer)
        return self._known[number]

    def _read(self, number: int, answer: dict[str, Any]) -> Any:
        """Parsed Avro; None for JSON; the fault of whatever has this schema."""
        kind = answer.get("schemaType", "AVRO")
        if kind == "JSON":
            return None
        if kind != "AVRO" or answer.get("references"):
            said = f"{kind} is not read" if kind != "AVRO" else "it refers to other schemas"
            return Fault(Reason.MALFORMED, "", f"names schema {number}, which cannot be used: {said}")
        try:
            schema = fastavro.parse_schema(_bounded(json.loads(answer["schema"])))
            _Check(schema)
        except Exception as error:  # noqa: BLE001 (whatever somebody put into the registry)
            return Fault(Reason.MALFORMED, "", f"names schema {number}, which cannot be used: {error}"[:200])
        return schema

    def _asked(self, path: str) -> dict[str, Any] | None:
        """An answer; None where there is no such thing."""
        try:
            with self._http.stream("GET", self.url + path) as answer:
                body = b""
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > _SCHEMA_BYTES:
                        raise StoreError(f"the registry at {self.url} answers with more than 1 MiB")
        except httpx.HTTPError as error:
            raise StoreError(f"the registry at {self.url} does not answer ({error})") from None
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise InputError(
                f"the registry at {self.url} does not accept this user: check {LOGINS[1]} in the file of "
                "kafka_properties"
            )
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        if answer.status_code == httpx.codes.OK and isinstance(found, dict | list):
            return found if isinstance(found, dict) else {}
        if isinstance(found, dict) and found.get("error_code") == _ABSENT:
            return None
        raise StoreError(
            f"the registry at {self.url} answers {path} with {answer.status_code}: look at its address, with "
            "the path that its documentation names"
        )


def begins_with_id(raw: bytes) -> bool:
    """Whether a value says that its schema is in a registry."""
    return raw[:1] == _MAGIC


class _Check:
    """Refuses, as `ValueError`, what a few bytes of a stranger could make large, or deep.

    A list of values that take no bytes could be announced with any length; a definition within itself is read
    as deep as its bytes want.
    """

    def __init__(self, schema: Any) -> None:
        self._named: dict[str, Any] = {}
        self._takes: dict[str, bool] = {}
        self._collect(schema, 0)
        self._takes_bytes(schema, ())

    def _collect(self, schema: Any, depth: int) -> None:
        if depth > _DEEPEST:
            raise ValueError("it is nested too deeply")
        if isinstance(schema, dict):
            if "name" in schema and "type" in schema:
                self._named.setdefault(schema["name"], schema)
            schema = list(schema.values())
        if isinstance(schema, list):
            for one in schema:
                self._collect(one, depth + 1)

    def _takes_bytes(self, schema: Any, within: tuple[str, ...]) -> bool:
        """Whether every value of a schema takes at least a byte; a union's begin with a number."""
        if len(within) > _DEEPEST:
            raise ValueError("it is nested too deeply")
        if isinstance(schema, str):
            known = self._named.get(schema)
            return schema != "null" if known is None else self._takes_bytes(known, within)
        if isinstance(schema, list):
            for one in schema:
                self._takes_bytes(one, within)
            return True
        name = schema.get("name", "")
        if name in within:
            raise ValueError(f"{name} refers to itself")
        if name not in self._takes:
            takes = self._of(schema, (*within, name or "-"))
            if not name:
                return takes
            self._takes[name] = takes
        return self._takes[name]

    def _of(self, schema: dict[str, Any], within: tuple[str, ...]) -> bool:
        """The same of a definition, which `within` names at its end."""
        kind = schema["type"]
        if kind == "array":
            if not self._takes_bytes(schema["items"], within):
                raise ValueError("it has a list of values that take no bytes")
            return True
        if kind == "map":
            self._takes_bytes(schema["values"], within)
            return True
        if kind == "record":
            return sum(self._takes_bytes(one["type"], within) for one in schema["fields"]) > 0
        return bool(schema.get("size")) if kind == "fixed" else self._takes_bytes(kind, within)


def _bounded(schema: Any) -> Any:
    """A schema whose decimals are read by `_decimal`."""
    if isinstance(schema, list):
        return [_bounded(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {name: _bounded(one) for name, one in schema.items()}
    if changed.get("logicalType") == "decimal":
        changed["logicalType"] = _DECIMAL
    return changed


def _decimal(data: Any, schema: Any = None, _reader: Any = None) -> Decimal:
    """A decimal of Avro, of at most 76 digits: beyond them reading takes the square of the bytes."""
    if len(data) > _DECIMAL_BYTES:
        raise ValueError("a decimal of too many bytes")
    return Decimal(int.from_bytes(data, "big", signed=True)).scaleb(-int((schema or {}).get("scale", 0)))


LOGICAL_READERS[f"bytes-{_DECIMAL}"] = LOGICAL_READERS[f"fixed-{_DECIMAL}"] = _decimal
