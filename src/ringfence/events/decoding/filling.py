"""Fields of a mapping, read from their columns into a draft."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow.compute as pc

from ringfence.events.bad import Reason
from ringfence.events.buffers import is_text
from ringfence.events.decoding.actions import fill_action
from ringfence.events.model import ATTRIBUTE_PREFIX, BIN_FIELDS, ID_FIELDS, Kind
from ringfence.events.personal_names import PersonalClass
from ringfence.events.privacy.altered import Altered
from ringfence.events.privacy.sensitive import Secret
from ringfence.events.values import amounts
from ringfence.events.values.currencies import CURRENCY_EXPONENT
from ringfence.events.values.degrees import LIMITS, read_degrees
from ringfence.events.values.id_checks import shortened, totals
from ringfence.events.values.shaping import (
    ShapedRows,
    as_text,
    emptied,
    is_shaped,
    shaped,
    translated,
    values_of,
)
from ringfence.events.values.visible import trimmed
from ringfence.events.values.vocabulary import TIMES
from ringfence.events.values.written import Read, currency_within, hint, read_amounts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.events.decoding.draft import Draft
    from ringfence.events.values.moments import MomentReader
    from ringfence.events.values.norms import Norms
    from ringfence.events.values.vocabulary import FieldSource

_IDS: Final = frozenset({*ID_FIELDS, "transaction_id", "entity_id"})
_SAID_SHORTENED: Final = "is a number that a spreadsheet has shortened: export this column as text"
_SAID_TRAILER: Final = "is the word of a line of totals, no payment's id: name such lines under file.trailers"

_MOST_MINOR: Final = 9 * 10**17  # and one digit more, in 64 bits


@dataclass(frozen=True, slots=True)
class Filler:
    """Fills the fields of a draft from rows, as their sources say."""

    draft: Draft
    rows: ShapedRows
    nulls: frozenset[str]
    norms: Norms
    times: MomentReader

    def field(self, name: str, source: FieldSource) -> None:
        """One field of the event; `currency` comes before `amount`."""
        if name == "amount":
            self._amount(source)
            return
        values = self.draft.dropped.without(
            self._values(name, source, " " if name in TIMES else "|"), *source.columns
        )
        if values is None or self._is_secret(source, values):
            return
        self._classify(name, source)
        if name in TIMES:
            self._time(name, source, values)
        elif name == "card_number":
            self.draft.card(values, masked=source.masked)
        elif source.card:
            self.draft.id_of_card(
                name, values, source.prefix or ("cus_" if name == "customer_id" else "crd_")
            )
        elif name == "currency":
            self.draft.currency(currency_within(values) if source.extract else values)
        elif name in LIMITS:
            self.draft.number(name, read_degrees(values, name, source), -LIMITS[name], LIMITS[name])
        elif name in ("label", "removed"):
            self.draft.boolean(name, values)
        elif name == "action":
            fill_action(self.draft, values)
        else:
            self._text(name, source, values)

    def _text(self, name: str, source: FieldSource, values: Any) -> None:
        if name in BIN_FIELDS:
            self.draft.bin(name, shaped(source, values))
            return
        if name in _IDS:
            values = trimmed(values)
            self._check_id(name, values)
        self.draft.text(name, shaped(source, values), source.prefix, self.norms)

    def attribute(self, name: str, source: FieldSource) -> None:
        """One free field."""
        values = self.draft.dropped.without(self._values(name, source, "|"), name, *source.columns)
        if values is None or self._is_secret(source, values):
            return
        full = ATTRIBUTE_PREFIX + self.draft.safe_name(name)
        self._classify(full, source)
        if source.type == "number":
            self.draft.number(full, values)
        elif source.type == "boolean":
            self.draft.boolean(full, values)
        elif source.type == "text" or source.prefix or is_shaped(source):
            self.draft.text(full, shaped(source, values), source.prefix)
        else:
            self.draft.attribute(name, values)

    def _is_secret(self, source: FieldSource, values: Any) -> bool:
        """Whether a column holds sensitive authentication data by what the mapping says: it is left out."""
        if source.personal is not PersonalClass.SECRET:
            return False
        self.draft.dropped.note(Secret.CODE, np.flatnonzero(np.asarray(pc.is_valid(values))))
        return True

    def _classify(self, name: str, source: FieldSource) -> None:
        if source.personal is not None:
            self.draft.classify(name, None if source.personal is PersonalClass.NONE else source.personal)

    def _values(self, name: str, source: FieldSource, separator: str) -> Any:
        raw = values_of(source, self.rows, self.nulls, separator)
        values, refused = translated(source, raw)
        self.draft.fault(
            refused,
            Reason.WRONG_TYPE,
            name,
            lambda row: f"{self.draft.show(raw, row)} is none of the values that the mapping names",
        )
        return values

    def _check_id(self, name: str, values: Any) -> None:
        """Refuse what is no id of one thing alone: a number cut to a few digits, the word of a total."""
        if not is_text(values):
            return
        self.draft.fault(
            shortened(values),
            Reason.WRONG_TYPE,
            name,
            lambda row: f"{self.draft.show(values, row)} {_SAID_SHORTENED}",
        )
        if name == "transaction_id":
            self.draft.fault(
                totals(values),
                Reason.TRAILER,
                name,
                lambda row: f"{self.draft.show(values, row)} {_SAID_TRAILER}",
            )

    def _time(self, name: str, source: FieldSource, values: Any) -> None:
        zones = None
        if source.zone_column is not None:
            zones = as_text(emptied(self.rows.columns[source.zone_column], self.nulls))
        # What a report dated by its day alone tells was known by the end of that day, and perhaps no earlier.
        whole_days = name == "event_time" and self.draft.kind is Kind.LABEL
        found = self.times.read(name, source, values, zones, whole_days=whole_days)
        if found.moved is not None:
            self.draft.dropped.note_altered(Altered.MOVED, found.moved & ~found.bad)
        wanted = f"a time of the form {source.format!r}"
        self.draft.moments(
            TIMES[name],
            found.ms,
            found.bad,
            lambda row: found.said.get(row, f"{self.draft.show(values, row)} is not {wanted}"),
            source.offset_s * 1000,
        )

    def _amount(self, source: FieldSource) -> None:
        if source.credit is None and source.debit is None:
            values = self._values("amount", source, "")
            found = self._read(values, source)
        else:
            sides = [
                self._side(column, source) for column in (source.credit, source.debit) if column is not None
            ]
            values = sides[0][0] if len(sides) == 1 else _shown(sides)
            found = _less(*(side for _, side in sides)) if len(sides) == 2 else sides[0][1]
            if source.credit is None:
                found.minor = -found.minor
        other = found.minor < 0
        if source.sign == "negative":
            other = found.minor > 0
            found.minor = -found.minor
        elif source.sign == "any":
            other = np.zeros(len(other), bool)
            found.minor = np.abs(found.minor)
        if source.other_sign == "skip":
            self.draft.skip(other & (found.status == amounts.Status.OK))
        self._check_currency(values, found)
        self.draft.dropped.note_altered(Altered.ROUNDED, found.rounded)
        if found.credits is not None:
            self.draft.dropped.note_altered(Altered.CREDITED, found.credits & ~other)
        self.draft.money(values, found.minor, found.status, partial(hint, source))

    def _side(self, column: str, source: FieldSource) -> tuple[Any, Read]:
        values = emptied(self.rows.columns[column], {*self.nulls, *source.null_values})
        return values, self._read(values, source)

    def _read(self, values: Any, source: FieldSource) -> Read:
        """Amounts in minor units of their currencies."""
        exponents = self.draft.exponents()
        shift = len(str(source.scale)) - 1
        limit = amounts.limit_of(exponents)
        if source.unit == "major":
            return read_amounts(values, source, exponents + shift, limit)
        more = self._own_digits(source, exponents) - exponents  # digits that the source has beyond ISO's
        own = 10 ** np.maximum(more, 0)
        most = np.minimum(limit, _MOST_MINOR // own) * own
        found = read_amounts(values, source, np.maximum(shift - np.minimum(more, 0), 0), most)
        found.rounded |= found.minor % own != 0
        found.minor = _divided(found.minor, own)
        return found

    def _own_digits(self, source: FieldSource, exponents: NDArray[np.int64]) -> NDArray[np.int64]:
        codes = self.draft.codes()
        if not source.digits or codes is None:
            return exponents
        own = {code: source.digits.get(code, CURRENCY_EXPONENT.get(code, 2)) for code in set(codes) if code}
        return np.array([own[code] if code else 2 for code in codes], np.int64)

    def _check_currency(self, values: Any, found: Read) -> None:
        """An amount that names another currency than its row is no amount."""
        codes = self.draft.codes()
        if found.named is None or codes is None:
            return
        named = found.named.to_pylist()
        differs = np.array(
            [one not in (None, code) and code is not None for one, code in zip(named, codes, strict=True)]
        )
        self.draft.fault(
            differs & (found.status == amounts.Status.OK),
            Reason.UNPARSABLE_AMOUNT,
            "amount",
            lambda row: f"{self.draft.show(values, row)} is in {named[row]}, its currency is {codes[row]}",
        )


def _less(credit: Read, debit: Read) -> Read:
    """Credit less debit; an empty side is 0, two are none."""
    empty = int(amounts.Status.EMPTY)
    both = (credit.status == empty) & (debit.status == empty)
    status = np.maximum(
        np.where(credit.status == empty, 0, credit.status), np.where(debit.status == empty, 0, debit.status)
    )
    status[both] = empty
    rounded = credit.rounded | debit.rounded
    return Read(credit.minor - debit.minor, status.astype(np.uint8), rounded)


def _shown(sides: list[tuple[Any, Read]]) -> Any:
    """What a message shows of an amount in two columns: the side that is filled."""
    credit, debit = (as_text(values) for values, _ in sides)
    return pc.coalesce(credit, debit)


def _divided(minor: NDArray[np.int64], by: NDArray[np.int64]) -> NDArray[np.int64]:
    """Integers divided, a half to even."""
    if (by == 1).all():
        return minor
    whole, rest = np.divmod(minor, by)
    up = (2 * rest > by) | ((2 * rest == by) & (whole % 2 == 1))
    return whole + up
