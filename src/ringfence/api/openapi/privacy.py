"""What the document says of personal data."""

from __future__ import annotations

from typing import Any, Final

from ringfence.api.openapi.pieces import ASKED, BODY, Contract, json_answer, json_body
from ringfence.api.routes.privacy import RevealAsked, Revealed

STRUCTS: Final = (RevealAsked, Revealed)
"""Whose schemas the document needs."""

_TOKEN: Final = f"pd_{'4f0d' * 8}"
CONTRACT: Final[Contract] = {
    ("post", "/v1/privacy/reveal"): (
        {
            "200": json_answer(
                "Revealed",
                "The original.",
                example={"token": _TOKEN, "kind": "contact", "value": "ada@mail.example"},
            )
        },
        (409, *BODY, *ASKED),
    ),
}
"""Answers and refusals of each route."""

BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/privacy/reveal": json_body("RevealAsked", {"token": _TOKEN, "reason": "call back on case C-7"}),
}
"""Bodies by path."""
