"""Values of Avro: what a schema of a registry makes of their bytes, bounded against strangers."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Final

import fastavro
import msgspec
from fastavro.read import LOGICAL_READERS

from ringfence.adapters.kafka.schema_values import MisfitError, decimal_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from ringfence.adapters.kafka.schema_values import Reader

_DEEPEST: Final = 64
_DECIMAL: Final = "bounded-decimal"


def avro_reader(texts: Sequence[str]) -> Reader:
    """Reads values of the last of some schemas, each given as text behind those that it refers to.

    Raises whatever is wrong with a schema; `ValueError` where a few bytes could make a value large.
    """
    named: dict[str, Any] = {}
    schema: Any = None
    for text in texts:
        schema = fastavro.parse_schema(_bounded(json.loads(text)), named)
    _Check([*named.values(), schema])

    def read(body: bytes) -> bytes:
        source = io.BytesIO(body)
        record = fastavro.schemaless_reader(source, schema, None)
        if source.read(1):
            raise MisfitError("it has more bytes than the schema describes")
        return msgspec.json.encode(record)

    return read


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
    return decimal_of(data, int((schema or {}).get("scale", 0)))


LOGICAL_READERS[f"bytes-{_DECIMAL}"] = LOGICAL_READERS[f"fixed-{_DECIMAL}"] = _decimal
