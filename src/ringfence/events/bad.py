"""A record that cannot become an event is a value: where it stood, why it was refused, its original bytes."""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from ringfence.masking import lettered, mask_cards

ORIGINAL_LIMIT: Final = 64 * 1024
"""Bytes of the original that a bad record keeps; its message says so when there were more."""


TOTALS: Final = (
    *("total", "totals", "grand total", "subtotal", "sub-total", "sum"),
    *("summe", "gesamt", "gesamtsumme", "totale", "suma", "somme", "saldo", "zwischensumme", "razem"),
    *("celkem", "summa", "toplam", "итого", "всего", "合計", "合计", "总计", "opening balance"),
    *("closing balance", "anfangssaldo", "endsaldo"),
)
"""What a line of totals begins with, in small letters."""


class Reason(StrEnum):
    """Why a record was refused. The codes are stored: never rename."""

    MALFORMED = "malformed"  # no JSON object, or a row with too few or too many cells
    INVALID_UTF8 = "invalid_utf8"
    TRUNCATED = "truncated"  # the source ends inside a record or inside its compression
    MISSING_FIELD = "missing_field"
    UNKNOWN_FIELD = "unknown_field"  # free fields belong under "attributes"
    REPEATED_FIELD = "repeated_field"  # a key stands twice in one JSON object
    WRONG_TYPE = "wrong_type"  # text where a number belongs, and the like
    UNPARSABLE_TIME = "unparsable_time"
    TIME_OUT_OF_RANGE = "time_out_of_range"  # before 2000, or more than a day after it was received
    UNPARSABLE_AMOUNT = "unparsable_amount"
    NEGATIVE_AMOUNT = "negative_amount"
    ABSURD_AMOUNT = "absurd_amount"  # more than 10^13 major units
    UNKNOWN_CURRENCY = "unknown_currency"
    OUT_OF_RANGE = "out_of_range"  # latitude, longitude, an infinite number
    TOO_LARGE = (
        "too_large"  # a text of more than 4 KiB, more than 512 attributes, a record of more than 1 MiB
    )
    TRAILER = "trailer"  # a line of totals or a footer, no record
    CONFLICT = "conflict"  # the id has come before with other content
    CARD_NUMBER = "card_number"  # what should be a card number is none, or one stands in a numeric field


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one field of a record."""

    reason: Reason
    field: str
    problem: str

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}" if self.field else self.problem


def unreadable(record: bytes, error: Exception) -> Fault:
    """What is wrong with bytes that a reader of JSON has given up on.

    >>> unreadable(b"[1]", ValueError("Expected `object`, got `array`")).problem
    'no JSON object: Expected `object`, got `array`'
    """
    if isinstance(error, RecursionError):
        return Fault(Reason.MALFORMED, "", "is nested too deeply")
    try:
        record.decode()
    except UnicodeDecodeError:
        return Fault(Reason.INVALID_UTF8, "", "is not UTF-8 text: convert the source")
    if record.startswith(codecs.BOM_UTF8):
        return Fault(Reason.MALFORMED, "", "begins with a byte order mark (BOM): send the JSON without it")
    return Fault(Reason.MALFORMED, "", f"no JSON object: {error}")


def _masked(fault: Fault) -> Fault:
    field, problem = mask_cards(fault.field), mask_cards(fault.problem)
    same = field == fault.field and problem == fault.problem
    return fault if same else Fault(fault.reason, field, problem)


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A refused record, ready for quarantine. Holds no card number: `original` has tokens in their place.

    `position` counts from 1: the line of NDJSON, the data row of a table. `original` is the line as it came
    (`json`), a header and a row (`csv`), or the cells of a Parquet row as JSON, so that it can be read again
    by the same `mapping`.
    """

    source: str
    position: int
    faults: tuple[Fault, ...]
    original: bytes
    original_format: Literal["json", "csv"] = "json"
    mapping: str = "canonical"

    def __post_init__(self) -> None:
        """A name, a path or a message may repeat a card number: its last four digits stay."""
        object.__setattr__(self, "source", mask_cards(self.source))
        object.__setattr__(self, "faults", tuple(map(_masked, self.faults)))

    @property
    def reason(self) -> Reason:
        """Code of the first fault."""
        return self.faults[0].reason

    @property
    def message(self) -> str:
        """All faults in one line."""
        return "; ".join(str(fault) for fault in self.faults)

    @property
    def id(self) -> str:
        """Content hash, 16 hex digits: the same bad record read again is the same."""
        what = self.original or f"{self.source}:{self.position}".encode()
        digest = hashlib.sha256(b"\0".join([self.reason.encode(), what])).hexdigest()[:16]
        return lettered(digest) if digest.isdigit() else digest


@dataclass(frozen=True, slots=True)
class ToldRecord(BadRecord):
    """A bad record that another process has looked at, with the body of its answer: it is masked already."""

    answer: bytes = b""

    def __post_init__(self) -> None:
        """Nothing is left to mask."""
