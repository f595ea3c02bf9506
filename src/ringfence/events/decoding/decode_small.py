"""Payments written as JSON to columns, for a few at a time: what every request of the API waits for.

The exact path (`decode`) draws up each column by itself, which costs the same for one row as for a thousand.
Here all texts of a batch lie in one array, are hashed in one pass, and become columns by slicing it. What is
not plain is left to the exact path: the answer is then None, never another one.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec
import numpy as np
import pyarrow as pa

from ringfence.events.attributes import ATTRIBUTES_LIMIT, arrange, encoded
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import RECORD_LIMIT
from ringfence.events.decoding.draft import AHEAD_MS, EARLIEST_MS, TEXT_LIMIT
from ringfence.events.decoding.record import Transaction
from ringfence.events.ids.hashing import hash_column
from ringfence.events.model import (
    AMOUNT_LIMIT_MAJOR,
    AMOUNT_SCALE,
    ATTRIBUTE_PREFIX,
    BIN_FIELDS,
    EVENT_SCHEMA,
    OTHER_ATTRIBUTES,
)
from ringfence.events.privacy.cards import may_hold_secret
from ringfence.events.privacy.sensitive import named
from ringfence.events.privacy.tokens import IDS
from ringfence.events.repeated import are_keys, may_repeat
from ringfence.events.values import amounts, times
from ringfence.events.values.bins import NO_CARD, Card, is_bin
from ringfence.events.values.currencies import CURRENCIES, CURRENCY_EXPONENT
from ringfence.events.values.currency_names import HUNDREDTHS
from ringfence.events.values.norms import rule_of
from ringfence.events.values.visible import may_show_nothing
from ringfence.masking import find_cards

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.events.privacy.tokens import Tokenizer

    Values = Sequence[Any]

_DECODER: Final = msgspec.json.Decoder(Transaction)
_FIELDS: Final = tuple(field.name for field in msgspec.structs.fields(Transaction))
_NOT_TEXT: Final = frozenset(
    {"event_time", "amount", "amount_minor", "currency", "card_number", "lat", "lon", "attributes"}
)
_TEXTS: Final = tuple(name for name in _FIELDS if name not in _NOT_TEXT)
_HASHED: Final = frozenset({*_TEXTS, "currency"})
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_LARGEST_PLAIN: Final = 5e11  # a larger number may be a card's
_LONGEST_NAME: Final = 80
_CODES: Final = CURRENCIES | {None}
_EXPONENTS: Final = np.arange(max(CURRENCY_EXPONENT.values()) + 1)
_LARGEST_MINOR: Final = AMOUNT_LIMIT_MAJOR * 10**_EXPONENTS  # by the currency's exponent
_FIXED_OF_MINOR: Final = AMOUNT_SCALE // 10**_EXPONENTS
_ORDER: Final = {name: place for place, name in enumerate(EVENT_SCHEMA.names)}
_PLAIN_COLUMN: Final = 1 << 10  # characters of a text that is within the limit whatever they are
assert _PLAIN_COLUMN * 4 <= TEXT_LIMIT


class _NotPlainError(Exception):
    """This batch is for the exact path."""


class _Money(NamedTuple):
    minor: NDArray[np.int64]
    fixed: NDArray[np.int64]  # as the engine takes it
    currencies: list[str | None] | None


class SmallDecoder:
    """Decodes what is plain; hashes ids with the `seed` of the log that the events are for."""

    def __init__(self, tokenizer: Tokenizer, seed: int) -> None:
        self._tokenizer = tokenizer
        self._seed = seed

    def decode(self, lines: Sequence[bytes], ingest_time_ms: int) -> EventBatch | None:
        """The payments in these lines, one a line, as `JsonDecoder` gives them, or None."""
        if not lines or max(map(len, lines)) > RECORD_LIMIT:
            return None
        try:
            records = list(map(_DECODER.decode, lines))
            return self._batch(lines, records, ingest_time_ms)
        except (*_UNREADABLE, _NotPlainError, UnicodeEncodeError, OverflowError):
            return None

    def _batch(self, lines: Sequence[bytes], records: list[Transaction], ingest_time_ms: int) -> EventBatch:
        count = len(records)
        given = dict(zip(_FIELDS, zip(*map(msgspec.structs.astuple, records), strict=True), strict=True))
        nulls = {name: values.count(None) for name, values in given.items()}
        if not are_keys(lines, _values_in(given, nulls, count)) and may_repeat(lines):
            raise _NotPlainError
        event_time_ms = _event_times(given["event_time"], ingest_time_ms)
        money = _money(given)
        texts = {name: self._plain(given[name]) for name in _TEXTS if nulls[name] < count}
        ids = texts.get("transaction_id", (None,))
        if None in ids or may_show_nothing(cast("Sequence[str]", ids)):
            raise _NotPlainError
        if nulls["card_number"] < count:
            self._cards(given["card_number"], texts)
        elif not texts.keys().isdisjoint(BIN_FIELDS):
            _check_bins(texts, count)
        if money.currencies is not None:
            texts["currency"] = money.currencies
        others = self._attributes(given["attributes"], texts) if any(given["attributes"]) else {}
        places = {name: _place(given[name], limit) for name, limit in _LIMITS if nulls[name] < count}
        kind = np.zeros(count, np.uint8)
        columns = {
            "kind": pa.array(kind),
            "event_time_ms": pa.array(event_time_ms),
            "ingest_time_ms": pa.array(np.full(count, ingest_time_ms)),
            "amount_minor": pa.array(money.minor),
            **{name: pa.array(values, from_pandas=True) for name, values in places.items()},
            **others,
        }
        batch, hashes = self._assemble(columns, texts, count)
        batch.know(
            self._seed,
            hashes,
            used=batch.table,
            kind=kind,
            event_time_ms=event_time_ms,
            only_payments=True,
            amount_fixed=money.fixed,
            amount=money.fixed / AMOUNT_SCALE,
            _numbers=places,
        )
        return batch

    def _assemble(
        self, columns: dict[str, Any], texts: dict[str, list[str | None]], count: int
    ) -> tuple[EventBatch, dict[str, NDArray[np.int64]]]:
        """One array of all texts, of which each column is a slice, and so are its hashes."""
        together = pa.array(list(chain.from_iterable(texts.values())), pa.string())
        suspects = may_hold_secret(together)
        if suspects.any() and _put(self._guarded, texts, np.flatnonzero(suspects), count):
            together = pa.array(list(chain.from_iterable(texts.values())), pa.string())
        rules = np.repeat(_rules_of(tuple(texts)), count)
        odd = self._tokenizer.norms.worth(together, rules)
        if odd.any() and _put(self._tokenizer.norms.of, texts, np.flatnonzero(odd), count):
            together = pa.array(list(chain.from_iterable(texts.values())), pa.string())
        personal = self._tokenizer.personal
        if personal is not None and personal.rows(texts):
            together = pa.array(list(chain.from_iterable(texts.values())), pa.string())
        hashes = hash_column(together, self._seed)
        known = dict.fromkeys(_HASHED, np.zeros(count, np.int64))
        for number, (name, values) in enumerate(texts.items()):
            if values.count(None) < count:
                columns[name] = together.slice(number * count, count)
                known[name] = hashes[number * count : (number + 1) * count]
        names = _in_order(tuple(columns))
        return EventBatch(pa.RecordBatch.from_arrays([columns[name] for name in names], names=names)), known

    def _guarded(self, name: str, text: str) -> str:
        """A field's text with tokens in place of card numbers."""
        return self._tokenizer.guard_text(text, strict=name in IDS)

    def _plain(self, values: Values) -> list[str | None]:
        return [
            value if value.__class__ is str and 0 < len(value) < _PLAIN_COLUMN else _text(value)
            for value in values
        ]

    def _cards(self, numbers: Values, texts: dict[str, list[str | None]]) -> None:
        if not texts.keys().isdisjoint(("card_id", *BIN_FIELDS)):
            raise _NotPlainError
        cards = [NO_CARD if number is None else self._tokenizer.card(str(number)) for number in numbers]
        kept = Card(*map(list, zip(*cards, strict=True)))
        if kept.token.count(None) > numbers.count(None):
            raise _NotPlainError
        texts |= {"card_id": kept.token, "card_last4": kept.last4, **kept.bins}

    def _attributes(
        self, attributes: Sequence[dict[str, Any] | None], texts: dict[str, list[str | None]]
    ) -> dict[str, Any]:
        """Numbers and truth values as columns; texts join the other texts."""
        columns: dict[str, Any] = {}
        if max(len(some) if some else 0 for some in attributes) > ATTRIBUTES_LIMIT:
            raise _NotPlainError
        arranged, others = arrange(attributes)
        for name, (kind, values) in arranged.items():
            if not _is_plain_name(name) or (kind is not str and self._is_personal(name)):
                raise _NotPlainError
            if kind is str:
                texts[ATTRIBUTE_PREFIX + name] = self._plain(values)
            else:
                columns[ATTRIBUTE_PREFIX + name] = (
                    _numbers(values) if kind is float else pa.array(values, pa.bool_())
                )
        if others is not None:
            columns[OTHER_ATTRIBUTES] = encoded([row and self._others(row) for row in others])
        return columns

    def _is_personal(self, name: str) -> bool:
        personal = self._tokenizer.personal
        return personal is not None and personal.class_of(ATTRIBUTE_PREFIX + name) is not None

    def _others(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Attributes of one payment that have no place in a column."""
        for name, value in row.items():
            is_large = type(value) is float and not -np.inf < value < _LARGEST_PLAIN
            if is_large or not _is_plain_name(name) or self._is_personal(name):
                raise _NotPlainError
        checked = {name: _text(value) if type(value) is str else value for name, value in row.items()}
        if any(isinstance(value, str) and find_cards(value) for value in checked.values()):
            raise _NotPlainError  # what is left out would be counted, and then again
        return {name: value for name, value in checked.items() if value is not None}


def _check_bins(texts: Mapping[str, list[str | None]], count: int) -> None:
    nothing: list[str | None] = [None] * count
    six, eight = (texts.get(name, nothing) for name in BIN_FIELDS)
    for name, values in zip(BIN_FIELDS, (six, eight), strict=True):
        if not all(value is None or is_bin(name, value) for value in values):
            raise _NotPlainError
    if any(long is not None and long[:6] != short for short, long in zip(six, eight, strict=True)):
        raise _NotPlainError


def _put(
    change: Callable[[str, str], str | None],
    texts: Mapping[str, list[str | None]],
    suspects: NDArray[np.int64],
    count: int,
) -> bool:
    """Put in the place of each suspect what a change makes of its field and text; whether any is another.

    Suspects count texts column by column.
    """
    names, changed = list(texts), False
    for place in suspects.tolist():
        name = names[place // count]
        column, row = texts[name], place % count
        text = column[row]
        if text is not None:
            column[row] = change(name, text)
            changed |= column[row] != text
    return changed


def _text(value: str | int | None) -> str | None:
    if not value and value != 0:
        return None
    text = str(value)
    if len(text) > _PLAIN_COLUMN:
        raise _NotPlainError
    return text


@lru_cache(maxsize=256)
def _rules_of(names: tuple[str, ...]) -> NDArray[np.uint8]:
    """The rule of each field's norm."""
    return np.array([rule_of(name) for name in names], np.uint8)


@lru_cache(maxsize=256)
def _in_order(names: tuple[str, ...]) -> list[str]:
    """Columns in the order of the schema, then attributes as they come."""
    return sorted(names, key=lambda name: _ORDER.get(name, len(_ORDER)))


_LIMITS: Final = (("lat", 90.0), ("lon", 180.0))


def _values_in(given: Mapping[str, Values], nulls: Mapping[str, int], count: int) -> int:
    """Values that the reader found, those in attributes as well."""
    found = count * len(_FIELDS) - sum(nulls.values())
    if nulls["attributes"] == count:
        return found
    return found + sum(len(attributes) for attributes in given["attributes"] if attributes)


def _any_given(values: Values) -> bool:
    """Whether any is not None."""
    return values.count(None) < len(values)


def _event_times(values: Values, ingest_time_ms: int) -> NDArray[np.int64]:
    kinds = set(map(type, values))
    if kinds == {str}:
        ms, bad = times.to_ms(pa.array(values, pa.string()), "iso", None)
        if bad.any():
            raise _NotPlainError
    elif kinds == {int}:
        ms = np.array(values, np.int64)
    else:
        raise _NotPlainError
    if ms.min() < EARLIEST_MS or ms.max() > ingest_time_ms + AHEAD_MS:
        raise _NotPlainError
    return ms


def _money(given: Mapping[str, Values]) -> _Money:
    """Amounts in minor units; one way of writing them for all."""
    currencies = None
    if _any_given(given["currency"]):
        plain = _CODES.issuperset(given["currency"])
        currencies = list(given["currency"] if plain else map(_currency, given["currency"]))
    count, written, minor = len(given["amount"]), given["amount"], given["amount_minor"]
    if not _any_given(minor):
        kinds = set(map(type, written))
        if kinds not in ({str}, {float}):
            raise _NotPlainError
        values = pa.array(written)
    elif None not in minor and not _any_given(written):
        values = pa.array(minor, pa.int64())
    else:
        raise _NotPlainError
    exponents = np.array([CURRENCY_EXPONENT.get(code or "", 2) for code in currencies or [None] * count])
    kept = exponents if not _any_given(minor) else np.zeros(count, np.int64)
    found, status, _ = amounts.to_minor(values, kept, _LARGEST_MINOR[exponents])
    if status.any() or found.min() < 0:
        raise _NotPlainError
    return _Money(found, found * _FIXED_OF_MINOR[exponents], currencies)


def _currency(code: str | None) -> str | None:
    if code is None or code in CURRENCIES:
        return code
    if not code.isascii() or code.upper() not in CURRENCIES or code in HUNDREDTHS:
        raise _NotPlainError
    return code.upper()


def _place(values: Values, limit: float) -> NDArray[np.float64]:
    """Degrees, NaN for null."""
    known = [value for value in values if value is not None]
    if not -limit <= min(known) <= max(known) <= limit:
        raise _NotPlainError
    return np.array(values, np.float64)


def _numbers(values: Values) -> Any:
    if any(value is not None and not -np.inf < value < _LARGEST_PLAIN for value in values):
        raise _NotPlainError
    return pa.array(values, pa.float64())


@lru_cache(maxsize=4096)
def _is_plain_name(name: str) -> bool:
    return (
        len(name) <= _LONGEST_NAME
        and not name.startswith(ATTRIBUTE_PREFIX)
        and named(name) is None
        and not find_cards(name)
    )
