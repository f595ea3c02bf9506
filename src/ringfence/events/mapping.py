"""A mapping says how a source's columns become the fields of events: a TOML file, shipped or the user's own.

name = "till"
[[records]]
kind = "transaction"
[records.fields]
transaction_id = "receipt"
event_time = { column = "when", format = "%d.%m.%Y %H:%M", zone = "Europe/Zurich" }
amount = { column = "rappen", unit = "minor" }
currency = { constant = "CHF" }
"""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from ringfence.errors import InputError
from ringfence.events.model import ATTRIBUTE_PREFIX, EVENT_SCHEMA, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

SHIPPED: Final = ("canonical", "handbook", "sparkov", "flagged-accounts", "micro-macro")
KINDS: Final = {kind.name.lower(): kind for kind in Kind if kind is not Kind.ACTIVATION}
_MADE: Final = frozenset({"kind", "ingest_time_ms", "amount_minor", "card_last4"})
_TIMES: Final = {
    "event_time": "event_time_ms",
    "effective_at": "effective_at_ms",
    "expires_at": "expires_at_ms",
}
FIELDS: Final = (
    *(name for name in EVENT_SCHEMA.names if name not in _MADE and name not in _TIMES.values()),
    *_TIMES,
    "amount",
    "card_number",
)
"""Field names that a mapping may fill."""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one field's values come from, and what has to be done to them."""

    column: str | None = None
    constant: str | float | bool | None = None
    field: str | None = None  # the value of another field of this record
    row_number: bool = False  # the running number of the row, where the column is missing
    optional: bool = False  # a source without the column is fine
    prefix: str = ""
    strip_prefix: str = ""
    pad: int = 0  # zeros to the left up to this many characters
    card: bool = False  # the column holds card numbers, and the field is told from their tokens
    unit: Literal["major", "minor"] = "major"
    scale: Literal[1, 10, 100, 1000, 10_000, 100_000, 1_000_000] = 1  # amounts in thousands, say
    decimal: Literal[".", ","] = "."  # of amounts as text; with a comma, points part the thousands
    format: str = "iso"  # iso, epoch_ms, epoch_s, epoch_h, epoch_d or a strptime pattern
    zone: str = "UTC"  # of times that name none
    offset_s: int = 0  # added to a time
    type: Literal["text", "number", "boolean"] | None = None  # of an attribute; as in the source unless said


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column that says which transactions were fraud, and how long after the payment that became known.

    Only the reports of fraud become events, as in life: a payment of which nothing was heard after the delay
    was good. `fraud` names the values that mean fraud where they are no truth values, such as "chargeback".
    """

    column: str
    delay: str = "7d"
    fraud: list[str] = []


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of event that the rows of a source become."""

    kind: Literal["transaction", "label", "profile", "list_entry", "flag"] = "transaction"
    when: list[str] = []  # applies to sources that have all these columns
    unless: list[str] = []  # and none of these
    only: dict[str, str] = {}  # of such sources, to rows with these values
    fields: dict[str, Source | str] = {}
    attributes: Literal["*", "attributes.*"] | list[str] | dict[str, Source | str] = []
    label: Label | None = None

    def fits(self, names: Collection[str]) -> bool:
        """Whether a source with these columns has such records."""
        return all(name in names for name in self.when) and not any(name in names for name in self.unless)

    def sources(self) -> dict[str, Source]:
        """Each field's source; a bare text is a column's name."""
        return {name: _source(item) for name, item in self.fields.items()}

    def attribute_sources(self, names: Iterable[str]) -> dict[str, Source]:
        """Each attribute's source, given the columns of the source."""
        if isinstance(self.attributes, dict):
            return {name: _source(item) for name, item in self.attributes.items()}
        if isinstance(self.attributes, list):
            return {name: Source(column=name) for name in self.attributes}
        if self.attributes == "attributes.*":
            return {name: Source(column=name) for name in names if name.startswith(ATTRIBUTE_PREFIX)}
        used = {source.column for source in self.sources().values()} | (
            {self.label.column} if self.label else set()
        )
        return {name: Source(column=name) for name in names if name not in used}


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named rules that turn the rows of a source into events."""

    name: str
    records: list[Record]
    title: str = ""
    about: str = ""

    @property
    def card_columns(self) -> frozenset[str]:
        """Columns that hold card numbers: their values never leave except as tokens."""
        return frozenset(
            source.column
            for record in self.records
            for name, source in record.sources().items()
            if source.column and (source.card or name == "card_number")
        )


class Description(msgspec.Struct, frozen=True):
    """What `ringfence sources` says of a mapping."""

    name: str
    title: str
    about: str
    kinds: tuple[str, ...]
    columns: tuple[str, ...]


def load_mapping(name_or_path: str) -> Mapping:
    """A shipped mapping by name, or the one in a `.toml` file.

    >>> load_mapping("handbook").records[0].kind
    'transaction'
    """
    if name_or_path in SHIPPED:
        return _shipped(name_or_path)
    path = Path(name_or_path)
    if path.suffix != ".toml":
        near = nearest(name_or_path, SHIPPED)
        raise InputError(
            f"no mapping {name_or_path!r}{near}: use one of {', '.join(SHIPPED)}, or a file ending in .toml"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"mapping file {path} cannot be read ({error}): check the path") from error
    return parse_mapping(text, str(path))


def parse_mapping(text: str, where: str) -> Mapping:
    """The mapping that a TOML text describes; `InputError` names what is wrong with it."""
    try:
        data = tomllib.loads(text)
        mapping = msgspec.convert({"name": Path(where).stem, **data}, Mapping)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InputError(f"mapping {where}: {error}") from error
    for record in mapping.records:
        _check(record, where)
    if not mapping.records:
        raise InputError(f"mapping {where} has no records: add a [[records]] table")
    return mapping


def describe_mappings() -> list[Description]:
    """The shipped mappings, for people."""
    return [_describe(_shipped(name)) for name in SHIPPED]


def nearest(name: str, known: Iterable[str]) -> str:
    """Words that suggest the nearest known name, empty when none is near.

    >>> nearest("amout", ["amount", "currency"])
    ' (did you mean amount?)'
    """
    lowered = {item.lower(): item for item in known}
    close = difflib.get_close_matches(name.lower(), lowered, 1, 0.6)
    return f" (did you mean {lowered[close[0]]}?)" if close else ""


@cache
def _shipped(name: str) -> Mapping:
    text = resources.files("ringfence.events").joinpath("mappings", f"{name}.toml").read_text("utf-8")
    return parse_mapping(text, name)


def _source(item: Source | str) -> Source:
    return Source(column=item) if isinstance(item, str) else item


def _check(record: Record, where: str) -> None:
    sources = record.sources()
    for name, source in sources.items():
        if name not in FIELDS:
            raise InputError(
                f"mapping {where}: no field {name!r}{nearest(name, FIELDS)}; free fields go under attributes"
            )
        given = [source.column is not None, source.constant is not None, source.field is not None]
        if sum(given) != 1 and not (source.row_number and sum(given) == 0):
            raise InputError(f"mapping {where}: field {name!r} needs one of column, constant or field")
        _check_zone(source.zone, where)
    needed = {
        "transaction": ("transaction_id", "event_time", "amount"),
        "label": ("transaction_id", "label", "event_time"),
    }
    for name in needed.get(record.kind, ("event_time",)):
        if name not in sources:
            raise InputError(f"mapping {where}: a {record.kind} needs the field {name!r}")
    if record.label and record.kind != "transaction":
        raise InputError(f"mapping {where}: only a transaction has a label column")


def _check_zone(zone: str, where: str) -> None:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise InputError(
            f"mapping {where}: no time zone {zone!r}: use an IANA name such as Europe/Zurich"
        ) from error


def _describe(mapping: Mapping) -> Description:
    columns = dict.fromkeys(
        source.column
        for record in mapping.records
        for source in (*record.sources().values(), *record.attribute_sources(()).values())
        if source.column
    )
    labels = [record.label.column for record in mapping.records if record.label]
    kinds = dict.fromkeys([record.kind for record in mapping.records] + ["label"] * bool(labels))
    return Description(mapping.name, mapping.title, mapping.about, tuple(kinds), (*columns, *labels))
