"""Buttons of a team's message: acknowledge, fraud, not fraud. Their values are signed and expire."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ringfence.alerts.answers import LONGEST, Asked, read, signed, unguessed
from ringfence.bus.words import Button
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

ACKNOWLEDGE: Final = "acknowledge"
FRAUD: Final = "fraud"
NOT_FRAUD: Final = "not_fraud"
VALID_MS: Final = 7 * 86_400_000
LABEL_SOURCE: Final = "slack"
_MOST_CHARACTERS: Final = min(LONGEST, 2000)  # what Slack takes as the value of a button
_TEXTS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "en": ((ACKNOWLEDGE, "Acknowledge"), (FRAUD, "Fraud"), (NOT_FRAUD, "Not fraud")),
    "de": ((ACKNOWLEDGE, "Übernehmen"), (FRAUD, "Betrug"), (NOT_FRAUD, "Kein Betrug")),
}


class Press(NamedTuple):
    """One button that somebody pressed.

    `rest` are the blocks of its message without that button, `settled` without any.
    """

    action: str
    value: str
    by: str
    reply_to: str
    rest: list[dict[str, Any]]
    settled: list[dict[str, Any]]


class Buttons(Protocol):
    """Reads what comes back of buttons, and answers."""

    def is_authentic(self, body: bytes, timestamp: str, signature: str) -> bool:
        """Whether the service signed this, within the last five minutes."""
        ...

    def press(self, body: bytes) -> Press | None:
        """The button that a signed body tells of; None where it is something else of the same service.

        `InputError` where it is nothing of the service.
        """
        ...

    def reply(self, press: Press, text: str, blocks: list[dict[str, Any]] | None) -> str:
        """Say what came of it; what the service said to that, "200" first where it took it.

        With `blocks`, these take the message's place, and the text is below them for all to read; otherwise
        only who pressed reads it. The text goes out as it is, without markup.
        """
        ...


def button_key(secret: bytes) -> bytes:
    """What buttons are signed with, made of a store's secret."""
    return hmac.digest(secret, b"ringfence team button", "sha256")


def buttons_of(key: bytes, data: Mapping[str, Any], language: str) -> tuple[Button, ...]:
    """Buttons of a message on an alert; none where an id is too long for one."""
    decision = data["decision"]
    expires_ms = decision["decided_at_ms"] + VALID_MS
    value = signed(key, Asked(data["alert"]["id"], decision["transaction_id"], expires_ms))
    if len(value) > _MOST_CHARACTERS:
        return ()
    return tuple(Button(action, text, value) for action, text in _TEXTS[language])


def pressed(key: bytes, value: str, now_ms: int) -> Asked:
    """What a button is about; `InputError` for one that is forged or has expired."""
    try:
        return read(key, value, now_ms)
    except InputError:
        raise InputError("This button is not valid, or no longer: please use the dashboard.") from None


def label_of(asked: Asked, action: str, by: str, now_ms: int, key: bytes) -> dict[str, Any]:
    """The record of the log that "fraud" or "not fraud" becomes."""
    return {
        "kind": "label",
        "event_id": unguessed(key, f"button-{asked.alert_id}-{asked.transaction_id}"),
        "event_time": now_ms,
        "transaction_id": asked.transaction_id,
        "label": action == FRAUD,
        "label_source": LABEL_SOURCE,
        "note": f"{asked.alert_id}, by {by}",
    }
