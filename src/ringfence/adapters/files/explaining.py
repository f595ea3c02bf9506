"""What a mapping makes of a file: for each field what it reads, and three values as they will be stored."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.files.reading import read
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.events.values.currencies import currency_exponent
from ringfence.events.values.times import format_ms
from ringfence.events.values.vocabulary import KINDS, TIMES, FieldSource, JoinedColumn
from ringfence.ports.mappings import Explained, Given, MappingExplanation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.events.bad import BadRecord
    from ringfence.events.values.vocabulary import MappedRecord, Mapping
    from ringfence.ports.sources import Format

_ROWS: Final = 2000
_MOST_ROWS: Final = 200_000  # looked at for what a file gives
_SHOWN: Final = 3
_WIDTH: Final = 60
_PLAIN: Final = FieldSource()
_OPTIONS: Final = (
    *("format", "zone", "zone_column", "repeated_hour", "year", "offset_s"),
    *("decimal", "thousands", "sign", "other_sign", "unit", "scale", "digits", "extract"),
    *("null_values", "values", "otherwise", "strip_prefix", "strip_suffix", "pad", "prefix", "type"),
)


def explain(
    path: str, mapping: Mapping, now_ms: int, *, rows: int = _ROWS, fmt: Format | None = None
) -> MappingExplanation:
    """The first `rows` rows of a file read by a mapping. `InputError` as for `read`; keeps nothing."""
    events: list[dict[str, Any]] = []
    bad: list[BadRecord] = []
    skipped = 0
    tokenizer = Tokenizer(b"only to show, never to keep")
    for batch in read([path], mapping, tokenizer, now_ms, batch_rows=rows, fmt=fmt):
        events += batch.events.table.to_pylist()
        events += batch.labels.table.to_pylist() if batch.labels else []
        bad += batch.bad
        skipped += batch.skipped
        if len(events) + len(bad) + skipped >= rows:
            break
    fields = tuple(one for record in mapping.records for one in _of_record(record, events))
    messages = {record.reason.value: f"row {record.position}: {record.message}" for record in reversed(bad)}
    counts = Counter(record.reason.value for record in bad)
    return MappingExplanation(path, mapping.name, len(events), skipped, fields, dict(counts), messages)


def given(path: str, mapping: Mapping, now_ms: int, fmt: Format | None = None) -> Given:
    """Which fields the transactions of a file have; errors as of `explain`."""
    names: set[str] = set()
    count = 0
    for batch in read([path], mapping, Tokenizer(b"only to look, never to keep"), now_ms, fmt=fmt):
        rows = batch.events.take(batch.events.is_transaction)
        names.update(
            name
            for name, column in zip(rows.table.schema.names, rows.table.columns, strict=True)
            if column.null_count < len(rows)
        )
        names.update(rows.others)
        count += len(rows)
        if count >= _MOST_ROWS:
            break
    if "amount_minor" in names:
        names.add("amount")
    return Given(frozenset(names), count)


def reads(source: FieldSource) -> str:
    """Words on where a field's values come from.

    >>> reads(FieldSource(join=["Date", "Time"], format="%d.%m.%Y %H:%M"))
    "Date + Time, format '%d.%m.%Y %H:%M'"
    """
    parts = [_origin(source)]
    for name in _OPTIONS:
        value = getattr(source, name)
        if value != getattr(_PLAIN, name):
            parts.append(f"{name.replace('_', ' ')} {_option(value)}")
    return ", ".join(parts)


def _origin(source: FieldSource) -> str:
    if source.first:
        return f"the first of {', '.join(source.first)}"
    if source.join:
        return " + ".join(_part(part) for part in source.join)
    if source.credit is not None or source.debit is not None:
        return " - ".join(part for part in (source.credit or "0", source.debit) if part)
    if source.constant is not None:
        return f"always {source.constant!r}"
    if source.field is not None:
        return f"the field {source.field}"
    made = "the row's content" if source.row_id else "the row's number" if source.row_number else ""
    return " or ".join(part for part in (source.column, made) if part)


def _part(part: JoinedColumn | str) -> str:
    if isinstance(part, str):
        return part
    return f"{part.column} (to {part.pad} digits)" if part.pad else part.column


def _option(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{one} = {other}" for one, other in value.items())
    if isinstance(value, list):
        return " ".join(map(repr, value))
    return repr(value) if isinstance(value, str) and not value[:1].isalnum() else str(value)


def _of_record(record: MappedRecord, events: list[dict[str, Any]]) -> Iterable[Explained]:
    kind = int(KINDS[record.kind])
    mine = [event for event in events if event["kind"] == kind]
    names = {name.removeprefix("attributes.") for event in mine for name in event if "." in name}
    sources = {**record.sources(), **{f"attributes.{one}": _PLAIN for one in sorted(names)}}
    for name, source in record.attribute_sources(()).items():
        sources[f"attributes.{name.removeprefix('attributes.')}"] = source
    for name, source in sources.items():
        found = [shown for event in mine if (shown := _stored(name, event)) is not None]
        if not found and source.optional:
            continue
        where = name.removeprefix("attributes.") if source is _PLAIN else reads(source)
        yield Explained(record.kind, name, where, tuple(list(dict.fromkeys(found))[:_SHOWN]), len(found))
    if record.label is not None:
        yield from _of_label(record, events)


def _of_label(record: MappedRecord, events: list[dict[str, Any]]) -> Iterable[Explained]:
    assert record.label is not None
    told = [event for event in events if event["kind"] == int(KINDS["label"])]
    shown = [f"{'fraud' if event['label'] else 'good'}: {event['transaction_id']}" for event in told]
    where = f"{record.label.column}, known {record.label.delay} after the payment"
    yield Explained("label", "label", where, tuple(shown[:_SHOWN]), len(shown))


def _stored(name: str, event: dict[str, Any]) -> str | None:
    """A field of an event as a person reads it; None where it has none."""
    if name == "card_number":
        token, last4, first = (event.get(one) for one in ("card_id", "card_last4", "card_bin"))
        begins = f"begins with {first}, " if first else ""
        return None if token is None or last4 is None else f"token {token[:12]}..., {begins}ends in {last4}"
    if name == "amount":
        minor, currency = event.get("amount_minor"), event.get("currency")
        if minor is None:
            return None
        digits = currency_exponent(currency or "")
        return f"{minor / 10**digits:,.{digits}f} {currency or '(no currency)'}"
    value = event.get(TIMES.get(name, name))
    if value is None:
        return None
    text = format_ms(value) if name in TIMES else str(value)
    return text if len(text) <= _WIDTH else text[:_WIDTH] + "..."
