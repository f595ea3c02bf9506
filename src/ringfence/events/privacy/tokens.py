"""The guard at the door: no card number and no sensitive authentication data gets past it.

A card number becomes a token: a keyed hash that stands for it. The same number and key give the same token,
so features and joins work; without the key nobody can try all numbers. What may never be stored is dropped
and counted.
"""

from __future__ import annotations

import hmac
import re
from collections import Counter
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import InputError
from ringfence.events.bad import ORIGINAL_LIMIT
from ringfence.events.model import ID_FIELDS
from ringfence.events.privacy.card_memory import CardMemory
from ringfence.events.privacy.cards import may_hold_secret
from ringfence.events.privacy.garbled import (
    mask_digits,
    mask_runs,
    names_secret,
    without_secrets,
    without_spoken,
)
from ringfence.events.privacy.nameless import without_persons
from ringfence.events.privacy.sensitive import Secret, secret_in
from ringfence.events.repeated import repeated_fault
from ringfence.events.values.bins import NO_CARD, Card, bins_of
from ringfence.events.values.norms import Norms, norm
from ringfence.masking import FoundCard, find_cards, fold, is_card_number, replace_cards

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray

    from ringfence.events.personal_names import PersonalClass
    from ringfence.events.privacy.altered import Altered
    from ringfence.events.privacy.personal import PersonalData

RECORD_IDS: Final = frozenset({"transaction_id", "event_id", "entity_id"})
"""Ids of records, and of what they are about: kept as they were sent."""

IDS: Final = RECORD_IDS | frozenset(ID_FIELDS)
"""Fields that other records are joined by: in these only a network's number counts as a card's."""

_TOKEN: Final = re.compile(r"(tok_[0-9a-f]{32})(?:/([0-9]{4})(?:/b([0-9]{6}|[0-9]{8}))?)?")
_DIGITS: Final = re.compile(r"[0-9]{12,19}")
_BETWEEN: Final = re.compile("[^0-9A-Za-z*#?\u2022\u25cf\u2217\u2026]")  # digits; none of what hides some
_WRITTEN: Final = re.compile(rb"[A-Za-z\x80-\xff]")
_SHORTEST_KEY: Final = 16
_EXACT_FLOAT: Final = 2**53
_REMEMBERED: Final = 1 << 16  # numbers however written that stay, with their tokens, in memory


class Tokenizer:
    """Replaces card numbers by `tok_` and 32 hex digits of HMAC-SHA256 under a secret key.

    >>> Tokenizer(b"0123456789abcdef").token("4111 1111 1111 1111")
    'tok_6ab68ca2a9a5093ababdf00856c5692b'
    """

    def __init__(self, key: bytes, norms: Norms | None = None, personal: PersonalData | None = None) -> None:
        """`norms` say what stands for no id, and how ids are compared.

        With `personal`, personal data becomes tokens as well.
        """
        if len(key) < _SHORTEST_KEY:
            raise InputError(
                f"the token key has {len(key)} bytes: use at least {_SHORTEST_KEY}, random and secret"
            )
        self._key = key
        self._card = lru_cache(_REMEMBERED)(self._read_card)
        self._memory = CardMemory(self._token)
        self._lock = Lock()
        self.norms = norms or Norms()
        self.personal = personal
        self.dropped: Counter[str] = Counter()  # sensitive authentication data by kind, since the start
        self.altered: Counter[Altered] = Counter()  # values of files and topics, since the start

    def __repr__(self) -> str:
        return "Tokenizer(...)"

    def seed(self, purpose: str) -> int:
        """128 bits for keyed hashes that serve one purpose: equal under the same key."""
        return int.from_bytes(hmac.digest(self._key, purpose.encode(), "sha256")[:16], "little")

    def token(self, number: str) -> str:
        """Token of a card number; spaces and dashes do not count."""
        return self._token(_bare(number))

    def card(self, word: str) -> Card:
        """What is kept of a card number, or of what `sanitize_json` made of one; else `NO_CARD`."""
        return self._card(word)

    def cards(self, values: Any) -> tuple[Card, NDArray[np.bool_]]:
        """What is kept of a column of 12 to 19 digits, and which rows hold no card number.

        A token passes as it is, so that a quarantined record can be read again. A number that came as a float
        is refused above 2^53, where it has lost digits. Nulls stay null.
        """
        texts = _card_text(values)
        plain = self._memory.columns(texts) if texts.null_count < len(texts) else None
        if plain is not None:
            return plain, np.asarray(pc.and_not(pc.is_null(texts), pc.is_null(values)))
        encoded = texts.dictionary_encode()
        read = [self._card(word) for word in encoded.dictionary.to_pylist()]
        kept = (pa.array([one[part] for one in read], pa.string()) for part in range(len(NO_CARD)))
        refused = np.append(np.array([one.token is None for one in read], bool), False)
        rows = pc.fill_null(encoded.indices, len(read)).to_numpy(zero_copy_only=False)
        lost = ~np.asarray(pc.is_null(values)) & (rows == len(read))
        return Card(*(column.take(encoded.indices) for column in kept)), refused[rows] | lost

    def _read_card(self, word: str) -> Card:
        digits = word if word.isdigit() and word.isascii() else _bare(word)
        if _DIGITS.fullmatch(digits):
            return Card(self._token(digits), digits[-4:], *bins_of(digits))
        known = _TOKEN.fullmatch(word)
        if known is None:
            return NO_CARD
        first = known[3] or ""
        return Card(known[1], known[2], first[:6] or None, first if len(first) == 8 else None)

    def _token(self, digits: str) -> str:
        return "tok_" + hmac.digest(self._key, digits.encode(), "sha256").hex()[:32]

    def drop(self, secret: Secret, values: int = 1) -> None:
        """Count sensitive authentication data that is not kept."""
        if values:
            with self._lock:
                self.dropped[secret.value] += values

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """While the block runs nothing is counted as dropped: somebody only looks at what is read later."""
        before, altered = self.dropped.copy(), self.altered.copy()
        try:
            yield
        finally:
            self.altered = altered
            self.dropped.clear()
            self.dropped.update(before)

    def guard_text(self, text: str, *, strict: bool = False, counted: bool = True) -> str:
        """The text with a token in place of each card number that stands in it; a track goes with its number.

        So do a verification code and a PIN behind their names; beside a card number, whatever follows the
        name of one or of a track.

        `strict` is for ids, which keep all but cards: see `ringfence.masking`. What is dropped is counted
        unless somebody else does.
        """
        guarded = replace_cards(text, self._in_place if counted else self._token_of, strict=strict)
        if guarded != text:
            guarded = without_secrets(guarded)
        return guarded if strict else without_spoken(guarded, self.drop if counted else _uncounted)

    def clean(self, text: str) -> str:
        """`guard_text` for messages and what people write: no e-mail addresses where these are personal."""
        guarded = self.guard_text(text, counted=False)
        return guarded if self.personal is None else self.personal.guard_text(guarded)

    def _in_place(self, found: FoundCard) -> str:
        if found.is_track:
            self.drop(Secret.TRACK)
        return self._token(found.digits)

    def _token_of(self, found: FoundCard) -> str:
        return self._token(found.digits)

    def card_or_text(self, text: str, *, counted: bool = True) -> str:
        """`token/last4`, and `/b` with the BIN, of a card number of 12 to 19 digits; other text guarded.

        The letter keeps the digits before and after it apart.
        """
        if _TOKEN.fullmatch(text):
            return text
        digits = _bare(text)
        if _DIGITS.fullmatch(digits):
            six, eight = bins_of(digits)
            return f"{self.token(digits)}/{digits[-4:]}" + (f"/b{eight or six}" if six else "")
        return mask_runs(self.guard_text(text, counted=counted))

    def as_kept(self, field: str, text: str) -> str:
        """A value of a field as the log has it: what is asked for must match that.

        >>> Tokenizer(b"0123456789abcdef").as_kept("card_id", "100000000001")
        '100000000001'
        """
        known = _TOKEN.fullmatch(text) if field == "card_id" else None
        kept = known[1] if known else norm(field, self.guard_text(text, strict=field in IDS))
        return kept if self.personal is None else self.personal.as_kept(field, kept)

    def every_kept(self, field: str, text: str) -> tuple[str, ...]:
        """`as_kept`, and for a card the token as well that its number has where it came as `card_number`."""
        kept = self.as_kept(field, text)
        token: str | None = self.card(text).token if field == "card_id" else None
        return (kept,) if token in (None, kept) else (kept, token)

    def guard(self, values: Any, lost: dict[Secret, list[int]], *, strict: bool = False) -> Any:
        """A text column as `guard_text` leaves each text.

        Rows join `lost` once for each secret that they have lost; nothing is counted here.
        """
        suspects = np.flatnonzero(may_hold_secret(values, spoken=not strict))
        if not len(suspects):
            return values
        before = values.take(pa.array(suspects)).to_pylist()
        row = 0

        def lose(secret: Secret) -> None:
            lost.setdefault(secret, []).append(row)

        def in_place(found: FoundCard) -> str:
            if found.is_track:
                lose(Secret.TRACK)
            return self._token(found.digits)

        after = []
        for row, text in zip(suspects.tolist(), before, strict=True):  # noqa: B007 (`lose` reads it)
            guarded = text and replace_cards(text, in_place, strict=strict)
            if guarded != text:
                guarded = without_secrets(guarded)
            after.append(guarded if strict or not guarded else without_spoken(guarded, lose))
        if before == after:
            return values
        mask = np.zeros(len(values), bool)
        mask[suspects] = True
        return pc.replace_with_mask(values, mask, pa.array(after, values.type))

    def sanitize_json(
        self,
        original: bytes,
        card_fields: Collection[str] = (),
        id_fields: Collection[str] = IDS,
        personal_fields: Mapping[str, tuple[str, PersonalClass | None]] | None = None,
        *,
        counted: bool = True,
    ) -> bytes:
        """The bytes of a JSON object without what may not be kept; the very same bytes when it holds none.

        The values of `card_fields` become what `card_or_text` makes of them, whatever they look like; in
        `id_fields` only a network's number is a card's. Members that are sensitive authentication data are
        left out. Of bytes that are no JSON, or more than a bad record keeps, every run of 12 digits and more
        keeps its last four only. What is left out is counted unless the same bytes come here again.
        Where personal data becomes tokens, it does so here, too, by the names of members; `personal_fields`
        say of columns which fields they fill, and what these tell. Of other bytes only the shape is kept.
        """
        if len(original) > ORIGINAL_LIMIT:
            return self.masked(original)
        try:
            record = msgspec.json.decode(original)
            clean = self._clean(record, card_fields, id_fields, counted=counted)
            if self.personal is not None or personal_fields:
                clean, found = without_persons(self.personal, clean, personal_fields or {})
                if counted and self.personal is not None:
                    self.personal.record(found)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self.masked(original)
        if clean == record and not _hides_some(original):
            return original
        if repeated_fault(original) is not None:  # written anew it would be a record, and no bad one
            return self.masked(original, every=True)
        return msgspec.json.encode(clean)

    def masked(self, original: bytes, *, every: bool = False) -> bytes:
        """What may be kept of bytes that nobody can tell the fields of."""
        text = mask_digits(original, every=every or self.personal is not None)
        return text if self.personal is None else _WRITTEN.sub(b"x", text)

    def _clean(
        self,
        value: Any,
        card_fields: Collection[str],
        id_fields: Collection[str] = IDS,
        field: str = "",
        *,
        counted: bool = True,
    ) -> Any:
        if isinstance(value, dict):
            return {
                self.guard_text(key, counted=False): self._clean(
                    inner, card_fields, id_fields, key, counted=counted
                )
                for key, inner in value.items()
                if not self.is_dropped(key, inner, counted=counted)
            }
        if isinstance(value, list):
            return [self._clean(inner, card_fields, id_fields, field, counted=counted) for inner in value]
        if isinstance(value, bool) or value is None:
            return value
        text = value if isinstance(value, str) else f"{value:.0f}" if isinstance(value, float) else str(value)
        if field in card_fields:
            guarded = self.card_or_text(text, counted=counted)
        else:
            strict = field in id_fields or not isinstance(value, str)
            guarded = self.guard_text(text, strict=strict, counted=counted)
        return value if guarded == text else guarded

    def is_dropped(self, name: str, value: Any, *, counted: bool = True) -> bool:
        """Whether a named value is sensitive authentication data, which is counted then."""
        secret = secret_in(name, value)
        if secret is not None and counted:
            self.drop(secret)
        return secret is not None


def _uncounted(_: Secret) -> None:
    """Somebody else counts it."""


def _hides_some(original: bytes) -> bool:
    """Whether JSON text may hold more than its reader sees: of two members with one name that is the last."""
    text = original.decode()
    return bool(find_cards(text)) or names_secret(text)


def numeric_cards(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which numbers are card numbers: whole, and a network's."""
    out = np.zeros(len(values), bool)
    with np.errstate(invalid="ignore"):
        suspects = np.flatnonzero((values >= 5e11) & (values < 1e19) & (values == np.floor(values)))
    for row in suspects:
        out[row] = is_card_number(str(int(values[row])))
    return out


def _bare(number: str) -> str:
    """The digits of a number without what stands between them; of anything else, what is no card number."""
    return _BETWEEN.sub("", fold(number))


def _card_text(values: Any) -> Any:
    """Numbers as text; floats that have lost digits as null."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        exact = pc.and_(
            pc.less_equal(pc.abs(values), float(_EXACT_FLOAT)), pc.equal(pc.floor(values), values)
        )
        values = pc.if_else(exact, values, None).cast(pa.int64())
    return values.cast(pa.string())
