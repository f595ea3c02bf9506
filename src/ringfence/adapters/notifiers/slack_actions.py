"""Slack's buttons as they come back: signed by Slack, and answered through the address that it gives."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from slack_sdk.errors import SlackClientError
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.webhook import WebhookClient

from ringfence.alerts.buttons import Press
from ringfence.bus.words import plain
from ringfence.errors import InputError, StoreError
from ringfence.ports.secrets import as_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.ports.secrets import SecretValue

BLOCK_ID: Final = "ringfence"
_REPLY_SECONDS: Final = 10
_MOST_NAME: Final = 80


class _Now(Clock):
    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms

    def now(self) -> float:
        return self._now_ms() / 1000


class SlackActions:
    """`ringfence.alerts.buttons.Buttons` of one Slack app.

    Args:
        secret: the app's signing secret.
        hooks: how addresses for replies begin; nothing is sent anywhere else.
    """

    def __init__(self, secret: str | SecretValue, hooks: str, now_ms: Callable[[], int]) -> None:
        self._secret, self._clock = as_secret(secret), _Now(now_ms)
        self._hooks = f"{hooks.rstrip('/')}/"

    def is_authentic(self, body: bytes, timestamp: str, signature: str) -> bool:
        """See `Buttons.is_authentic`."""
        try:
            secret = self._secret.value()
            if SignatureVerifier(secret, self._clock).is_valid(body, timestamp, signature):
                return True
            renewed = self._secret.renewed(secret)
            return renewed is not None and SignatureVerifier(renewed, self._clock).is_valid(
                body, timestamp, signature
            )
        except (ValueError, TypeError, StoreError):  # no number, no ASCII, or no secret
            return False

    def press(self, body: bytes) -> Press | None:
        """See `Buttons.press`."""
        try:
            told = json.loads(parse_qs(body.decode(), strict_parsing=True)["payload"][0])
            if told["type"] != "block_actions":
                return None
            ours = [one for one in told["actions"] if one.get("block_id") == BLOCK_ID]
            if not ours:
                return None
            user = told["user"]
            name = plain(str(user.get("username") or user["id"]))[:_MOST_NAME]
            action = ours[0]["action_id"]
            blocks = [_without(one, action) for one in told["message"]["blocks"]]
            settled = [one for one in blocks if one.get("block_id") != BLOCK_ID]
            return Press(action, ours[0]["value"], f"slack:{name}", told["response_url"], blocks, settled)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise InputError(f"this is no button of Slack: {type(error).__name__}") from None

    def reply(self, press: Press, text: str, blocks: list[dict[str, Any]] | None) -> str:
        """See `Buttons.reply`."""
        if not press.reply_to.startswith(self._hooks):
            return f"replies go to {self._hooks} only"
        context = {"type": "context", "elements": [{"type": "plain_text", "text": text[:2000]}]}
        try:
            answer = WebhookClient(press.reply_to, timeout=_REPLY_SECONDS).send(
                text=text[:2000],
                blocks=[*(blocks or ()), context],
                replace_original=blocks is not None,
                response_type=None if blocks is not None else "ephemeral",
            )
        except (SlackClientError, OSError, ValueError, HTTPException) as error:
            return f"{type(error).__name__}"
        return f"{answer.status_code} {answer.body}"[:200]


def _without(block: dict[str, Any], action: str) -> dict[str, Any]:
    if block.get("block_id") != BLOCK_ID:
        return block
    return block | {"elements": [one for one in block["elements"] if one["action_id"] != action]}
