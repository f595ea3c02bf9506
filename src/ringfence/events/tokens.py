"""Card numbers become tokens at the door: a keyed hash that stands for the number, and its last four digits.

The same number and key give the same token, so features and joins work; without the key nobody can try all
numbers.
"""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import InputError
from ringfence.events.card_memory import CardMemory
from ringfence.events.cards import is_card_number, may_hold_card, replace_cards

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

_TOKEN: Final = re.compile(r"(tok_[0-9a-f]{32})(?:/([0-9]{4}))?")
_DIGITS: Final = re.compile(r"[0-9]{12,19}")
_MANY_DIGITS: Final = re.compile(r"[0-9](?:[ -]?[0-9]){12}")  # a text without them holds no card number
_MAY_HOLD_CARD: Final = re.compile(
    rb"[0-9](?:[ -]*[0-9]){11}|[0-9][eE]|\\u"
)  # written out, or so that it may be
_DIGIT_RUN: Final = re.compile(rb"[0-9](?:[ -]?[0-9]){11,18}")
_SHORTEST_KEY: Final = 16
_EXACT_FLOAT: Final = 2**53
_REMEMBERED: Final = 1 << 16  # numbers however written that stay, with their tokens, in memory


class Tokenizer:
    """Replaces card numbers by `tok_` and 32 hex digits of HMAC-SHA256 under a secret key.

    >>> Tokenizer(b"0123456789abcdef").token("4111 1111 1111 1111")
    'tok_6ab68ca2a9a5093ababdf00856c5692b'
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < _SHORTEST_KEY:
            raise InputError(
                f"the token key has {len(key)} bytes: use at least {_SHORTEST_KEY}, random and secret"
            )
        self._key = key
        self._card = lru_cache(_REMEMBERED)(self._read_card)
        self._memory = CardMemory(self._token)

    def __repr__(self) -> str:
        return "Tokenizer(...)"

    def seed(self, purpose: str) -> int:
        """128 bits for keyed hashes that serve one purpose: equal under the same key."""
        return int.from_bytes(hmac.digest(self._key, purpose.encode(), "sha256")[:16], "little")

    def token(self, number: str) -> str:
        """Token of a card number; spaces and dashes do not count."""
        return self._token(_bare(number))

    def card(self, word: str) -> tuple[str | None, str | None]:
        """Token and last four digits of a card number, or of what `sanitize_json` made of one; else None."""
        return self._card(word)

    def cards(self, values: Any) -> tuple[Any, Any, NDArray[np.bool_]]:
        """Tokens, last four digits, and which rows hold no card number, of a column of 12 to 19 digits.

        A token passes as it is, so that a quarantined record can be read again. A number that came as a float
        is refused above 2^53, where it has lost digits. Nulls stay null.
        """
        texts = _card_text(values)
        plain = self._memory.columns(texts) if texts.null_count < len(texts) else None
        if plain is not None:
            return *plain, np.asarray(pc.and_not(pc.is_null(texts), pc.is_null(values)))
        encoded = texts.dictionary_encode()
        pairs = [self._card(word) for word in encoded.dictionary.to_pylist()]
        tokens, last4 = (pa.array([pair[i] for pair in pairs], pa.string()) for i in (0, 1))
        refused = np.append(np.array([pair[0] is None for pair in pairs], bool), False)
        rows = pc.fill_null(encoded.indices, len(pairs)).to_numpy(zero_copy_only=False)
        lost = ~np.asarray(pc.is_null(values)) & (rows == len(pairs))
        return tokens.take(encoded.indices), last4.take(encoded.indices), refused[rows] | lost

    def _read_card(self, word: str) -> tuple[str | None, str | None]:
        digits = word if word.isdigit() else _bare(word)
        if _DIGITS.fullmatch(digits):
            return self._token(digits), digits[-4:]
        known = _TOKEN.fullmatch(word)
        return (known[1], known[2]) if known else (None, None)

    def _token(self, digits: str) -> str:
        return "tok_" + hmac.digest(self._key, digits.encode(), "sha256").hex()[:32]

    def guard_text(self, text: str) -> str:
        """The text with a token in place of each card number that stands in it."""
        return replace_cards(text, self.token) if _MANY_DIGITS.search(text) else text

    def card_or_text(self, text: str) -> str:
        """`token/last4` of a card number of 12 to 19 digits, other text guarded."""
        digits = _bare(text)
        return f"{self.token(digits)}/{digits[-4:]}" if _DIGITS.fullmatch(digits) else self.guard_text(text)

    def guard(self, values: Any) -> Any:
        """A text column with tokens in place of card numbers, wherever somebody put one."""
        suspects = np.flatnonzero(may_hold_card(values))
        if not len(suspects):
            return values
        before = values.take(pa.array(suspects)).to_pylist()
        after = [text and self.guard_text(text) for text in before]
        if before == after:
            return values
        mask = np.zeros(len(values), bool)
        mask[suspects] = True
        return pc.replace_with_mask(values, mask, pa.array(after, values.type))

    def sanitize_json(self, original: bytes, card_fields: Collection[str] = ()) -> bytes:
        """The bytes of a JSON object without card numbers; the very same bytes when it holds none.

        The values of `card_fields` become `token/last4` whatever they look like. Of bytes that are no JSON
        every run of 12 to 19 digits keeps its last four only.
        """
        if not _MAY_HOLD_CARD.search(original):
            return original
        try:
            record = msgspec.json.decode(original)
            clean = self._clean(record, card_fields)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return mask_digits(original)
        return original if clean == record else msgspec.json.encode(clean)

    def _clean(self, value: Any, card_fields: Collection[str], field: str = "") -> Any:
        if isinstance(value, dict):
            return {
                self.guard_text(key): self._clean(inner, card_fields, key) for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self._clean(inner, card_fields, field) for inner in value]
        if isinstance(value, bool) or value is None:
            return value
        text = value if isinstance(value, str) else f"{value:.0f}" if isinstance(value, float) else str(value)
        guarded = self.card_or_text(text) if field in card_fields else self.guard_text(text)
        return value if guarded == text else guarded


def mask_digits(original: bytes) -> bytes:
    """Bytes in which every run of 12 to 19 digits, spaces or dashes between them, keeps only its last four.

    >>> mask_digits(b'{"card": 4111111111111111')
    b'{"card": ************1111'
    """
    return _DIGIT_RUN.sub(lambda run: b"*" * (len(run[0]) - 4) + run[0][-4:], original)


def numeric_cards(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which numbers are card numbers: whole, 13 to 19 digits, passing the Luhn check."""
    out = np.zeros(len(values), bool)
    with np.errstate(invalid="ignore"):
        suspects = np.flatnonzero((values >= 2e12) & (values < 7e18) & (values == np.floor(values)))
    for row in suspects:
        out[row] = is_card_number(str(int(values[row])))
    return out


def _bare(number: str) -> str:
    return number.replace(" ", "").replace("-", "")


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
