"""Events in the making: columns come in as a source has them, and leave checked; bad rows leave with faults.

Everything that turns outside data into events goes through here, so one set of limits holds for all sources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.bad import Fault, Reason
from ringfence.events.batch import EventBatch
from ringfence.events.buffers import spans
from ringfence.events.ids.identity import content_ids
from ringfence.events.model import ATTRIBUTE_PREFIX, EVENT_SCHEMA, OTHER_ATTRIBUTES, Kind
from ringfence.events.privacy.altered import Altered
from ringfence.events.privacy.dropped import Dropped
from ringfence.events.privacy.masked import with_masked
from ringfence.events.privacy.shown_values import shown
from ringfence.events.privacy.tokens import IDS, RECORD_IDS, numeric_cards
from ringfence.events.values import amounts, times
from ringfence.events.values.bins import malformed, no_bin, settled
from ringfence.events.values.currencies import (
    CURRENCIES,
    DATED,
    EVERY_CURRENCY,
    currency_code,
    exponents_of,
    outside_validity,
    validity,
    why_unknown,
)
from ringfence.events.values.norms import norm_entities
from ringfence.events.values.numbers import to_bools, to_floats, whole
from ringfence.events.values.visible import without_unseen

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ringfence.events.personal_names import PersonalClass
    from ringfence.events.privacy.sensitive import Secret
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.events.values.bins import Card
    from ringfence.events.values.norms import Norms

EARLIEST_MS: Final = 946_684_800_000
"""2000-01-01: an earlier event time is a mistake."""

AHEAD_MS: Final = 86_400_000
"""An event may be dated at most a day after it was received: clocks differ, but not by more."""

TEXT_LIMIT: Final = 4096
"""Bytes of one text field."""

NAME_LIMIT: Final = 80
_UNTOLD: Final = "is missing, so that nobody can tell whether this id is personal: name the type"
_LATEST_MS: Final = 10**14
_NO_HINT: Final = "".format
_FAR_MS: Final = 2**62  # beyond every allowed time, and safe to add to


class Draft:
    """Rows of one kind. Fill the columns, then `finish`."""

    def __init__(self, kind: Kind, rows: int, tokenizer: Tokenizer, ingest_time_ms: int) -> None:
        self.kind = kind
        self.rows = rows
        self.faults: dict[int, list[Fault]] = {}
        self.skipped = np.zeros(rows, np.bool_)  # rows that are meant to become nothing
        self.dropped = Dropped()
        self._columns: dict[str, Any] = {}
        self._cards: tuple[Any, Card, NDArray[np.bool_]] | None = None
        self._paid_with: Card | None = None
        self.tokenizer = self._tokenizer = tokenizer
        self._ingest_time_ms = ingest_time_ms
        self._dated: set[str] = set()  # currencies that were none at some time
        self._classes: dict[str, PersonalClass | None] = {}  # of personal data, where a mapping says so

    def fault(
        self, mask: NDArray[np.bool_], reason: Reason, field: str, problem: str | Callable[[int], str]
    ) -> None:
        """Refuse the rows where the mask is true."""
        if not mask.any():
            return
        field = field.removesuffix("_ms")
        for row in np.flatnonzero(mask).tolist():
            said = problem if isinstance(problem, str) else problem(row)
            self.faults.setdefault(row, []).append(Fault(reason, field, said))

    def text(self, name: str, values: Any, prefix: str = "", norms: Norms | None = None) -> None:
        """An id in its norm, a category or another text; numbers get their shortest text, empty text null."""
        texts = self._limited(name, self._as_text(name, values))
        texts = without_unseen(texts) if name in RECORD_IDS else texts
        lost: dict[Secret, list[int]] = {}
        # First: a norm takes separators away.
        texts = self._tokenizer.guard(texts, lost, strict=name in IDS)
        for secret, rows in lost.items():
            self.dropped.note(secret, rows)
        texts = (norms or self._tokenizer.norms).column(name, texts)
        self._columns[name] = pc.binary_join_element_wise(prefix, texts, "") if prefix else texts

    def card(self, values: Any, *, masked: bool = False) -> None:
        """A column of card numbers, `masked` or not: becomes `card_id`, `card_last4` and BINs."""
        self._paid_with = cards = self._kept_of("card_id", values, masked=masked)
        self._columns["card_last4"] = cards.last4
        given = self._columns.get("card_id")
        self._columns["card_id"] = cards.token if given is None else pc.coalesce(cards.token, given)

    def bin(self, name: str, values: Any) -> None:
        """First digits of card numbers, from a source that has tokens."""
        texts = self._limited(name, self._as_text(name, values))
        bad, said = malformed(name, texts), no_bin(name)
        self.fault(bad, Reason.WRONG_TYPE, name, lambda row: f"{self.show(values, row)} {said}")
        self._columns[name] = texts

    def id_of_card(self, name: str, values: Any, prefix: str) -> None:
        """An id for data that has none: one per card number, told from the card's token."""
        tail = pc.utf8_slice_codeunits(self._kept_of(name, values).token, 4)
        self._columns[name] = pc.binary_join_element_wise(prefix, tail, "")

    def copy(self, source: str, target: str) -> None:
        """The target column is the source column, already checked."""
        if source in self._columns:
            self._columns[target] = self._columns[source]

    def time(
        self, name: str, values: Any, form: str = "iso", zone: str | None = None, offset_ms: int = 0
    ) -> None:
        """A time in milliseconds; an event time must lie between 2000 and a day after it was received."""
        ms, bad = times.to_ms(values, form, zone)
        wanted = "an ISO 8601 time with a zone" if zone is None else f"a time of the form {form!r}"
        self.moments(name, ms, bad, lambda row: f"{self.show(values, row)} is not {wanted}", offset_ms)

    def moments(
        self,
        name: str,
        ms: NDArray[np.int64],
        bad: NDArray[np.bool_],
        problem: Callable[[int], str],
        offset_ms: int = 0,
    ) -> None:
        """Times that have been read already, `NO_TIME` for null; `problem` says what is wrong with a row."""
        self.fault(bad, Reason.UNPARSABLE_TIME, name, problem)
        known = (ms != times.NO_TIME) & ~bad
        ms = np.where(known, np.clip(ms, -_FAR_MS, _FAR_MS) + offset_ms, 0)
        latest = self._ingest_time_ms + AHEAD_MS if name == "event_time_ms" else _LATEST_MS
        outside = known & ((ms < EARLIEST_MS) | (ms > latest))
        allowed = f"allowed are {times.format_ms(EARLIEST_MS)} to {times.format_ms(latest)}"
        self.fault(
            outside,
            Reason.TIME_OUT_OF_RANGE,
            name,
            lambda row: (
                f"{times.format_ms(int(ms[row]))} is out of range: {allowed}"
                f"{times.other_unit(int(ms[row]), EARLIEST_MS, latest)}"
            ),
        )
        self._columns[name] = pa.array(ms, mask=~known) if not known.all() else pa.array(ms)

    def currency(self, values: Any) -> None:
        """ISO 4217 codes, in capitals or not, or their numbers."""
        encoded = self._as_text("currency", values).dictionary_encode()
        words = encoded.dictionary.to_pylist()
        codes = [word if word in CURRENCIES else currency_code(word) for word in words]
        unknown = np.array([code not in EVERY_CURRENCY for code in codes] + [False])  # the last: null's
        rows = pc.fill_null(encoded.indices, len(words)).to_numpy(zero_copy_only=False)
        self.fault(
            unknown[rows],
            Reason.UNKNOWN_CURRENCY,
            "currency",
            lambda row: f"{self.show(values, row)} {why_unknown(words[rows[row]])}",
        )
        self._dated |= DATED.keys() & codes
        self._columns["currency"] = pa.array(codes, pa.string()).take(encoded.indices)

    def amount(self, values: Any, *, minor_units: bool, shift: int = 0) -> None:
        """Amounts in major or minor units, times 10^shift; `currency` comes first: it tells the exponents."""
        exponents = self.exponents()
        digits = np.maximum((0 if minor_units else exponents) + shift, 0)
        limit = amounts.limit_of(exponents)
        minor, status, rounded = amounts.to_minor(values, digits, limit)
        self.dropped.note_altered(Altered.ROUNDED, rounded)
        self.money(values, minor, status)

    def money(
        self,
        values: Any,
        minor: NDArray[np.int64],
        status: NDArray[np.uint8],
        hint: Callable[[str], str] = _NO_HINT,
    ) -> None:
        """Amounts that have been read already, with a `Status` each; `values` and `hint` are for messages."""
        unread, absurd = status == amounts.Status.NO_NUMBER, status == amounts.Status.ABSURD
        self.fault(unread, Reason.UNPARSABLE_AMOUNT, "amount", lambda row: self._no_amount(values, row, hint))
        self.fault(absurd, Reason.ABSURD_AMOUNT, "amount", "more than 10,000,000,000,000 major units")
        self.fault(minor < 0, Reason.NEGATIVE_AMOUNT, "amount", "a payment's amount is not negative")
        lost = status != amounts.Status.OK
        self._columns["amount_minor"] = pa.array(minor, mask=lost) if lost.any() else pa.array(minor)

    def _no_amount(self, values: Any, row: int, hint: Callable[[str], str]) -> str:
        return f"{(shown := self.show(values, row))} is no amount{hint(shown)}"

    def skip(self, mask: NDArray[np.bool_]) -> None:
        """Rows that are no payments and are not meant to be: they become neither events nor faults."""
        self.skipped |= mask

    def number(self, name: str, values: Any, low: float = -np.inf, high: float = np.inf) -> None:
        """A number within limits; NaN is null."""
        floats, bad = to_floats(values)
        self.fault(bad, Reason.WRONG_TYPE, name, lambda row: f"{self.show(values, row)} is no number")
        outside = (floats < low) | (floats > high) | np.isinf(floats)
        self.fault(
            outside,
            Reason.OUT_OF_RANGE,
            name,
            lambda row: f"{floats[row]:g} is outside {low:g} to {high:g}",
        )
        if name.startswith(ATTRIBUTE_PREFIX):
            said = "a card number in a numeric field: give it as card_number, or as text"
            self.fault(numeric_cards(floats), Reason.CARD_NUMBER, name, said)
        empty = np.isnan(floats)
        self._columns[name] = pa.array(floats, mask=empty) if empty.any() else pa.array(floats)

    def boolean(self, name: str, values: Any) -> None:
        """A truth value."""
        bools, bad = to_bools(values)
        self.fault(
            bad, Reason.WRONG_TYPE, name, lambda row: f"{self.show(values, row)} is neither true nor false"
        )
        self._columns[name] = bools

    def attribute(self, name: str, values: Any) -> None:
        """A free field of the type it comes in: number, truth value or text.

        Sensitive authentication data is left out.
        """
        values = self.dropped.without(values, name)
        if values is None:
            return
        name = ATTRIBUTE_PREFIX + self.safe_name(name)
        kind = values.type
        if pa.types.is_boolean(kind):
            self._columns[name] = values
        elif self._is_personal(name) and not pa.types.is_null(kind):
            self.text(name, values)
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            self.number(name, values)
        elif not pa.types.is_null(kind):
            self.text(name, values)

    def classify(self, name: str, kind: PersonalClass | None) -> None:
        """A mapping says what a column tells of a person, whatever its name; None, nothing."""
        self._classes[name] = kind

    def _is_personal(self, name: str) -> bool:
        personal = self._tokenizer.personal
        return personal is not None and self._classes.get(name, personal.class_of(name)) is not None

    def part(self, rows: int) -> Draft:
        """A draft of the same kind, for values to be checked by themselves."""
        return Draft(self.kind, rows, self.tokenizer, self._ingest_time_ms)

    def put(self, name: str, column: Any) -> None:
        """A column that has been checked."""
        self._columns[name] = column

    def column(self, name: str) -> Any:
        """A column that has been filled."""
        return self._columns[name]

    def safe_name(self, name: str) -> str:
        """An attribute's name as it may be stored: without the prefix, without card numbers, not endless."""
        bare = name.removeprefix(ATTRIBUTE_PREFIX)[: 2 * NAME_LIMIT]
        return self._tokenizer.guard_text(bare, counted=False)[:NAME_LIMIT]

    def require(self, *names: str) -> None:
        """Refuse rows where one of these columns is null."""
        for name in names:
            column = self._columns.get(name)
            empty = np.ones(self.rows, bool) if column is None else np.asarray(pc.is_null(column))
            field = {"event_time_ms": "event_time", "amount_minor": "amount"}.get(name, name)
            # A field that is there but wrong has been named already.
            both = (name, field)
            named = [row for row, told in self.faults.items() if any(one.field in both for one in told)]
            empty[named] = False
            self.fault(empty, Reason.MISSING_FIELD, field, "is missing")

    def finish(self) -> tuple[EventBatch, NDArray[np.int64]]:
        """The events of all rows without a fault that are not skipped, and which rows these are."""
        for code, rows in outside_validity(self._dated, self._columns):
            self.fault(rows, Reason.UNKNOWN_CURRENCY, "currency", validity(code))
        self._settle_bins()
        if self.skipped.any():
            self.faults = {row: found for row, found in self.faults.items() if not self.skipped[row]}
        norm_entities(self._columns)
        personal = self._tokenizer.personal
        hand_over = None
        if personal is not None:
            hand_over, untold = personal.replace(self._columns, self.rows, self._classes)
            self.fault(untold, Reason.MISSING_FIELD, "entity_type", _UNTOLD)
        columns: dict[str, Any] = {"kind": pa.array(np.full(self.rows, int(self.kind), np.uint8))}
        if self.kind is not Kind.TRANSACTION:
            self._columns["event_id"] = self._event_ids()
        self._columns["ingest_time_ms"] = pa.array(np.full(self.rows, self._ingest_time_ms))
        for field in EVENT_SCHEMA:
            column = self._columns.get(field.name)
            if column is not None and (column.null_count < self.rows or not field.nullable):
                columns[field.name] = column
        columns |= {
            name: column
            for name, column in self._columns.items()
            if (name.startswith(ATTRIBUTE_PREFIX) or name == OTHER_ATTRIBUTES)
            and column.null_count < self.rows
        }
        table = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
        good = np.flatnonzero(~self.skipped)
        if self.faults or len(good) < self.rows:
            good = np.setdiff1d(good, list(self.faults), assume_unique=True)
            table = table.take(pa.array(good))
        self.dropped.count(self._tokenizer, good)
        if hand_over is not None:
            hand_over(good)
        return EventBatch(table), good

    def _settle_bins(self) -> None:
        found, unlike = settled(self._columns, self._paid_with)
        self.fault(
            unlike, Reason.WRONG_TYPE, "card_bin8", "does not begin with card_bin: they are of two cards"
        )
        self._columns |= found

    def _kept_of(self, name: str, values: Any, *, masked: bool = False) -> Card:
        """What is kept of a column of card numbers, worked out once however many fields use it."""
        if self._cards is None or self._cards[0] is not values:
            self._cards = (values, *self._tokenizer.cards(values))
        _, cards, refused = self._cards
        if masked:
            cards, refused = with_masked(values, cards, refused)
        said = (
            "no card number of 12 to 19 digits; where the source masks or a spreadsheet rounded them, map "
            "another column, or this one to card_id if it still tells cards apart"
        )
        self.fault(refused, Reason.CARD_NUMBER, name, said)
        return cards

    def _event_ids(self) -> Any:
        given = self._columns.pop("event_id", None)
        made = content_ids(self.kind.name.lower(), self.rows, self._columns)
        return made if given is None else pc.coalesce(given, made)

    def exponents(self) -> NDArray[np.int64]:
        """Decimals of each row's currency."""
        return exponents_of(self._columns.get("currency"), self.rows)

    def codes(self) -> list[str | None] | None:
        """Each row's currency, None where no row has one."""
        currency = self._columns.get("currency")
        found: list[str | None] | None = None if currency is None else currency.to_pylist()
        return found

    def _as_text(self, name: str, values: Any) -> Any:
        kind = values.type
        if pa.types.is_dictionary(kind):
            values = values.cast(kind.value_type)
            kind = values.type
        if pa.types.is_string(kind):
            return values
        if pa.types.is_nested(kind):
            self.fault(
                np.asarray(pc.is_valid(values)), Reason.WRONG_TYPE, name, "a list or an object is no text"
            )
            return pa.nulls(len(values), pa.string())
        return whole(values).cast(pa.string())

    def _limited(self, name: str, texts: Any) -> Any:
        """Texts with empty ones as null; those that are too long are refused."""
        _, offsets = spans(texts)
        sizes = np.diff(offsets)
        if not len(sizes):
            return texts
        if sizes.max() > TEXT_LIMIT:
            self.fault(
                sizes > TEXT_LIMIT,
                Reason.TOO_LARGE,
                name,
                lambda row: f"{sizes[row]} bytes, at most {TEXT_LIMIT} are allowed",
            )
            texts = pc.if_else(pa.array(sizes > TEXT_LIMIT), None, texts)  # nobody looks any closer
        if sizes.min() == 0:
            return pc.if_else(pc.equal(pc.binary_length(texts), 0), None, texts)
        return texts

    def show(self, values: Any, row: int) -> str:
        """A value as an error message may show it: short, and naming neither card nor person."""
        return shown(values[row].as_py(), self._tokenizer)
