"""What the document says of saved views."""

from __future__ import annotations

from typing import Any, Final

from ringfence.access.views import NewView, SavedView, ViewList
from ringfence.api.openapi.pieces import ASKED, BODY, Contract, json_answer, json_body

STRUCTS: Final = (NewView, SavedView, ViewList)
"""Whose schemas the document needs."""

_NEW: Final[dict[str, Any]] = {
    "name": "declined tonight",
    "path": "/decisions",
    "query": "?outcome=decline",
    "layout": {"hidden": ["Merchant"], "dense": True, "sort": ["Amount", False], "widths": {}},
    "shared": False,
}
_VIEW: Final[dict[str, Any]] = _NEW | {
    "id": "V-3",
    "by": "key:1f2e3d4c",
    "by_name": "anna",
    "saved_ms": 1767225600000,
}
CONTRACT: Final[Contract] = {
    ("get", "/v1/views"): (
        {"200": json_answer("ViewList", "By page and name.", example={"views": [_VIEW], "may_share": True})},
        (422, *ASKED),
    ),
    ("post", "/v1/views"): (
        {"200": json_answer("SavedView", "The view as it is kept.", example=_VIEW)},
        (*BODY, *ASKED),
    ),
    ("post", "/v1/views/{view_id}/remove"): (
        {"200": json_answer("SavedView", "The view that is gone.", example=_VIEW)},
        (404, 422, *ASKED),
    ),
}
"""Answers and refusals of each route."""

BODIES: Final[dict[str, dict[str, Any]]] = {"/v1/views": json_body("NewView", _NEW)}
"""Bodies by path."""
