"""What the document says of models."""

from __future__ import annotations

from typing import Any, Final

from ringfence.api.describing import ASKED, BODY, Contract, json_answer, json_body
from ringfence.api.routes_models import ModelState, ModelStates, Promotion, Retirement

STRUCTS: Final = (ModelState, ModelStates, Promotion, Retirement)
"""Whose schemas the document needs."""

_STATES: Final = {
    "deployment": "9c1d02f7a3b84e55",
    "models": [
        {
            "version": "6d1e63a0c2f9b417",
            "name": "cards",
            "algorithm": "lightgbm",
            "created_at": "2025-01-31T06:00:00Z",
            "role": "champion",
            "retired": False,
        }
    ],
}
_CHANGED: Final = (
    {"200": json_answer("ModelStates", "It is in force.", example=_STATES)},
    (*BODY, 404, 409, *ASKED),
)

CONTRACT: Final[Contract] = {
    ("get", "/v1/models"): ({"200": json_answer("ModelStates", "All of them.", example=_STATES)}, ASKED),
    ("post", "/v1/models/{version}/promotion"): _CHANGED,
    ("post", "/v1/models/{version}/retirement"): _CHANGED,
}
"""Answers and refusals of each route."""

BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/models/{version}/promotion": json_body(
        "Promotion", {"role": "rollout", "share": 0.1, "by": "customer", "note": "a tenth to begin with"}
    ),
    "/v1/models/{version}/retirement": json_body("Retirement", {"note": "too many alerts"}),
}
"""Bodies by path."""
