"""The customer's answer: a signed link that expires, and the events that an answer becomes.

Opening the link changes nothing, because mail scanners open links; a button on its page decides.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ringfence.errors import InputError

if TYPE_CHECKING:
    from ringfence.alerts.model import Alert
    from ringfence.alerts.policy import AlertPolicy

ANSWERS: Final = ("yes", "no")
LONGEST: Final = 2048
LIST_ALLOWED: Final = "customer-confirmed"
LIST_BLOCKED: Final = "customer-denied"
NOT_VALID: Final = "This link is not valid. Please use the link from our message as it is."
EXPIRED: Final = "This link has expired. Please call us on the number on the back of your card."


class Asked(NamedTuple):
    """What a link is about; `is_ours` where it went to a contact of our own records."""

    alert_id: str
    transaction_id: str
    expires_ms: int
    is_ours: bool = False


def answer_key(secret: bytes) -> bytes:
    """What links are signed with, made of a store's secret."""
    return hmac.digest(secret, b"ringfence customer answer", "sha256")


def signed(key: bytes, asked: Asked) -> str:
    """The token of a link.

    >>> key = answer_key(b"secret")
    >>> read(key, signed(key, Asked("alert-7", "tx-1", 1000)), 999)
    Asked(alert_id='alert-7', transaction_id='tx-1', expires_ms=1000, is_ours=False)
    """
    body = _packed(json.dumps(asked, separators=(",", ":")).encode())
    return f"{body}.{_packed(hmac.digest(key, body.encode(), hashlib.sha256))}"


def proved(key: bytes, token: str) -> Asked:
    """What a token is about, which may have expired; `InputError` for one that is forged or damaged."""
    body, _, signature = token.partition(".")
    expected = _packed(hmac.digest(key, body.encode("utf-8", "replace"), hashlib.sha256))
    if len(token) > LONGEST or not hmac.compare_digest(
        expected.encode(), signature.encode("utf-8", "replace")
    ):
        raise InputError(NOT_VALID)
    return Asked(*json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))


def read(key: bytes, token: str, now_ms: int) -> Asked:
    """What a token is about; `InputError` for one that is forged, damaged or has expired."""
    asked = proved(key, token)
    if now_ms >= asked.expires_ms:
        raise InputError(EXPIRED)
    return asked


def unguessed(key: bytes, event_id: str) -> str:
    """An id that stays the same and that nobody can send before: the later one of two would be refused.

    >>> unguessed(answer_key(b"secret"), "answer-alert-7")
    'answer-alert-7-3f8632590f81'
    """
    return f"{event_id}-{hmac.digest(key, event_id.encode(), hashlib.sha256).hex()[:12]}"


def events_of(
    asked: Asked, alert: Alert, answer: str, now_ms: int, policy: AlertPolicy, key: bytes
) -> list[dict[str, Any]]:
    """Records of the log that an answer becomes: a label, and a list entry where the policy wants one.

    "Yes" becomes none where the message went to a contact that the payer gave: a fraudster would answer it.
    """
    said_no = answer == "no"
    if not said_no and not (policy.contacts and asked.is_ours):
        return []
    label = {
        "kind": "label",
        "event_id": unguessed(key, f"answer-{alert.id}"),
        "event_time": now_ms,
        "transaction_id": asked.transaction_id,
        "label": said_no,
        "label_source": "customer",
    }
    wanted = policy.no_blocks if said_no else bool(policy.yes_allows)
    if not wanted or alert.entity not in ("card", "customer", "account"):
        return [label]
    entry: dict[str, Any] = {
        "kind": "list_entry",
        "event_id": unguessed(key, f"answer-{alert.id}-list"),
        "event_time": now_ms,
        "list_name": LIST_BLOCKED if said_no else LIST_ALLOWED,
        "list_kind": "block" if said_no else "allow",
        "entity_type": alert.entity,
        "entity_id": alert.entity_id,
        "note": f"answer of the customer to {alert.id}",
    }
    if not said_no:
        entry["expires_at"] = now_ms + policy.yes_allows_ms
    return [label, entry]


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
