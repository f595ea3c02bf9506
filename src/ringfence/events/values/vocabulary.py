"""What a mapping can say: the tables and keys of its TOML, as structs."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from ringfence.events.model import ATTRIBUTE_PREFIX, EVENT_SCHEMA, ID_FIELDS, Kind
from ringfence.events.personal_names import PersonalClass, class_by_name
from ringfence.events.values.paths import steps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

KINDS: Final = {kind.name.lower(): kind for kind in Kind if kind is not Kind.ACTIVATION}
_MADE: Final = frozenset({"kind", "ingest_time_ms", "amount_minor", "card_last4"})
_IDS: Final = frozenset({"transaction_id", "event_id", "entity_id", *ID_FIELDS})
TIMES: Final = {
    "event_time": "event_time_ms",
    "effective_at": "effective_at_ms",
    "expires_at": "expires_at_ms",
}
"""Fields that are times, with their columns."""

EVERY_COLUMN: Final = "*"
"""Stands among a mapping's columns for all others, where they become attributes."""

FIELDS: Final = (
    *(name for name in EVENT_SCHEMA.names if name not in _MADE and name not in TIMES.values()),
    *TIMES,
    "amount",
    "card_number",
)
"""Field names that a mapping may fill."""


class JoinedColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column of several that are joined."""

    column: str
    pad: int = 0  # zeros to the left up to this many characters: 93207 is 09:32:07
    start: int = 0  # of its texts only the characters from here on, the first is 0,
    length: int = 0  # and so many of them; 0 for all


class FieldSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one field's values come from, and what has to be done to them."""

    column: str | None = None  # of JSON, a key or a path: a.b[0].c
    constant: str | float | bool | None = None
    field: str | None = None  # the value of another field of this record
    first: list[str] = []  # the first of these columns that holds a value
    join: list[JoinedColumn | str] = []  # these columns, one after the other; nothing where one holds nothing
    separator: str | None = None  # between them: "|" unless said, a blank in times
    credit: str | None = None  # an amount in two columns: credit less debit
    debit: str | None = None
    row_id: bool = False  # an id told from the row's content, where the column is missing
    row_number: bool = False  # the running number of the row, where the column is missing
    optional: bool = False  # a source without the column is fine
    null_values: list[str] = []  # texts that say nothing, beside the mapping's
    values: dict[str, str] = {}  # what the source's words mean
    otherwise: Literal["keep", "null", "refuse"] = "keep"  # with a value that is none of these
    strip_prefix: str = ""
    strip_suffix: str = ""
    pad: int = 0  # zeros to the left up to this many characters
    prefix: str = ""
    card: bool = False  # the column holds card numbers, and the field is told from their tokens
    masked: bool = False  # a card number may be masked: the digits that show are the card's id then
    unit: Literal["major", "minor"] = "major"
    digits: dict[str, int] = {}  # minor digits by currency, where the source's are not those of ISO 4217
    scale: Literal[1, 10, 100, 1000, 10_000, 100_000, 1_000_000] = 1  # amounts in thousands, say
    decimal: Literal[".", ","] = "."  # of amounts as text
    thousands: Literal["", ",", ".", " ", "'"] | None = None  # what may part the thousands
    sign: Literal["positive", "negative", "any"] = "positive"  # how payments are written
    other_sign: Literal["refuse", "skip"] = "refuse"  # what becomes of rows of the other sign
    # The currency within an amount, or one half of a latitude and a longitude in one text.
    extract: Literal["currency", "latitude", "longitude"] | None = None
    format: str = "iso"  # of times, see `times.to_ms`
    zone: str = "UTC"  # of times that name none
    zone_column: str | None = None  # each row's own
    repeated_hour: Literal["earlier", "later", "order"] = "earlier"
    year: Literal["received"] | int | None = None  # of times without one
    offset_s: int = 0  # added to a time
    type: Literal["text", "number", "boolean"] | None = None  # of an attribute; as in the source unless said
    personal: PersonalClass | None = None  # what it tells of a person; what its name says unless given

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that it reads."""
        single = (self.column, self.credit, self.debit, self.zone_column)
        parts = (part if isinstance(part, str) else part.column for part in self.join)
        return tuple(name for name in (*single, *self.first, *parts) if name is not None)

    def lacks(self, names: Collection[str]) -> list[str]:
        """Columns that it cannot do without and that are not among these."""
        if self.optional or self.row_id or self.row_number:
            return []
        if self.first:
            return [] if any(name in names for name in self.first) else self.first[:1]
        return [name for name in self.columns if name not in names]

    def there(self, names: Collection[str]) -> bool:
        """Whether a source with these columns gives it values."""
        if self.row_id or self.row_number:
            return True
        if self.first:
            return any(name in names for name in self.first)
        return all(name in names for name in self.columns)


class LabelColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column that says which transactions were fraud, and how long after the payment that became known.

    Only the reports of fraud become events, as in life: a payment of which nothing was heard after the delay
    was good. `fraud` names the values that mean fraud where they are no truth values, such as "chargeback".
    With `good` those rows become events too, and `unknown` names values that say nothing.
    """

    column: str
    delay: str = "7d"
    fraud: list[str] = []
    good: list[str] = []
    unknown: list[str] = []


class MappedRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of event that the rows of a source become."""

    kind: Literal["transaction", "label", "profile", "list_entry", "flag", "lifecycle"] = "transaction"
    when: list[str] = []  # applies to sources that have all these columns
    unless: list[str] = []  # and none of these
    only: dict[str, str | list[str]] = {}  # of such sources, to rows with one of these values
    excluding: dict[str, str | list[str]] = {}  # but to none with one of these
    has: list[str] = []  # to rows where these columns hold a value
    lacks: list[str] = []  # to rows where these hold none, or that have no such column
    fields: dict[str, FieldSource | str] = {}
    attributes: Literal["*", "attributes.*"] | list[str] | dict[str, FieldSource | str] = []
    label: LabelColumn | None = None

    def fits(self, names: Collection[str]) -> bool:
        """Whether a source with these columns has such records."""
        return all(name in names for name in self.when) and not any(name in names for name in self.unless)

    def sources(self) -> dict[str, FieldSource]:
        """Each field's source; a bare text is a column's name."""
        return {name: _source(item) for name, item in self.fields.items()}

    def attribute_sources(self, names: Iterable[str]) -> dict[str, FieldSource]:
        """Each attribute's source, given the columns of the source."""
        if isinstance(self.attributes, dict):
            return {name: _source(item) for name, item in self.attributes.items()}
        if isinstance(self.attributes, list):
            return {name: FieldSource(column=name) for name in self.attributes}
        if self.attributes == "attributes.*":
            return {name: FieldSource(column=name) for name in names if name.startswith(ATTRIBUTE_PREFIX)}
        used = {column for source in self.sources().values() for column in source.columns} | (
            {self.label.column} if self.label else set()
        )
        return {name: FieldSource(column=name) for name in names if name not in used}

    @property
    def optional_columns(self) -> tuple[str, ...]:
        """Columns by which it tells its rows from others, where a source has them."""
        return (*self.excluding, *self.has, *self.lacks)

    @property
    def columns(self) -> dict[str, None]:
        """All columns that it names, in order."""
        sources = (*self.sources().values(), *self.attribute_sources(()).values())
        named = [column for source in sources for column in source.columns]
        named += [*self.when, *self.unless, *self.only, *self.optional_columns]
        named += [self.label.column] if self.label else []
        return dict.fromkeys(named)


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the records stand in a file."""

    encoding: str = "utf-8"
    delimiter: str = ""  # what parts the names of the header, unless said
    skip_lines: int = 0  # before the header
    header_starts: str = ""  # the header is the first line that begins so
    columns: list[str] = []  # their names, for a file without a header
    trailers: list[str] = []  # lines that are no records, as shell patterns
    each: str = ""  # of JSON: a list of which every element is a record


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named rules that turn the rows of a source into events."""

    name: str
    records: list[MappedRecord]
    title: str = ""
    about: str = ""
    file: Layout = Layout()
    null_values: list[str] = []  # texts that say nothing, in every field
    keep_values: list[str] = []  # ids, although they look like words for nothing: ["0"]
    zone_names: dict[str, str] = {}  # what the source calls its time zones
    skip: dict[str, str | list[str]] = {}  # rows with these values are no records

    @property
    def card_columns(self) -> frozenset[str]:
        """Columns that hold card numbers, of a path its last key, too: they never leave except as tokens."""
        named = {
            column
            for record in self.records
            for name, source in record.sources().items()
            for column in source.columns
            if source.card or name == "card_number"
        }
        return _with_last_keys(named)

    @property
    def id_columns(self) -> frozenset[str]:
        """Columns that hold ids, as above: only a card network's number is taken for a card's there."""
        return _with_last_keys(
            {
                column
                for record in self.records
                for name, source in record.sources().items()
                for column in source.columns
                if name in _IDS
            }
        )

    @property
    def personal_columns(self) -> dict[str, tuple[str, PersonalClass | None]]:
        """Columns that fill fields, of a path its last key, too: the field, and what it is said to tell.

        Of a column that several fields read, the one that tells of a person counts.
        """
        found: dict[str, tuple[str, PersonalClass | None]] = {}
        for record in self.records:
            attributes = record.attribute_sources(()).items()
            named = [*record.sources().items(), *((ATTRIBUTE_PREFIX + name, one) for name, one in attributes)]
            for name, source in named:
                tells = source.personal or class_by_name(name)
                for column in _with_last_keys(set(source.columns)):
                    if tells is not None or column not in found:
                        found[column] = name, source.personal
            if isinstance(record.attributes, str):
                found[EVERY_COLUMN] = "", None
        return found

    @property
    def counts_rows(self) -> bool:
        """Whether a row's number serves as a value, so that sources have to be read one after the other."""
        return any(source.row_number for record in self.records for source in record.sources().values())

    @property
    def columns(self) -> dict[str, None]:
        """All columns that it names, in order."""
        named = [column for record in self.records for column in record.columns]
        return dict.fromkeys([*named, *self.skip])


def _with_last_keys(columns: set[str]) -> frozenset[str]:
    return frozenset(columns | {str(steps(column)[-1]) for column in columns if steps(column)})


def nearest(name: str, known: Iterable[str]) -> str:
    """Words that suggest the nearest known name, empty when none is near.

    >>> nearest("amout", ["amount", "currency"])
    ' (did you mean amount?)'
    """
    lowered = {item.lower(): item for item in known}
    close = difflib.get_close_matches(name.lower(), lowered, 1, 0.6)
    return f" (did you mean {lowered[close[0]]}?)" if close else ""


def _source(item: FieldSource | str) -> FieldSource:
    return FieldSource(column=item) if isinstance(item, str) else item
