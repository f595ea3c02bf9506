"""What the document says of approvals, sessions and keys."""

from __future__ import annotations

from typing import Any, Final

from ringfence.access.approvals import ApprovalRequest
from ringfence.access.sessions import ShownSession
from ringfence.api.openapi.pieces import ASKED, BODY, Contract, json_answer, json_body, ref
from ringfence.api.routes.access import ChangedKey, EndedSession, MadeKey, NewKey, ShownKey

STRUCTS: Final = (ApprovalRequest, ShownSession, EndedSession, NewKey, ChangedKey, MadeKey, ShownKey)
"""Whose schemas the document needs."""

_REQUEST: Final[dict[str, Any]] = {
    "id": "A-3",
    "deed": "models",
    "subject": "9f2c61d0a7b3e814 becomes the champion",
    "content": "5c1d0e7f" * 4,
    "asked_by": "key:1f2e3d4c",
    "asked_ms": 1767225600000,
    "reason": "finds more of the new pattern",
    "state": "waiting",
    "decided_by": None,
    "decided_ms": None,
    "note": None,
}
_KEY: Final[dict[str, Any]] = {
    "id": "1f2e3d4c",
    "name": "anna",
    "roles": ["analyst"],
    "restrict": "queue=vip",
    "rate": 0.0,
    "created_ms": 1767225600000,
    "revoked_ms": None,
}


def _many(name: str, description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "array", "items": ref(name)}}}
    return {"description": description, "content": content}


_DECIDED: Final = {"200": json_answer("ApprovalRequest", "The request, decided.", example=_REQUEST)}
_CHANGED: Final = {"200": json_answer("ShownKey", "The key as it is now.", example=_KEY)}
CONTRACT: Final[Contract] = {
    ("get", "/v1/approvals"): ({"200": _many("ApprovalRequest", "The newest first.")}, (422, *ASKED)),
    ("post", "/v1/approvals/{request_id}/approve"): (_DECIDED, (*BODY, 404, 409, *ASKED)),
    ("post", "/v1/approvals/{request_id}/decline"): (_DECIDED, (*BODY, 404, 409, *ASKED)),
    ("get", "/v1/sessions"): ({"200": _many("ShownSession", "Who is signed in.")}, ASKED),
    ("post", "/v1/sessions/{session_id}/end"): (
        {"200": json_answer("EndedSession", "Whose it was.", example={"caller": "key:1f2e3d4c"})},
        (404, 422, *ASKED),
    ),
    ("get", "/v1/keys"): ({"200": _many("ShownKey", "The oldest first.")}, (409, *ASKED)),
    ("post", "/v1/keys"): (
        {"201": json_answer("MadeKey", "The key, once.", example={"key": "rf_1f2e3d4c_..."})},
        (*BODY, 409, *ASKED),
    ),
    ("post", "/v1/keys/{key_id}"): (_CHANGED, (*BODY, 409, *ASKED)),
    ("post", "/v1/keys/{key_id}/revoke"): (_CHANGED, (409, 422, *ASKED)),
}
"""Answers and refusals of each route."""

BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/approvals/{request_id}/approve": json_body("ApprovalNote", {"note": "looked at the report"}),
    "/v1/approvals/{request_id}/decline": json_body("ApprovalNote", {"note": "not before the audit"}),
    "/v1/keys": json_body("NewKey", {"name": "anna", "roles": ["analyst"], "restrict": ["queue=vip"]}),
    "/v1/keys/{key_id}": json_body("ChangedKey", {"roles": ["viewer"], "restrict": []}),
}
"""Bodies by path."""
