"""What a program needs beside the pipeline itself: its rows or tables as events, and rules that fit."""

from __future__ import annotations

import secrets
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from ringfence.errors import InputError, RuleError
from ringfence.events.bad import BadRecord
from ringfence.events.decoding.binding import bind
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.ids.row_ids import RowIds
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.events.schedule import Schedule
from ringfence.events.values.texts import read_text
from ringfence.scoring.rulesets.books import default_book, load_book
from ringfence.scoring.rulesets.rules import CompiledRules, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.rulesets.ruleset import RuleSet


def to_events(
    rows: Iterable[Mapping[str, Any]] | Any,
    mapping: str = "canonical",
    *,
    on_bad: Callable[[BadRecord], None] | None = None,
    token_key: bytes | None = None,
    now_ms: int | None = None,
) -> EventBatch:
    """Events of dicts in Ringfence's own fields, or of a table with the columns of a mapping.

    A table is anything that gives Arrow data: of PyArrow, pandas, Polars, DuckDB. Its labels stand where they
    became known; those that become known after its last payment are left out.

    Args:
        rows: dicts or a table, in the order in which they happened.
        mapping: shipped mapping or `.toml` file; of a table only.
        on_bad: is given each record that cannot be an event. Without it the first is an `InputError`.
        token_key: secret of the tokens that stand for card numbers; one of this process unless given.
        now_ms: when the rows were received; now, unless given.

    >>> batch = to_events([{"transaction_id": "a", "event_time": "2024-05-01T10:00:00Z", "amount": 12.5}])
    >>> len(batch), batch.amount.tolist()
    (1, [12.5])
    """
    tokenizer = Tokenizer(token_key or _process_key())
    received_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    if hasattr(rows, "__arrow_c_stream__"):
        batch, bad = _of_table(pa.table(rows), mapping, tokenizer, received_ms)
    elif mapping != "canonical":
        raise InputError(f"dicts are read in Ringfence's own fields: give a table to use mapping {mapping!r}")
    else:
        lines = [msgspec.json.encode(row) for row in rows]
        batch, bad = JsonDecoder(tokenizer).decode_lines(lines, received_ms, "rows")
    if on_bad is not None:
        for record in bad:
            on_bad(record)
    elif bad:
        more = f"; {len(bad) - 1} more rows are bad: give on_bad to hear of each" if len(bad) > 1 else ""
        raise InputError(f"row {bad[0].position}: {bad[0].message}{more}")
    return batch


@cache
def _process_key() -> bytes:
    return secrets.token_bytes(32)


def _of_table(
    table: pa.Table, mapping: str, tokenizer: Tokenizer, received_ms: int
) -> tuple[EventBatch, list[BadRecord]]:
    found = load_mapping(mapping)
    binding = bind(found, table.schema, "the table", tokenizer=tokenizer, ingest_time_ms=received_ms)
    used = table if binding.needs_row_ids else table.select(binding.columns)
    whole = used.combine_chunks().to_batches()
    rows = whole[0] if whole else pa.RecordBatch.from_pylist([], used.schema)
    ids = None
    if binding.needs_row_ids:
        content = [msgspec.json.encode(row, enc_hook=str) for row in rows.to_pylist()]
        ids = RowIds(tokenizer.seed("row ids")).of(content)
    mapped = binding.apply(rows, np.arange(len(rows)), row_ids=ids)
    bad = [
        BadRecord("the table", row + 1, faults, b"", mapping=found.name)
        for row, faults in sorted(mapped.faults.items())
    ]
    schedule = Schedule()
    if mapped.labels is not None:
        schedule.add(mapped.labels)
    return schedule.release(mapped.events), bad


def default_rules(spec: FeatureSpec) -> CompiledRules:
    """The rules of the shipped book that a specification can serve.

    >>> from ringfence.features.catalog import CATALOG
    >>> "card_testing" in [rule.id for rule in default_rules(CATALOG).active]
    True
    """
    return fit(default_book(), spec)[0]


def load_rules(path: str | Path) -> RuleSet:
    """The rule book in a YAML file; `RuleError` names the line of what is wrong."""
    file = Path(path)
    try:
        return load_book(read_text(file), str(file))
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): a rule book is a YAML file") from error
    except UnicodeDecodeError as error:
        raise RuleError(f"{file} is not UTF-8 text: save it as UTF-8") from error
