"""A drafted mapping tried on its own file: what would be refused and why, and values as stored."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.adapters.files.reading import read
from ringfence.events.model import Kind
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.events.values.currencies import CURRENCY_EXPONENT
from ringfence.events.values.times import format_ms
from ringfence.masking import mask_cards

if TYPE_CHECKING:
    from ringfence.events.values.vocabulary import Mapping
    from ringfence.ports.sources import Format

_ROWS: Final = 20_000
_SHOWN: Final = 3
_LONGEST: Final = 32
_STORED: Final = {"event_time": "event_time_ms", "amount": "amount_minor", "card_number": "card_id"}


@dataclass(slots=True)
class MappingTrial:
    """What became of the first rows."""

    rows: int = 0
    payments: int = 0
    labels: int = 0
    actions: int = 0  # on payments
    skipped: int = 0
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)  # by field and what is said
    places: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def worst(self) -> tuple[str, str] | None:
        """The field for which most rows are refused, and what is said of the first of them."""
        return self.refused.most_common(1)[0][0] if self.refused else None

    def told(self) -> list[str]:
        """The refusals, for people."""
        return [
            f"{count} of {self.rows} rows will be refused: {name + ' ' if name else ''}{said} "
            f"(row {', '.join(map(str, self.places[name, said]))})"
            for (name, said), count in self.refused.most_common(5)
        ]


def tried(path: str, mapping: Mapping, now_ms: int, fmt: Format | None) -> MappingTrial:
    """The first rows of a file read through a mapping. `InputError` when the mapping refuses the file."""
    trial = MappingTrial()
    seen: dict[str, list[str]] = {}
    tokenizer = Tokenizer(secrets.token_bytes(16))
    said_of: dict[str, str] = {}
    for batch in read([path], mapping, tokenizer, now_ms, fmt=fmt):
        table = batch.events.table
        kinds = table.column("kind").to_numpy()
        payments = int(np.count_nonzero(kinds == Kind.TRANSACTION))
        actions = int(np.count_nonzero(kinds == Kind.LIFECYCLE))
        trial.payments += payments
        trial.actions += actions
        trial.labels += table.num_rows - payments - actions + (len(batch.labels) if batch.labels else 0)
        trial.skipped += batch.skipped
        trial.rows += table.num_rows + len(batch.bad)
        for record in batch.bad:
            first = record.faults[0]
            # One line per field: the first value that was refused stands for the others.
            said = said_of.setdefault(first.field, first.problem)
            key = (first.field, mask_cards(said))
            trial.refused[key] += 1
            places = trial.places.setdefault(key, [])
            if len(places) < _SHOWN:
                places.append(record.position)
        _collect(seen, mapping, table)
        if trial.rows >= _ROWS:
            break
    trial.values = {name: tuple(found) for name, found in seen.items()}
    return trial


def _collect(seen: dict[str, list[str]], mapping: Mapping, table: Any) -> None:
    names = [*mapping.records[0].sources(), "card_id"]
    for name in names:
        stored = _STORED.get(name, name)
        found = seen.setdefault(name, [])
        if stored not in table.schema.names or len(found) == _SHOWN:
            continue
        column = table.column(stored)
        currencies = table.column("currency") if "currency" in table.schema.names else None
        for row in range(min(len(column), 200)):
            value = column[row].as_py()
            if value is None:
                continue
            text = _shown(name, value, None if currencies is None else currencies[row].as_py())
            if text not in found:
                found.append(text)
            if len(found) == _SHOWN:
                break


def _shown(name: str, value: Any, currency: str | None) -> str:
    if name == "event_time":
        return format_ms(value).replace(".000Z", "Z")
    if name == "amount":
        digits = CURRENCY_EXPONENT.get(currency or "", 2)
        major = f"{value / 10**digits:,.{digits}f}" if digits else f"{value:,}"
        return f"{major} {currency}" if currency else major
    text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
