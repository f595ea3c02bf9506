"""Values of Protobuf: message indexes, then a message of the schema that they lead to.

A registry gives each schema as a descriptor (`format=serialized`), so that none has to be compiled. Names of
fields stay as the schema has them; 64-bit numbers stay numbers, bytes become base64, enumerations names.

Source: "Wire format" in the documentation of Confluent Schema Registry.
"""

from __future__ import annotations

import base64
import binascii
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import msgspec
from google.protobuf import descriptor_pb2, json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from ringfence.adapters.kafka.schema_values import MisfitError, decimal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.adapters.kafka.schema_values import Reader

_DEEPEST: Final = 32  # message within message, as indexes name them
_INDEX_BYTES: Final = 5
_MOST_CHARACTERS: Final = 4 << 20  # of names and values in what one message becomes
_EACH: Final = 8  # characters that any value counts for
_OF_GOOGLE: Final = {
    f"google/protobuf/{name}.proto": f"google.protobuf.{name}_pb2"
    for name in ("any", "descriptor", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers")
}
_Fields = tuple[tuple[str, int], ...]
_INT32: Final = FieldDescriptor.TYPE_INT32
_OF_OTHERS: Final[Mapping[str, tuple[str, str, _Fields]]] = {
    "confluent/meta.proto": ("confluent", "Meta", (("doc", FieldDescriptor.TYPE_STRING),)),
    "confluent/type/decimal.proto": (
        "confluent.type",
        "Decimal",
        (
            ("value", FieldDescriptor.TYPE_BYTES),
            ("precision", FieldDescriptor.TYPE_UINT32),
            ("scale", _INT32),
        ),
    ),
    "google/type/date.proto": ("google.type", "Date", (("year", _INT32), ("month", _INT32), ("day", _INT32))),
    "google/type/money.proto": (
        "google.type",
        "Money",
        (
            ("currency_code", FieldDescriptor.TYPE_STRING),
            ("units", FieldDescriptor.TYPE_INT64),
            ("nanos", _INT32),
        ),
    ),
}
"""Files that registries take as known: package, message, and its fields in the order of their numbers."""


def protobuf_reader(name: str, files: Mapping[str, str]) -> Reader:
    """Reads values of the file `name` of some, each given as the base64 of its descriptor.

    `ValueError` or the library's own error says what is wrong with them.
    """
    protos = {one: _proto(one, text) for one, text in files.items()}
    pool = DescriptorPool()
    _add(pool, name, protos, [], set())
    own = protos[name]
    classes: dict[tuple[int, ...], Any] = {}

    def read(body: bytes) -> bytes:
        path, begin = _indexes(body)
        if path not in classes:
            classes[path] = message_factory.GetMessageClass(pool.FindMessageTypeByName(_named(own, path)))
        return msgspec.json.encode(_Walk().of(classes[path].FromString(body[begin:])))

    return read


def _proto(name: str, text: str) -> Any:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the registry gives it as no descriptor (format=serialized)") from None
    proto = descriptor_pb2.FileDescriptorProto.FromString(raw)
    proto.name = name
    return proto


def _add(pool: Any, name: str, protos: Mapping[str, Any], within: list[str], done: set[str]) -> None:
    """Put a file into the pool, those that it imports first."""
    if name in done:
        return
    if name in within:
        raise ValueError(f"{name} imports itself")
    proto = protos.get(name) or _known(name)
    for imported in proto.dependency:
        _add(pool, imported, protos, [*within, name], done)
    pool.Add(proto)
    done.add(name)


def _known(name: str) -> Any:
    if name in _OF_GOOGLE:
        found = import_module(_OF_GOOGLE[name]).DESCRIPTOR
        return descriptor_pb2.FileDescriptorProto.FromString(found.serialized_pb)
    if name not in _OF_OTHERS:
        raise ValueError(f"it imports {name}, which the registry does not refer to")
    package, message, fields = _OF_OTHERS[name]
    proto = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    made = proto.message_type.add(name=message)
    for number, (field, kind) in enumerate(fields, 1):
        made.field.add(name=field, number=number, type=kind, label=FieldDescriptor.LABEL_OPTIONAL)
    return proto


def _indexes(body: bytes) -> tuple[tuple[int, ...], int]:
    """Which message of the file it is, by its place among those beside it, and where its bytes begin."""
    count, at = _zigzag(body, 0)
    if count == 0:
        return (0,), at  # the first one, in short
    if not 0 < count <= _DEEPEST:
        raise MisfitError("it begins with no message indexes")
    path = []
    for _ in range(count):
        index, at = _zigzag(body, at)
        path.append(index)
    return tuple(path), at


def _zigzag(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    for number, byte in enumerate(body[at : at + _INDEX_BYTES]):
        value |= (byte & 0x7F) << (7 * number)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + number + 1
    raise MisfitError("it begins with no message indexes")


def _named(proto: Any, path: tuple[int, ...]) -> str:
    names, inside = [proto.package] if proto.package else [], proto.message_type
    for index in path:
        if not 0 <= index < len(inside):
            raise MisfitError("its message indexes lead to no message of the schema")
        names.append(inside[index].name)
        inside = inside[index].nested_type
    return ".".join(names)


class _Walk:
    """One message as plain values; two bytes of it may stand for a message of a thousand fields."""

    def __init__(self) -> None:
        self._left = _MOST_CHARACTERS

    def of(self, message: Any) -> Any:
        """Fields without presence have their default value, as the format means it."""
        special = _SPECIAL.get(message.DESCRIPTOR.full_name)
        if special is not None:
            return special(message)
        return {
            field.name: self._field(field, getattr(message, field.name))
            for field in message.DESCRIPTOR.fields
            if not field.has_presence or message.HasField(field.name)
        }

    def _field(self, field: Any, value: Any) -> Any:
        self._spend(len(field.name))
        if not field.is_repeated:
            return self._one(field, value)
        kind = field.message_type
        if kind is None or not kind.GetOptions().map_entry:
            return [self._one(field, one) for one in value]
        keys, values = kind.fields_by_name["key"], kind.fields_by_name["value"]
        return {str(self._one(keys, key)): self._one(values, value[key]) for key in value}

    def _one(self, field: Any, value: Any) -> Any:
        self._spend(0)
        if field.message_type is not None:
            return self.of(value)
        if field.enum_type is not None:
            known = field.enum_type.values_by_number.get(value)
            if known is None:
                return value
            value = known.name
        if isinstance(value, str | bytes):
            self._spend(len(value))
        return value

    def _spend(self, characters: int) -> None:
        self._left -= characters + _EACH
        if self._left < 0:
            raise MisfitError(f"it becomes more than {_MOST_CHARACTERS:,} characters")


_WRAPPERS: Final = (
    *("DoubleValue", "FloatValue", "Int64Value", "UInt64Value", "Int32Value", "UInt32Value"),
    *("BoolValue", "StringValue", "BytesValue"),
)
_SPECIAL: Final[Mapping[str, Callable[[Any], Any]]] = {
    "google.protobuf.Timestamp": lambda message: message.ToJsonString(),
    "google.protobuf.Duration": lambda message: message.ToJsonString(),
    "confluent.type.Decimal": lambda message: decimal_of(message.value, message.scale),
    **{f"google.protobuf.{name}": lambda message: message.value for name in _WRAPPERS},
    **{f"google.protobuf.{name}": json_format.MessageToDict for name in ("Struct", "Value", "ListValue")},
}
"""Messages of known files that mean one value."""
