"""What the routes of the audit trail answer and refuse."""

from __future__ import annotations

from typing import Any, Final

from ringfence.api.openapi.pieces import ASKED, Contract, json_answer
from ringfence.api.routes.audit import AuditPage
from ringfence.audit import Head

STRUCTS: Final = (AuditPage, Head)
"""Whose schemas the document needs."""

_PAGE: Final[dict[str, Any]] = {
    "records": [
        {
            "number": 7,
            "time_ms": 1767225600000,
            "act": {
                "actor": "key:1f2e3d4c",
                "channel": "api",
                "action": "list.added",
                "object": "stolen",
                "outcome": "done",
                "details": {"entries": "3"},
            },
            "previous": "5c1d" * 16,
            "hash": "9ae3" * 16,
        }
    ],
    "after": None,
}
_HEAD: Final = {"trail": "3b6f0c1a" * 4, "number": 7, "hash": "9ae3" * 16}

CONTRACT: Final[Contract] = {
    ("get", "/v1/audit"): (
        {"200": json_answer("AuditPage", "Records, the oldest first.", example=_PAGE)},
        (422, *ASKED),
    ),
    ("get", "/v1/audit/head"): ({"200": json_answer("Head", "The newest record.", example=_HEAD)}, ASKED),
}
