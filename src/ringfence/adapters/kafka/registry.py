"""Values whose schema is in a registry: a zero byte, the schema's id in four bytes, and what it describes.

Read as Confluent's registry and those that speak as it does describe it: Avro and JSON Schema, not Protobuf.
Source: "Wire format" in the documentation of Confluent Schema Registry.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import fastavro
import httpx
import msgspec

from ringfence.errors import InputError, StoreError
from ringfence.events.bad import Fault, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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


class Registry:
    """Schemas by id, each asked for once. One thread at a time."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """`settings` hold the registry's address under `URL`, and user and password where it wants them."""
        url = str(settings[URL]).rstrip("/")
        if urlsplit(url).scheme not in ("http", "https") or "@" in url:
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
        self._known: dict[int, Any] = {}  # parsed Avro, None for JSON, a Fault for what cannot be read

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
        self._asked("/subjects")

    def close(self) -> None:
        """Leave it."""
        self._http.close()

    def _schema(self, number: int) -> Any:
        if number not in self._known:
            if len(self._known) >= _MOST_SCHEMAS:
                self._known.pop(next(iter(self._known)))
            self._known[number] = self._read(number)
        return self._known[number]

    def _read(self, number: int) -> Any:
        """Parsed Avro; None for JSON; the fault of whatever has this schema."""
        answer = self._asked(f"/schemas/ids/{number}")
        if answer is None:
            return Fault(Reason.MALFORMED, "", f"names schema {number}, which the registry does not have")
        kind = answer.get("schemaType", "AVRO")
        if kind == "JSON":
            return None
        if kind != "AVRO" or answer.get("references"):
            said = f"{kind} is not read" if kind != "AVRO" else "it refers to other schemas"
            return Fault(Reason.MALFORMED, "", f"names schema {number}, which cannot be used: {said}")
        try:
            schema = fastavro.parse_schema(json.loads(answer["schema"]))
            _refuse_lists_of_nothing(schema)
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
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise InputError(
                f"the registry at {self.url} does not accept this user: check {LOGINS[1]} in the file of "
                "kafka_properties"
            )
        if answer.status_code != httpx.codes.OK:
            raise StoreError(f"the registry at {self.url} answers with {answer.status_code}")
        try:
            found = json.loads(body)
        except ValueError:
            raise StoreError(f"what answers at {self.url} is no schema registry") from None
        return found if isinstance(found, dict) else {}


def begins_with_id(raw: bytes) -> bool:
    """Whether a value says that its schema is in a registry."""
    return raw[:1] == _MAGIC


def _refuse_lists_of_nothing(schema: Any) -> None:
    """`ValueError` for a list of values that take no bytes: a few bytes could announce any number of them."""
    parts = list(_parts(schema, 0))
    named = {part["name"]: part for part in parts if "name" in part}
    for part in parts:
        if part.get("type") == "array" and not _takes_bytes(part["items"], named, frozenset()):
            raise ValueError("it has a list of values that take no bytes")


def _parts(schema: Any, depth: int) -> Iterator[dict[str, Any]]:
    """All definitions within a schema."""
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(schema, dict):
        yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for one in schema:
            yield from _parts(one, depth + 1)


def _takes_bytes(schema: Any, named: Mapping[str, Any], within: frozenset[str]) -> bool:
    """Whether every value of a schema takes at least a byte; a union's do, as they begin with a number."""
    if isinstance(schema, str):
        if schema not in named:
            return schema != "null"
        return schema in within or _takes_bytes(named[schema], named, within)
    if isinstance(schema, list):
        return True
    kind = schema.get("type")
    if kind == "record":
        inside = within | {schema["name"]}
        return any(_takes_bytes(one["type"], named, inside) for one in schema["fields"])
    if kind == "fixed":
        return bool(schema.get("size"))
    return _takes_bytes(kind, named, within) if isinstance(kind, dict) else kind != "null"
