"""What the document says of personal data."""

from __future__ import annotations

from typing import Any, Final

from ringfence.api.openapi.pieces import ASKED, BODY, Contract, json_answer, json_body
from ringfence.api.routes.privacy import PersonAsked, PersonHeld, RevealAsked, Revealed
from ringfence.desks.person_search import PersonFile
from ringfence.desks.privacy import ErasedData

STRUCTS: Final = (RevealAsked, Revealed, PersonAsked, PersonHeld, PersonFile, ErasedData)
"""Whose schemas the document needs."""

_TOKEN: Final = f"pd_{'4f0d' * 8}"
_SOMEBODY: Final = {"customer": "C-17", "reason": "request of 2026-11-30"}
_VALUE: Final[dict[str, Any]] = {
    "kind": "contact", "masked": "a***@mail.example", "token": _TOKEN, "fields": ["email"],
    "until_ms": 1_832_000_000_000,
}  # fmt: skip
_HELD: Final[dict[str, Any]] = {
    "person": _TOKEN,
    "held": {"events": 6, "decisions": 6, "notes": 1},
    "originals": [_VALUE],
    "hold": None,
    "erased": [],
}
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
    ("post", "/v1/privacy/find"): (
        {"200": json_answer("PersonHeld", "What is held, with masked values.", example=_HELD)},
        (409, *BODY, *ASKED),
    ),
    ("post", "/v1/privacy/export"): (
        {"200": json_answer("PersonFile", "All of it, originals included.")},
        (409, *BODY, *ASKED),
    ),
    ("post", "/v1/privacy/erase"): (
        {"200": json_answer("ErasedData", "What was destroyed.")},
        (409, *BODY, *ASKED),
    ),
}
"""Answers and refusals of each route."""

BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/privacy/reveal": json_body("RevealAsked", {"token": _TOKEN, "reason": "call back on case C-7"}),
    "/v1/privacy/find": json_body("PersonAsked", _SOMEBODY),
    "/v1/privacy/export": json_body("PersonAsked", _SOMEBODY),
    "/v1/privacy/erase": json_body("PersonAsked", _SOMEBODY),
}
"""Bodies by path."""
