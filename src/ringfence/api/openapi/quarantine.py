"""What the document says of the quarantine."""

from __future__ import annotations

from typing import Any, Final

from ringfence.api.openapi.pieces import ASKED, BODY, Contract, json_answer, json_body
from ringfence.api.routes.quarantine import ReplayedRecords, ReplayRecords

STRUCTS: Final = (ReplayRecords, ReplayedRecords)
"""Whose schemas the document needs."""

CONTRACT: Final[Contract] = {
    ("post", "/v1/quarantine/replay"): (
        {"200": json_answer("ReplayedRecords", "What became of them.")},
        (404, *BODY, *ASKED),
    ),
}
"""Answers and refusals of each route."""

BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/quarantine/replay": json_body("ReplayRecords", {"reason": "unparsable_time"}),
}
"""Bodies by path."""
