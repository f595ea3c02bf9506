"""What requests and answers look like, for the document that describes the API."""

from __future__ import annotations

from typing import Any, Final

PAYMENT: Final[dict[str, Any]] = {
    "transaction_id": "pay-1001",
    "event_time": "2024-03-01T10:15:00Z",
    "amount": "12.34",
    "currency": "EUR",
    "card_number": "4111111111111111",
    "customer_id": "c-17",
    "merchant_id": "m-7",
    "country": "DE",
    "channel": "online",
    "attributes": {"basket": 3},
}
_LABEL: Final = {
    "kind": "label",
    "event_id": "label-9",
    "transaction_id": "pay-1001",
    "event_time": "2024-03-08T09:00:00Z",
    "label": True,
}
_REFUND: Final = {
    "kind": "lifecycle",
    "event_id": "refund-4",
    "transaction_id": "pay-1001",
    "event_time": "2024-03-09T12:00:00Z",
    "action": "refund",
    "amount": "5.00",
    "currency": "EUR",
}
_LIST_ENTRY: Final = {
    "kind": "list_entry",
    "event_id": "entry-3",
    "event_time": "2024-03-01T10:00:00Z",
    "list_name": "stolen devices",
    "list_kind": "block",
    "entity_type": "device",
    "entity_id": "d-5",
}
_ONE_PAYMENT: Final = {"$ref": "#/components/schemas/Transaction"}
_ONE_EVENT: Final = {"$ref": "#/components/schemas/Event"}
_LINES: Final = {"application/x-ndjson": {"schema": {"type": "string"}}}

_ARRAY_OF_PAYMENTS: Final = {
    "type": "array",
    "items": {"description": "As POST /v1/decisions takes it; one that is not has a problem as its result."},
}
_ARRAY_OF_EVENTS: Final = {
    "type": "array",
    "items": {"description": "As POST /v1/events takes it; one that is not has a problem as its result."},
}

BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/decisions": {"application/json": {"schema": _ONE_PAYMENT, "example": PAYMENT}},
    "/v1/decisions/batch": {
        "application/json": {"schema": _ARRAY_OF_PAYMENTS, "example": [PAYMENT]},
        **_LINES,
    },
    "/v1/events": {
        "application/json": {
            "schema": _ONE_EVENT,
            "examples": {
                "label": {"value": _LABEL},
                "refund": {"value": _REFUND},
                "list entry": {"value": _LIST_ENTRY},
            },
        }
    },
    "/v1/events/batch": {
        "application/json": {"schema": _ARRAY_OF_EVENTS, "example": [_LABEL]},
        **_LINES,
    },
}
"""Request bodies by path."""

ANSWERS: Final[dict[str, Any]] = {
    "DecisionAnswer": {
        "transaction_id": "pay-1001",
        "outcome": "challenge",
        "score": 35.0,
        "probability": None,
        "reasons": [
            {
                "code": "UNUSUAL_AMOUNT",
                "rule": "unusual_amount_card",
                "analyst": "The amount is 7.2 times the card's mean of the last 7 days.",
                "customer": "This payment is larger than your usual ones. Was it you?",
            }
        ],
        "shadow_rules": [],
        "typologies": {"account_takeover": 35.0},
        "degraded": [],
        "offset": 41_207,
        "event_time_ms": 1_709_288_100_000,
        "decided_at_ms": 1_709_288_100_120,
        "latency_us": 1900,
        "versions": {"features": "c2502415ec868a3c", "rules": "1f6f19b1fb82cce6"},
    },
    "Accepted": {"offset": 41_208, "duplicate": False, "status": "accepted"},
    "Health": {"status": "alive"},
}
"""Answers by the name of their schema."""
