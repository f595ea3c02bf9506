"""Slack: Block Kit within its limits, and a text for whoever does not show blocks."""

from __future__ import annotations

from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from ringfence.adapters.notifiers.slack_actions import BLOCK_ID
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome
from ringfence.bus.words import cut
from ringfence.errors import StoreError
from ringfence.ports.secrets import as_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.bus.notifier import Message
    from ringfence.bus.words import Words
    from ringfence.ports.secrets import SecretValue

SECONDS: Final = 10
MOST_FIELDS: Final = 10
FIELD_CHARACTERS: Final = 2000
SECTION_CHARACTERS: Final = 3000
_HEADER_CHARACTERS: Final = 150
_TEXT_CHARACTERS: Final = 3000
_MOST_SECTIONS: Final = 40
_WHOLE: Final = 1 << 30  # characters: all of a text
_SIGNED_OUT: Final = frozenset({"invalid_auth", "token_revoked", "token_expired", "account_inactive"})
_FINAL: Final = frozenset(
    {"channel_not_found", "is_archived", "not_in_channel", "msg_too_long", "no_text", "invalid_blocks"}
)


class SlackNotifier:
    """A `Notifier` for `slack:#CHANNEL` addresses.

    Args:
        token: of a bot that may write there (`xoxb-…`). One that Slack refuses is looked up again at once.
        base_url: of Slack's API.
    """

    def __init__(
        self, token: str | SecretValue, base_url: str = WebClient.BASE_URL, seconds: float = SECONDS
    ) -> None:
        self._token = as_secret(token)
        self._client = WebClient(base_url=base_url, timeout=seconds)  # type: ignore[arg-type]

    def deliver(self, message: Message) -> AttemptOutcome:
        """See `Notifier.deliver`."""
        blocks, is_cut = blocks_of(message.words, message.id)
        try:
            token = self._token.value()
            try:
                self._post(message, blocks, token)
            except SlackApiError as error:
                renewed = self._token.renewed(token) if error.response.get("error") in _SIGNED_OUT else None
                if renewed is None:
                    raise
                self._post(message, blocks, renewed)
        except SlackApiError as error:
            return _outcome(error)
        except (SlackClientError, OSError, HTTPException) as error:
            return AttemptOutcome(AttemptEnd.RETRY, f"{type(error).__name__}: {error}")
        except StoreError as error:
            return AttemptOutcome(AttemptEnd.RETRY, str(error))
        return AttemptOutcome(AttemptEnd.DELIVERED, "ok; longer than Slack takes: cut" if is_cut else "ok")

    def _post(self, message: Message, blocks: list[dict[str, Any]], token: str) -> None:
        self._client.chat_postMessage(
            token=token,
            channel=message.to,
            text=escaped(message.words.text, _TEXT_CHARACTERS),
            blocks=blocks,
            metadata={"event_type": "ringfence", "event_payload": {"id": message.id}},
            unfurl_links=False,
        )

    def close(self) -> None:
        """See `Notifier.close`."""


def blocks_of(words: Words, message_id: str) -> tuple[list[dict[str, Any]], bool]:
    """A header, the named lines as fields, the others as sections, and whether anything was cut.

    Where something was, a note says so, and where all of it is.
    """
    is_cut = False

    def fitting(text: str, most: int, kept: Callable[[str, int], str] = escaped) -> str:
        nonlocal is_cut
        found = kept(text, most)
        is_cut = is_cut or found != kept(text, _WHOLE)
        return found

    title = fitting(words.title, _HEADER_CHARACTERS, cut)
    blocks: list[dict[str, Any]] = [{"type": "header", "text": {"type": "plain_text", "text": title}}]
    named = [(name, told) for name, told in words.lines if name]
    for at in range(0, len(named), MOST_FIELDS):
        fields = [
            {"type": "mrkdwn", "text": f"*{fitting(name, 200)}*\n{fitting(told, FIELD_CHARACTERS - 300)}"}
            for name, told in named[at : at + MOST_FIELDS]
        ]
        blocks.append({"type": "section", "fields": fields})
    for name, told in words.lines:
        if not name and told.strip():
            text = {"type": "mrkdwn", "text": fitting(told, SECTION_CHARACTERS)}
            blocks.append({"type": "section", "text": text})
    rest = max(0, len(blocks) - _MOST_SECTIONS)
    is_cut = is_cut or rest > 0
    if is_cut:
        note = f"Cut to what Slack takes{f', {rest} parts less' if rest else ''}. All of it: "
        command = f"`ringfence outbox show {escaped(message_id, 500)}`"
        text = {"type": "mrkdwn", "text": note + command}
        blocks = [*blocks[:_MOST_SECTIONS], {"type": "context", "elements": [text]}]
    if words.buttons:
        elements = [
            {
                "type": "button",
                "action_id": one.action,
                "text": {"type": "plain_text", "text": one.text},
                "value": one.value,
            }
            for one in words.buttons
        ]
        blocks.append({"type": "actions", "block_id": BLOCK_ID, "elements": elements})
    return blocks, is_cut


def escaped(text: str, most: int) -> str:
    """Text as Slack's markup has it, at most so many characters, never cut inside an escape.

    >>> escaped("a < b & c", 8)
    'a &lt; …'
    """
    parts, size = [], 0
    for letter in text:
        part = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}.get(letter, letter)
        size += len(part)
        parts.append(part)
        if size > most:
            while size > most - 1:
                size -= len(parts.pop())
            return cut_back(parts) + "…"
    return "".join(parts)


def cut_back(parts: list[str]) -> str:
    """Letters, without the beginning of a word at their end where that loses little."""
    space = max((at for at, part in enumerate(parts) if part == " "), default=0)
    return "".join(parts[:space] if space > 0.7 * len(parts) and space < len(parts) - 1 else parts)


def _outcome(error: SlackApiError) -> AttemptOutcome:
    response: Any = error.response
    said = str(response.get("error", "")) or f"status {response.status_code}"
    if response.status_code == 429 or said == "ratelimited":
        told = response.headers.get("Retry-After") or response.headers.get("retry-after") or "1"
        return AttemptOutcome(
            AttemptEnd.RETRY, "429 ratelimited", float(told) if str(told).isdigit() else 1.0
        )
    return AttemptOutcome(AttemptEnd.REFUSED if said in _FINAL else AttemptEnd.RETRY, said)
