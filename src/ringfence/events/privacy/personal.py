"""Personal data at the door: a keyed token takes a value's place, and the original goes to whoever keeps it.

The token of a value depends on the value alone, in its norm, and on the key. So features, joins, rules and
the graph see what they would have seen, and the log names nobody. Each original belongs to a person: the
customer of its event, else the account, else the value is a person by itself, as a counterparty is.
"""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from ringfence.events.attributes import decoded, encoded
from ringfence.events.model import ATTRIBUTE_PREFIX, EVENT_SCHEMA, ID_FIELDS, OTHER_ATTRIBUTES
from ringfence.events.personal_names import PersonalClass, class_by_name, classes_of
from ringfence.events.values.norms import norm, norm_of_any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

TOKEN: Final = re.compile(r"pd_[0-9a-f]{32}")
"""What stands for a personal value."""

_EMAIL: Final = re.compile(
    r"[A-Za-z0-9][\w.!#$%&'*+/=?^`{|}~-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
)
_PURPOSE: Final = b"personal data"
_REMEMBERED: Final = 1 << 16  # values that stay, with their tokens, in memory
_SHORT: Final = 200  # characters of a value that is worth remembering
_OWNERS: Final = ("customer_id", "account_id")  # the first that is there is whose values they are
_OTHERS: Final = frozenset({"counterparty_id"})  # who is not the customer of the payment


class Original(NamedTuple):
    """A value in its norm: whose it is, by that person's token, and the token that stands for it.

    `field` is what it stood in, as `personal_fields` names it; empty where a record became no event and its
    sender chose the name.
    """

    person: str
    token: str
    kind: PersonalClass
    value: str
    field: str = ""


class PersonalData:
    """Puts tokens in place of personal values. Any thread may use it.

    Args:
        token_key: of the store.
        keep: takes originals, and must not wait; without it they are gone.
        fields: classes by field, where the field's name does not tell or tells wrong.
    """

    def __init__(
        self,
        token_key: bytes,
        keep: Callable[[Sequence[Original]], None] = lambda _originals: None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        self._key = hmac.digest(token_key, _PURPOSE, "sha256")
        self._keep = keep
        self._fields = classes_of(fields or {})
        self._remembered = lru_cache(_REMEMBERED)(self._made)

    def class_of(self, field: str) -> PersonalClass | None:
        """The class of a field, an attribute or a column; None where its values stay as they are."""
        if self._fields:
            found = self._fields.get(field)
            if found is None and field not in EVENT_SCHEMA.names:  # an attribute by its bare name
                found = self._fields.get(ATTRIBUTE_PREFIX + field)
            if found is not None:
                return None if found is PersonalClass.NONE else found
        return class_by_name(field)

    def token(self, kind: PersonalClass, value: str) -> str:
        """What stands for a value of a class; a token stands for itself.

        >>> PersonalData(b"0123456789abcdef").token(PersonalClass.CONTACT, " Bob@Mail.example")
        'pd_2b84f8593006a02f6f779fc580af89ec'
        """
        return self._token(kind, value)

    def _token(self, kind: PersonalClass, value: str) -> str:
        return self._read(kind, value)[0]

    def _read(self, kind: PersonalClass, value: str) -> tuple[str, str]:
        """The token, and the value in its norm."""
        return self._remembered(kind, value) if len(value) <= _SHORT else self._made(kind, value)

    def _made(self, kind: PersonalClass, value: str) -> tuple[str, str]:
        if TOKEN.fullmatch(value):
            return value, value
        normed = in_norm(kind, value)
        return "pd_" + hmac.digest(self._key, normed.encode(), "sha256").hex()[:32], normed

    def as_kept(self, field: str, text: str) -> str:
        """A value of a field as the log has it."""
        kind = self.class_of(field)
        return text if kind is None else self._token(kind, text)

    def replace(
        self, columns: dict[str, Any], rows: int, classes: Mapping[str, PersonalClass | None]
    ) -> tuple[Callable[[NDArray[np.int64]], None], NDArray[np.bool_]]:
        """Put tokens into columns of one kind of event; `classes` are what a mapping says of some of them.

        First a function that hands over the originals of the rows that became events; then the rows with an
        id of which nobody says what it is, which may not be kept.
        """
        found: list[tuple[str, PersonalClass, list[str | None], list[str | None]]] = []
        for name, column in list(columns.items()):
            kind = classes[name] if name in classes else self.class_of(name)
            if kind is not None and pa.types.is_string(column.type) and column.null_count < len(column):
                columns[name], values, tokens = self._column(kind, column)
                found.append((name, kind, values, tokens))
        entities = list(self._entities(columns))
        found += [*entities, *self._others(columns)]
        owners = [tokens for *_, tokens in entities]
        return lambda good: self._hand_over(found, good.tolist(), owners), _untold(columns, rows)

    def _column(self, kind: PersonalClass, column: Any) -> tuple[Any, list[str | None], list[str | None]]:
        values: list[str | None] = column.to_pylist()
        tokens = [None if value is None else self._token(kind, value) for value in values]
        return pa.array(tokens, pa.string()), values, tokens

    def _entities(
        self, columns: dict[str, Any]
    ) -> Iterable[tuple[str, PersonalClass, list[str | None], list[str | None]]]:
        """Ids that profiles, flags and list entries are about, by what they are."""
        ids, types = columns.get("entity_id"), columns.get("entity_type")
        if ids is None or types is None or ids.null_count == len(ids):
            return []
        values, names = ids.to_pylist(), [id_field(kind) for kind in types.to_pylist()]
        kept = [
            value and self.as_kept(name, value) if name else value
            for name, value in zip(names, values, strict=True)
        ]
        if kept == values:
            return []
        columns["entity_id"] = pa.array(kept, pa.string())
        return [
            (
                field,
                kind,
                [value if name == field else None for name, value in zip(names, values, strict=True)],
                [token if name == field else None for name, token in zip(names, kept, strict=True)],
            )
            for field in dict.fromkeys(filter(None, names))
            if (kind := self.class_of(field)) is not None
        ]

    def _others(
        self, columns: dict[str, Any]
    ) -> Iterable[tuple[str, PersonalClass, list[str | None], list[str | None]]]:
        """Attributes that have no column of their own."""
        column = columns.get(OTHER_ATTRIBUTES)
        if column is None or column.null_count == len(column):
            return []
        rows = decoded(column)
        names = {name for row in rows for name in row or () if self.class_of(name) is not None}
        found = []
        for name in names:
            kind = self.class_of(name)
            assert kind is not None
            values = [row and row.get(name) for row in rows]
            texts = [value if isinstance(value, str) else None for value in values]
            tokens = [None if text is None else self._token(kind, text) for text in texts]
            for row, token in zip(rows, tokens, strict=True):
                if row is not None and token is not None:
                    row[name] = token
            found.append((ATTRIBUTE_PREFIX + name, kind, texts, tokens))
        if names:
            columns[OTHER_ATTRIBUTES] = encoded(rows)
        return found

    def rows(self, texts: Mapping[str, list[str | None]]) -> bool:
        """Put tokens into the columns of payments, which are in their norms; whether there were any.

        The originals are handed over at once.
        """
        found = []
        for name, values in texts.items():
            kind = self.class_of(name)
            if kind is not None:
                before = values.copy()
                values[:] = [None if value is None else self._token(kind, value) for value in before]
                found.append((name, kind, before, values))
        self._hand_over(found, range(len(found[0][2])) if found else ())
        return bool(found)

    def record(self, values: Iterable[tuple[str, PersonalClass, str]]) -> None:
        """Hand over the originals of one record that did not become an event, by name of field."""
        row = [
            (name if name in EVENT_SCHEMA.names else "", kind, [value], [self._token(kind, value)])
            for name, kind, value in values
        ]
        self._hand_over(row, [0])

    def take(self, originals: Sequence[Original]) -> None:
        """Hand over what another process read."""
        if originals:
            self._keep(originals)

    def _hand_over(
        self,
        found: Sequence[tuple[str, PersonalClass, Sequence[str | None], Sequence[str | None]]],
        rows: Iterable[int],
        others: Sequence[Sequence[str | None]] = (),
    ) -> None:
        owners = [tokens for name in _OWNERS for field, _, _, tokens in found if field == name]
        owners += others
        out: dict[tuple[str, str, str], Original] = {}
        for row in rows:
            owner = next((tokens[row] for tokens in owners if tokens[row] is not None), None)
            for name, kind, values, tokens in found:
                value, token = values[row], tokens[row]
                if value is None or token is None or value == token:
                    continue
                person = token if owner is None or name in _OTHERS else owner
                if (person, token, name) not in out:
                    out[person, token, name] = Original(person, token, kind, self._read(kind, value)[1], name)
        if out:
            self._keep(list(out.values()))

    def attributes(
        self, rows: Sequence[dict[str, Any] | None], safe: Callable[[str], str]
    ) -> Sequence[dict[str, Any] | None]:
        """Free attributes with numbers as text where they are personal: a phone number written as one."""
        names = {name for row in rows for name in row or () if self.class_of(safe(name)) is not None}
        if not names:
            return rows
        return [
            row and {name: _written(value) if name in names else value for name, value in row.items()}
            for row in rows
        ]

    def guard_text(self, text: str) -> str:
        """A text with tokens in place of the e-mail addresses in it, of which no original is kept."""
        if "@" not in text:
            return text
        return _EMAIL.sub(lambda found: self._token(PersonalClass.CONTACT, found[0]), text)


def _written(value: Any) -> Any:
    """A number as its digits; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return str(int(value)) if float(value).is_integer() else str(value)


def _untold(columns: Mapping[str, Any], rows: int) -> NDArray[np.bool_]:
    ids, types = columns.get("entity_id"), columns.get("entity_type")
    if ids is None:
        return np.zeros(rows, np.bool_)
    has = np.asarray(ids.is_valid())
    return has if types is None else has & np.asarray(types.is_null())


def in_norm(kind: PersonalClass, value: str) -> str:
    """A value as tokens compare it.

    >>> in_norm(PersonalClass.CONTACT, "+49 (0)170 12345"), in_norm(PersonalClass.NAME, " Ada  Lovelace")
    ('+4917012345', 'Ada Lovelace')
    """
    if kind is PersonalClass.CONTACT:
        return norm("email" if "@" in value else "phone", value)
    if kind is PersonalClass.IDENTIFIER:
        return norm_of_any(value)
    return value if kind is PersonalClass.TEXT else " ".join(value.split())


def id_field(entity_type: str | None) -> str:
    """The field that an entity's id stands in, empty where there is none.

    >>> id_field("customer"), id_field("email"), id_field("ring")
    ('customer_id', 'email', '')
    """
    return next((name for name in (f"{entity_type}_id", entity_type) if name in ID_FIELDS), None) or ""
