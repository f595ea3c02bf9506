"""A first mapping for a file that no shipped one fits: what each column seems to be, for somebody to check.

A guess by names and by the values of the first rows. Whatever is not known to be anything becomes an
attribute, so that a model may learn from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ringfence.adapters.files.blocks import csv_blocks, line_blocks
from ringfence.adapters.files.csv_rows import parse_block
from ringfence.adapters.files.json_rows import parse_lines, to_table
from ringfence.adapters.files.json_stream import json_lines
from ringfence.adapters.files.layout import open_table
from ringfence.adapters.files.looks import (
    has_decimal_comma,
    is_card,
    is_clock,
    is_number,
    is_truth,
    is_unique,
    times_of,
)
from ringfence.adapters.files.paths import Opened, opened, resolve
from ringfence.adapters.files.tables import open_parquet
from ringfence.errors import InputError
from ringfence.events.attributes import ATTRIBUTES_LIMIT
from ringfence.events.sensitive import named
from ringfence.masking import mask_cards

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.adapters.files.paths import Format

_ROWS: Final = 2000
_BLOCK: Final = 1 << 20  # bytes
_LABEL: Final = re.compile(r"fraud|^class$|^label$|^target$|charge_?back|^y$|is_?sar")
_AMOUNT: Final = re.compile(r"amount|amt|^value$|^total$|price|^sum$")
_TIME: Final = re.compile(r"time|date|datum|^when$|^step$|^day$|^created|_at$|_dt$|^ts$|dt$")
_ID: Final = re.compile(
    r"^(trans(action)?|tx|trx|payment|order|receipt)_?(id|num|nr|no|number)$|^id$|^uuid$|^receipt$"
)
_FIELDS: Final = {
    "customer_id": r"customer|client|^user|cust_|name_?orig|buyer|payer",
    "card_id": r"^card(_?id|_?num|_?no|_?number|1)?$|cc_?num|^pan$",
    "account_id": r"^account|^acct|^iban|^(from|source|src|sender|orig(in)?)_?(node|acc(oun)?t)?_?(id)?$",
    "counterparty_id": (
        r"name_?dest|beneficiary|payee|counterparty|receiver|^(to|target|dest(ination)?)_?(node|acc(oun)?t)?_?(id)?$"
    ),
    "merchant_id": r"^merchant(_?id|_?name)?$|^shop|^seller|^vendor",
    "terminal_id": r"terminal|^till|^pos_?id",
    "device_id": r"^device(_?id)?$|fingerprint",
    "ip": r"^ip(_?addr(ess)?)?$",
    "email": r"^e_?mail(_?address)?$",
    "phone": r"^phone|^msisdn",
    "merchant_category": r"^category$|^mcc$|merchant_?category|product_?cd",
    "channel": r"^channel$",
    "currency": r"^currency$",
    "country": r"^country(_?code)?$",
    "city": r"^city$",
    "lat": r"^lat(itude)?$",
    "lon": r"^lon(g|gitude)?$",
}


@dataclass(slots=True)
class Draft:
    """A mapping as TOML text, and remarks on what was guessed or is missing."""

    text: str
    remarks: list[str] = field(default_factory=list)


def draft_mapping(path: str, name: str, fmt: Format | None = None) -> Draft:
    """A mapping for the columns of a source. `InputError` for one without rows."""
    with opened(resolve([path])[0], fmt) as source:
        table = _head(source)
    return _Drafting(table, name).done()


def _head(source: Opened) -> pa.Table:
    if source.format == "parquet":
        return pa.Table.from_batches(list(islice(open_parquet(source).iter_batches(_ROWS), 1)))
    if source.format == "ndjson":
        return _head_of_lines(source)
    header, rows = open_table(source)
    for block in csv_blocks(rows, lambda: _BLOCK, header.delimiter):
        return pa.Table.from_batches([parse_block(block.data, header, header.names).table]).slice(0, _ROWS)
    raise InputError(f"{source.path} has a header and no rows: there is nothing to tell the columns from")


def _head_of_lines(source: Opened) -> pa.Table:
    block = next(line_blocks(json_lines(source), lambda: _BLOCK), None)
    objects = parse_lines(block.data.split(b"\n")[:_ROWS])[0] if block is not None else []
    rows = [item for item in objects if item]
    if not rows:
        raise InputError(f"{source.path}: none of the first lines is a JSON object with fields")
    return pa.Table.from_batches([to_table(rows, dict.fromkeys(chain.from_iterable(rows)))])


class _Drafting:
    """Takes columns one after the other; what is taken is not asked again."""

    def __init__(self, table: pa.Table, name: str) -> None:
        self.table, self.name = table, name
        self.left = dict(
            zip(table.schema.names, (column.combine_chunks() for column in table.columns), strict=True)
        )
        self.fields: list[str] = []
        self.remarks: list[str] = []

    def done(self) -> Draft:
        label = self._label()
        self._time()
        self._amount()
        self._transaction()
        for target, pattern in _FIELDS.items():
            self._field(target, re.compile(pattern))
        lines = [f'name = "{self.name}"', "", "[[records]]"]
        if label is not None:
            lines.append(
                f'label = {{ column = {_text(label)}, delay = "7d" }}  # how long reports of fraud take'
            )
        lines += ["", "[records.fields]", *self.fields, *self._attributes()]
        return Draft(mask_cards("\n".join(lines) + "\n"), list(map(mask_cards, self.remarks)))

    def _take(self, pattern: re.Pattern[str], fits: Any) -> str | None:
        for name, values in self.left.items():
            if pattern.search(name.strip().lower()) and fits(values):
                del self.left[name]
                return name
        return None

    def _label(self) -> str | None:
        found = self._take(_LABEL, is_truth)
        if found is None:
            self.remarks.append("no column seems to say which payments were fraud: a label record is missing")
        return found

    def _time(self) -> None:
        for name, values in self.left.items():
            found = times_of(values) if _TIME.search(name.strip().lower()) else None
            if found is not None:
                del self.left[name]
                self.fields.append(f"event_time = {{ column = {_text(name)}{found.form} }}")
                self.remarks += [f"{name} {doubt}" for doubt in found.doubts]
                return
        self.remarks.append("no column seems to be the time of the payment: event_time is missing")

    def _amount(self) -> None:
        found = self._take(_AMOUNT, lambda values: is_number(values) or has_decimal_comma(values))
        if found is None:
            self.remarks.append("no column seems to be the amount: amount is missing")
        elif has_decimal_comma(self.table[found].combine_chunks()):
            self.fields.append(f'amount = {{ column = {_text(found)}, decimal = "," }}')
        else:
            self.fields.append(f"amount = {_text(found)}")

    def _transaction(self) -> None:
        found = self._take(_ID, is_unique)
        self.fields.append("transaction_id = " + ("{ row_number = true }" if found is None else _text(found)))
        if found is None:
            self.remarks.append("no column seems to be an id: the number of the row serves")

    def _field(self, target: str, pattern: re.Pattern[str]) -> None:
        found = self._take(pattern, lambda values: values.null_count < len(values))
        if found is None:
            return
        values = self.table[found].combine_chunks()
        named = "card_number" if target == "card_id" and is_card(values) else target
        self.fields.append(f"{named} = {_text(found)}")

    def _attributes(self) -> Iterator[str]:
        if not self.left:
            return
        yield ""
        yield "[records.attributes]"
        kept = 0
        for name, values in self.left.items():
            kind = (
                "number" if is_number(values) else "boolean" if pa.types.is_boolean(values.type) else "text"
            )
            doubt = self._doubt(name, values, kept)
            kept += not doubt
            yield f'{doubt}{_text(name)} = {{ column = {_text(name)}, type = "{kind}" }}'

    def _doubt(self, name: str, values: Any, kept: int) -> str:
        """What comments a column out: what is no input, as far as one can see."""
        if (meant := named(name)) and meant.surely:
            self.remarks.append(f"{name} is left out: {meant.secret} are never kept, because nobody may")
        elif _LABEL.search(name.lower()):
            self.remarks.append(f"{name} is left out: it seems to be known only after the payment")
        elif is_clock(values):
            self.remarks.append(f"{name} is left out: it only ever grows, as a clock or a counter does")
        elif kept >= ATTRIBUTES_LIMIT:
            said = f"at most {ATTRIBUTES_LIMIT} attributes are taken: the columns after these are left out"
            self.remarks += [said] if said not in self.remarks else []
        else:
            return ""
        return "# "


def _text(name: str) -> str:
    """A TOML text."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
