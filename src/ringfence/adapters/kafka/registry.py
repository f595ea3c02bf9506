"""Values whose schema is in a registry: a zero byte, the schema's id in four bytes, and what it describes.

Read as Confluent's registry and those that speak as it does describe it: Avro, JSON Schema and Protobuf.
Source: "Wire format" in the documentation of Confluent Schema Registry.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx

from ringfence.adapters.kafka.avro import avro_reader
from ringfence.adapters.kafka.protobuf import protobuf_reader
from ringfence.adapters.kafka.schema_values import MisfitError
from ringfence.errors import InputError, RingfenceError, StoreError
from ringfence.events.bad import Fault, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.adapters.kafka.schema_values import Reader

URL: Final = "schema.registry.url"
LOGINS: Final = ("schema.registry.basic.auth.user.info", "basic.auth.user.info")
PREFIXES: Final = ("schema.registry.", "basic.auth.")
"""Properties of a registry's client, which librdkafka does not know."""

_MAGIC: Final = b"\0"
_HEAD_BYTES: Final = 5
_SECONDS: Final = 5.0
_MOST_SCHEMAS: Final = 1000  # remembered
_SCHEMA_BYTES: Final = 1 << 20
_MOST_REFERENCES: Final = 64
_DEEPEST: Final = 16  # reference within reference
_ABSENT: Final = (
    40401,
    40402,
    40403,
)  # the registry's codes for a subject, version or schema it does not have
_ABSENT_SECONDS: Final = 30.0  # for which that is believed
_AS_DESCRIPTOR: Final = "?format=serialized"
_USED: Final = (
    URL,
    *LOGINS,
    "basic.auth.credentials.source",
    "schema.registry.basic.auth.credentials.source",
)


class SchemaRegistry:
    """Schemas by id, each asked for once. One thread at a time.

    Attributes:
        url: where it is.
        kinds: of each schema that is known, `AVRO`, `JSON` or `PROTOBUF`.
    """

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
        self.kinds: dict[int, str] = {}
        self._http = httpx.Client(
            auth=(user, password) if login else None, timeout=_SECONDS, follow_redirects=False
        )
        self._known: dict[int, Any] = {}  # how it is read, None for JSON, a Fault for what cannot be used
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
        try:
            told: bytes = schema(body)
        except MisfitError as error:
            return Fault(Reason.MALFORMED, "", f"does not fit schema {number}: {error}")
        except Exception as error:  # noqa: BLE001 (whatever bytes a stranger sends)
            return Fault(Reason.MALFORMED, "", f"does not fit schema {number}: {type(error).__name__}")
        return told

    def look(self) -> None:
        """Whether it answers; `StoreError` or `InputError` where it does not, or lets nobody in."""
        if self._asked("/schemas/types") is None:
            raise StoreError(f"what answers at {self.url} is no schema registry")

    def problem_of(self, topic: str) -> str:
        """Why values with a topic's newest schema could not be read; empty where they can, or it has none.

        Errors as of `look`.
        """
        found = self._asked(f"/subjects/{quote(topic, safe='')}-value/versions/latest")
        told = None if found is None else self._schema(int(found["id"]))
        return told.problem if isinstance(told, Fault) else ""

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
                oldest = next(iter(kept))
                kept.pop(oldest)
                self.kinds.pop(oldest, None)
            if answer is None:
                self._absent[number] = time.monotonic() + _ABSENT_SECONDS
                return absent
            self._known[number] = self._read(number, answer)
        return self._known[number]

    def _read(self, number: int, answer: dict[str, Any]) -> Reader | Fault | None:
        """How values of a schema are read; None for JSON; the fault of whatever has this schema."""
        kind = self.kinds[number] = str(answer.get("schemaType", "AVRO"))
        if kind == "JSON":
            return None
        try:
            if kind == "AVRO":
                return avro_reader([*self._referred(answer, "").values(), answer["schema"]])
            if kind == "PROTOBUF":
                whole = self._asked(f"/schemas/ids/{number}{_AS_DESCRIPTOR}") or {}
                own = f"schema-{number}.proto"
                return protobuf_reader(own, self._referred(whole, _AS_DESCRIPTOR) | {own: whole["schema"]})
            said = f"{kind} is not read"
        except RingfenceError:
            raise  # the registry does not answer
        except Exception as error:  # noqa: BLE001 (whatever somebody put into the registry)
            said = str(error)
        return Fault(Reason.MALFORMED, "", f"names schema {number}, which cannot be used: {said}"[:200])

    def _referred(self, answer: dict[str, Any], form: str) -> dict[str, str]:
        """Name and text of the schemas that one refers to, each behind those that it refers to itself."""
        found: dict[str, str] = {}
        self._gather(answer, form, found, 0)
        return found

    def _gather(self, answer: dict[str, Any], form: str, found: dict[str, str], depth: int) -> None:
        for reference in answer.get("references") or ():
            name, subject, version = reference["name"], reference["subject"], int(reference["version"])
            if name in found:
                continue
            if depth >= _DEEPEST or len(found) >= _MOST_REFERENCES:
                raise ValueError("it refers to too many schemas")
            told = self._asked(f"/subjects/{quote(subject, safe='')}/versions/{version}{form}")
            if told is None:
                raise ValueError(
                    f"it refers to version {version} of {subject}, which the registry does not have"
                )
            self._gather(told, form, found, depth + 1)
            found[name] = told["schema"]

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
            raise StoreError(
                f"the registry at {self.url} does not answer ({error}): check schema.registry.url, and that "
                "it runs. Records are read once it answers"
            ) from None
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
        if isinstance(found, dict) and found.get("error_code") in _ABSENT:
            return None
        raise StoreError(
            f"the registry at {self.url} answers {path} with {answer.status_code}: look at its address, with "
            "the path that its documentation names"
        )


def begins_with_id(raw: bytes) -> bool:
    """Whether a value says that its schema is in a registry."""
    return raw[:1] == _MAGIC
