"""A first mapping for a file that no shipped one fits: what each column seems to be, for somebody to check.

A guess by names and by the values of the first rows. Whatever is not known to be anything becomes an
attribute, so that a model may learn from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.adapters.files.blocks import csv_blocks
from ringfence.adapters.files.csv_reader import split_header
from ringfence.adapters.files.csv_rows import Header, parse_block
from ringfence.adapters.files.paths import Opened, opened, resolve
from ringfence.adapters.files.tables import open_parquet
from ringfence.errors import InputError
from ringfence.events.binding import ATTRIBUTES_LIMIT
from ringfence.events.cards import is_card_number
from ringfence.events.numbers import to_bools, to_floats
from ringfence.events.times import to_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.adapters.files.paths import Format

_ROWS: Final = 2000
_BLOCK: Final = 1 << 20  # bytes
_FEW: Final = 20
_SHARE: Final = 0.9  # of the values that have to look alike
_EPOCH_MS: Final = (946_684_800_000, 4_102_444_800_000)  # 2000 to 2100
_START_S: Final = 1_577_836_800  # 2020-01-01: where time that counts from 0 is put
_PATTERNS: Final = (
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
)
_LABEL: Final = re.compile(r"fraud|^class$|^label$|^target$|charge_?back|^y$|is_?sar")
_AMOUNT: Final = re.compile(r"amount|amt|^value$|^total$|price|^sum$")
_TIME: Final = re.compile(r"time|date|^when$|^step$|timestamp|_dt$|^ts$|dt$")
_ID: Final = re.compile(
    r"^(trans(action)?|tx|trx|payment|order|receipt)_?(id|num|nr|no|number)$|^id$|^uuid$|^receipt$"
)
_FIELDS: Final = {
    "customer_id": r"customer|client|^user|cust_|name_?orig|buyer|payer",
    "card_id": r"^card(_?id|_?num|_?no|_?number|1)?$|cc_?num|^pan$",
    "account_id": r"^account|^acct|^iban",
    "counterparty_id": r"name_?dest|beneficiary|payee|counterparty|receiver",
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
    """A mapping for the columns of a table. `InputError` for a source without a header or an amount."""
    with opened(resolve([path])[0], fmt) as source:
        if source.format == "ndjson":
            raise InputError(f"{path} is NDJSON: a mapping can be drafted for tables, CSV or Parquet, only")
        table = _head(source)
    return _Drafting(table, name).done()


def _head(source: Opened) -> pa.Table:
    if source.format == "parquet":
        return pa.Table.from_batches(list(islice(open_parquet(source).iter_batches(_ROWS), 1)))
    line, rows = split_header(source)
    header = Header.parse(line, source.path)
    for block in csv_blocks(rows, lambda: _BLOCK, header.delimiter):
        return pa.Table.from_batches([parse_block(block.data, header, header.names).table]).slice(0, _ROWS)
    raise InputError(f"{source.path} has a header and no rows: there is nothing to tell the columns from")


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
        return Draft("\n".join(lines) + "\n", self.remarks)

    def _take(self, pattern: re.Pattern[str], fits: Any) -> str | None:
        for name, values in self.left.items():
            if pattern.search(name.strip().lower()) and fits(values):
                del self.left[name]
                return name
        return None

    def _label(self) -> str | None:
        found = self._take(_LABEL, _is_truth)
        if found is None:
            self.remarks.append("no column seems to say which payments were fraud: a label record is missing")
        return found

    def _time(self) -> None:
        for name, values in self.left.items():
            form = _time_form(values) if _TIME.search(name.strip().lower()) else None
            if form is not None:
                del self.left[name]
                self.fields.append(f"event_time = {{ column = {_text(name)}{form} }}")
                if "offset_s" in form:
                    self.remarks.append(
                        f"{name} seems to count seconds from some beginning, taken as 2020-01-01"
                    )
                return
        self.remarks.append("no column seems to be the time of the payment: event_time is missing")

    def _amount(self) -> None:
        found = self._take(_AMOUNT, _is_number)
        if found is None:
            self.remarks.append("no column seems to be the amount: amount is missing")
        else:
            self.fields.append(f"amount = {_text(found)}")

    def _transaction(self) -> None:
        found = self._take(_ID, _is_unique)
        self.fields.append("transaction_id = " + ("{ row_number = true }" if found is None else _text(found)))
        if found is None:
            self.remarks.append("no column seems to be an id: the number of the row serves")

    def _field(self, target: str, pattern: re.Pattern[str]) -> None:
        found = self._take(pattern, lambda values: values.null_count < len(values))
        if found is None:
            return
        values = self.table[found].combine_chunks()
        is_card = target == "card_id" and _is_card(values)
        self.fields.append(f"{'card_number' if is_card else target} = {_text(found)}")

    def _attributes(self) -> Iterator[str]:
        if not self.left:
            return
        yield ""
        yield "[records.attributes]"
        kept = 0
        for name, values in self.left.items():
            kind = (
                "number" if _is_number(values) else "boolean" if pa.types.is_boolean(values.type) else "text"
            )
            doubt = self._doubt(name, values, kept)
            kept += not doubt
            yield f'{doubt}{_text(name)} = {{ column = {_text(name)}, type = "{kind}" }}'

    def _doubt(self, name: str, values: Any, kept: int) -> str:
        """What comments a column out: what is no input, as far as one can see."""
        if _LABEL.search(name.lower()):
            self.remarks.append(f"{name} is left out: it seems to be known only after the payment")
        elif _is_clock(values):
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


def _known(values: Any) -> Any:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        values = pc.if_else(pc.equal(pc.utf8_trim_whitespace(values), ""), None, values)
    return values.drop_null()


def _is_number(values: Any) -> bool:
    known = _known(values)
    if not len(known) or pa.types.is_boolean(known.type):
        return False
    return not to_floats(known)[1].any()


def _is_truth(values: Any) -> bool:
    known = _known(values)
    return len(known) > 0 and not to_bools(known)[1].any()


def _is_clock(values: Any) -> bool:
    known = _known(values)
    if not _is_number(known) or len(known) < _FEW:
        return False
    numbers = to_floats(known)[0]
    return bool(np.all(np.diff(numbers) >= 0) and numbers[-1] > numbers[0])


def _is_unique(values: Any) -> bool:
    return bool(values.null_count == 0 and len(values.unique()) == len(values))


def _is_card(values: Any) -> bool:
    words = [str(word) for word in _known(values).unique().to_pylist()[:200]]
    cards = sum(is_card_number(re.sub("[ -]", "", word)) for word in words)
    return bool(words) and cards >= _SHARE * len(words)


def _time_form(values: Any) -> str | None:
    """How the mapping has to say it, empty for ISO; None for what is no time."""
    known = _known(values)
    if not len(known):
        return None
    if _is_number(known) and not (pa.types.is_timestamp(known.type) or pa.types.is_date(known.type)):
        return _epoch_form(to_floats(known)[0])
    for form in ("iso", *_PATTERNS):
        if not to_ms(known, form, "UTC")[1].any():
            return "" if form == "iso" else f', format = "{form}", zone = "UTC"'
    return None


def _epoch_form(values: Any) -> str:
    middle = float(np.median(values))
    if _EPOCH_MS[0] <= middle < _EPOCH_MS[1]:
        return ', format = "epoch_ms"'
    if _EPOCH_MS[0] <= middle * 1000 < _EPOCH_MS[1]:
        return ', format = "epoch_s"'
    return f', format = "epoch_s", offset_s = {_START_S}'
