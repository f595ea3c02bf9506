"""An event in words, for destinations that people read."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from ringfence.bus.catalog import DECISION_MADE, PREFIX
from ringfence.events.values.currencies import major

_MOST_FIELDS: Final = 20
_WHOLE_WORDS: Final = 0.7  # of the room, which has to be used
_BREAKING: Final = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+"
)


class Button(NamedTuple):
    """Something that the reader may do, where the destination has buttons."""

    action: str
    text: str
    value: str


class Words(NamedTuple):
    """A message for people: a title, and lines of name and value or of plain text under no name."""

    title: str
    lines: tuple[tuple[str, str], ...] = ()
    to: str = ""  # the reader, where the event and not the destination says who it is
    link: str = ""  # the only line that may be shown as a link
    buttons: tuple[Button, ...] = ()

    @property
    def text(self) -> str:
        """All of it as plain text."""
        return "\n".join([self.title, *(f"{name}: {told}" if name else told for name, told in self.lines)])


def cut(text: str, most: int) -> str:
    """At most so many characters, whole words where that loses little; an ellipsis says that it was more.

    >>> cut("Card testing on card 7", 20), cut("abcdef", 4)
    ('Card testing on…', 'abc…')
    """
    if len(text) <= most:
        return text
    kept = text[: most - 1]
    space = kept.rfind(" ")
    return (kept[:space] if space > most * _WHOLE_WORDS else kept).rstrip() + "…"


def plain(text: str) -> str:
    r"""Text on one line: a payment's values make no lines, and turn the direction of no others.

    >>> plain("shop\n* Amount: 1\u202e x")
    'shop * Amount: 1 x'
    """
    return _BREAKING.sub(" ", text).strip()


def words_of(event: dict[str, Any]) -> Words:
    """What happened, in plain English."""
    told = _words_of(event)
    return Words(plain(told.title), tuple((plain(name), plain(value)) for name, value in told.lines))


def _words_of(event: dict[str, Any]) -> Words:
    data = event.get("data", {})
    if event["type"] == DECISION_MADE:
        payment = data.get("transaction", {})
        amount = payment.get("amount")
        currency = payment.get("currency") or ""
        money = "" if amount is None else f" of {major(amount, currency)} {currency}".rstrip()
        lines = [("Score", f"{data['score']:g}"), ("Reasons", ", ".join(data.get("reasons", ())) or "none")]
        shown = ("card_id", "customer_id", "merchant_id", "country")
        lines += [
            (name.removesuffix("_id").capitalize(), str(payment[name])) for name in shown if name in payment
        ]
        return Words(f"Payment {data['transaction_id']}{money}: {data['outcome']}", tuple(lines))
    happened = event["type"].removeprefix(PREFIX).removesuffix(".v1").replace(".", " ")
    lines = [(name, str(value)) for name, value in data.items() if not isinstance(value, dict | list)]
    more = len(lines) - _MOST_FIELDS
    rest = [("", f"{more} fields more are in the event itself: ringfence outbox list")] if more > 0 else []
    return Words(f"{happened.capitalize()}: {event.get('subject', '')}", (*lines[:_MOST_FIELDS], *rest))
