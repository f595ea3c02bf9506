"""Messages of topics as people may see them: others wrote them, with personal data and card numbers.

Values, keys and headers become what quarantine would keep of them: tokens for card numbers, no sensitive
authentication data, and tokens for persons where the store keeps tokens. Nothing is counted or kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.adapters.kafka.records import HEADER, KEY, kept_of, value_of
from ringfence.adapters.kafka.registry import begins_with_id
from ringfence.events.bad import ORIGINAL_LIMIT, Fault
from ringfence.events.decoding.decode import CARD_FIELDS
from ringfence.events.personal_names import PersonalClass
from ringfence.events.privacy.garbled import mask_digits
from ringfence.events.privacy.nameless import READ
from ringfence.masking import mask_cards
from ringfence.ports.topics import MessageSeen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import Message

    from ringfence.adapters.kafka.registry import SchemaRegistry
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.ports.topics import MessageQuery

_EVERYTHING: Final = frozenset({"key", "headers"})
_LEFT_OUT: Final = "***"
_NUMERIC: Final = b"0123456789 -."  # a number that the limit cuts could no longer be told by its digits
_ESCAPE: Final = re.compile(
    rb"\\+u00(?!22|5[cC])([2-7][0-9A-Fa-f])"
)  # printable, neither quote nor backslash
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_RUN: Final = re.compile("[a-z0-9_]+")
_TOKENS: Final = ("tok_", "pd_")  # stand in no message, only in what is shown of it


class MessageVeil:
    """Shows messages to people. `registry` knows schemas of values."""

    def __init__(self, tokenizer: Tokenizer, registry: SchemaRegistry | None) -> None:
        self._tokenizer = tokenizer
        self._registry = registry

    def seen(self, message: Message) -> MessageSeen:
        """A message with nothing in it that may not be shown."""
        raw = message.value() or b""
        value = value_of(message, registry=self._registry)
        kept = kept_of(message, _EVERYTHING)
        if value is None:
            text, schema = "", "tombstone"
        elif isinstance(value, Fault):
            text, schema = self._plain(raw), f"not read: {value}"
        else:
            schema, text = self._value(value)
            if begins_with_id(raw):
                number = int.from_bytes(raw[1:5], "big")
                kind = "" if self._registry is None else self._registry.kinds.get(number, "")
                schema = f"{kind.capitalize()}, schema {number}"
        has_time, at = message.timestamp()
        return MessageSeen(
            int(message.partition() or 0),
            int(message.offset() or 0),
            int(at) if has_time else None,
            self._key(str(kept.get(KEY, ""))),
            [
                self._header(name.removeprefix(HEADER), str(told))
                for name, told in kept.items()
                if name.startswith(HEADER)
            ],
            mask_cards(schema),
            text[:ORIGINAL_LIMIT],
            len(message),
        )

    def may_fit(self, message: Message, wanted: MessageQuery) -> bool:
        """Whether a look at the bytes leaves it open that a message is wanted: decoding each would be dear.

        This alone says nothing to anybody: what is found has to fit as it is shown, too.
        """
        if wanted.key:
            key = _bytes(message.key())
            if wanted.key.encode() != key and wanted.key != key.hex():
                return False
        word = wanted.match.lower()
        raw = _bytes(message.value())
        if not word.isascii() or word.startswith(_TOKENS) or begins_with_id(raw) or b"\\u" in raw:
            return True
        longest = max(_RUN.findall(word), key=len, default="").encode()
        if longest in raw.lower() or longest in _bytes(message.key()).lower():
            return True
        headers = message.headers() or ()
        pairs = headers.items() if isinstance(headers, dict) else headers
        return any(longest in _bytes(part).lower() for pair in pairs for part in pair)

    def _value(self, value: bytes) -> tuple[str, str]:
        """What it is, and how people read it."""
        clean = self._json(value)
        if clean is None:
            return "text", self._plain(value)
        if len(clean) > ORIGINAL_LIMIT:
            return "JSON", self._plain(clean)
        return "JSON", msgspec.json.format(clean, indent=2).decode()

    def _json(self, raw: bytes) -> bytes | None:
        """JSON without what may not be shown, written anew: no escape and no second member hides anything."""
        try:
            record = msgspec.json.decode(_unescaped(raw))
            whole = msgspec.json.encode(record)
        except _UNDECODABLE:
            return None
        if len(whole) > ORIGINAL_LIMIT:
            return whole
        return self._tokenizer.sanitize_json(
            whole, CARD_FIELDS, personal_fields=self._classes(record), counted=False
        )

    def _classes(self, record: Any) -> dict[str, tuple[str, PersonalClass | None]] | None:
        """Where the store keeps tokens, a token for each member that no event has: it may name anybody."""
        personal = self._tokenizer.personal
        if personal is None:
            return None
        return {
            name: (name, None if name in READ or personal.class_of(name) else PersonalClass.TEXT)
            for name in {"", *_names(record)}
        }

    def _plain(self, raw: bytes) -> str:
        """Bytes that nobody can tell the fields of, in hexadecimal where they are no text."""
        cut = raw[:ORIGINAL_LIMIT]
        if len(cut) < len(raw):
            cut = cut.rstrip(_NUMERIC)
        whole = self._tokenizer.masked(_unescaped(cut))
        try:
            return whole.decode()
        except UnicodeDecodeError as error:
            if len(cut) < len(raw) and error.start >= len(whole) - 3:  # the limit cut a letter
                return whole[: error.start].decode()
        return mask_digits(whole.hex().encode()).decode()  # packed decimals are digits there again

    def _key(self, key: str) -> str:
        raw, personal = _unescaped(key.encode()), self._tokenizer.personal
        clean = self._json(raw) if raw.startswith(b"{") else None
        if clean is not None:
            return clean.decode(errors="replace")
        if personal is not None:
            return key and personal.token(PersonalClass.TEXT, key)
        return self._tokenizer.guard_text(raw.decode(), strict=True, counted=False)

    def _header(self, name: str, told: str) -> tuple[str, str]:
        """As a member of a record, which its name tells what it is of."""
        try:
            inner = msgspec.json.decode(told) if told[:1] in ("{", "[") else told
        except _UNDECODABLE:
            inner = told
        clean = self._json(msgspec.json.encode({name: inner}))
        shown = list(msgspec.json.decode(clean).values()) if clean and len(clean) <= ORIGINAL_LIMIT else []
        text = shown[0] if shown and isinstance(shown[0], str) else None
        if text is None:
            text = msgspec.json.encode(shown[0]).decode() if shown else _LEFT_OUT
        return self._tokenizer.clean(name), text


def fits(seen: MessageSeen, wanted: MessageQuery) -> bool:
    """Whether what is shown of a message has the text that is looked for."""
    word = wanted.match.lower()
    told = (seen.key, seen.value, *(part for header in seen.headers for part in header))
    return not word or any(word in one.lower() for one in told)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


def _unescaped(raw: bytes) -> bytes:
    r"""Text with what `\u0034` stands for, however deep it was escaped; JSON stays the same JSON."""
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), raw) if b"\\u00" in raw else raw


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value or "").encode()
