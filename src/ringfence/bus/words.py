"""An event in words, for destinations that people read."""

from __future__ import annotations

from typing import Any, NamedTuple

from ringfence.bus.catalog import DECISION_MADE, PREFIX


class Words(NamedTuple):
    """A message for people: a title, and lines of name and value or of plain text under no name."""

    title: str
    lines: tuple[tuple[str, str], ...] = ()
    actions: tuple[str, ...] = ()  # what a reader may answer, of an alert
    subject: str = ""  # what the answer is about
    to: str = ""  # the reader, where the event and not the destination says who it is

    @property
    def text(self) -> str:
        """All of it as plain text."""
        return "\n".join([self.title, *(f"{name}: {told}" if name else told for name, told in self.lines)])


def words_of(event: dict[str, Any]) -> Words:
    """What happened, in plain English."""
    data = event.get("data", {})
    if event["type"] == DECISION_MADE:
        payment = data.get("transaction", {})
        amount = payment.get("amount")
        money = "" if amount is None else f" of {amount:,.2f} {payment.get('currency', '')}".rstrip()
        lines = [("Score", f"{data['score']:g}"), ("Reasons", ", ".join(data.get("reasons", ())) or "none")]
        shown = ("card_id", "customer_id", "merchant_id", "country")
        lines += [(name.removesuffix("_id").capitalize(), payment[name]) for name in shown if name in payment]
        return Words(f"Payment {data['transaction_id']}{money}: {data['outcome']}", tuple(lines))
    happened = event["type"].removeprefix(PREFIX).removesuffix(".v1").replace(".", " ")
    lines = [(name, str(value)) for name, value in data.items() if not isinstance(value, dict | list)]
    return Words(f"{happened.capitalize()}: {event.get('subject', '')}", tuple(lines[:20]))
