"""What the document says of models."""

from __future__ import annotations

from typing import Any, Final

from ringfence.api.openapi.pieces import ASKED, BODY, Contract, json_answer, json_body
from ringfence.api.openapi.rules import UNCONFIRMED
from ringfence.api.routes.drift import DriftAlerts, DriftPage
from ringfence.api.routes.models import ModelState, ModelStates, Promotion, Retirement
from ringfence.decisions.impact import Impact
from ringfence.learning.watching.drift_alerts import DriftAlert

STRUCTS: Final = (ModelState, ModelStates, Impact, Promotion, Retirement, DriftAlert, DriftAlerts, DriftPage)
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
            "problems": [],
        }
    ],
}
_IMPACT: Final = {
    "version": "6d1e63a0c2f9b417",
    "payments": 20000,
    "before": [19824, 92, 78, 6],
    "after": [19501, 340, 151, 8],
    "changes": [[19501, 270, 53, 0], [0, 70, 20, 2], [0, 0, 78, 0], [0, 0, 0, 6]],
    "days": 9.4,
    "money": [{"currency": "EUR", "stopped": 48_120.5, "released": 0.0}],
    "customers": 291,
    "examples": ["tx-000002000"],
    "confirm": "6d1e63a0.hnmkmimkggggg-lfgcpadkhbeinngjcombiffhdpagejlk",
}
_CHANGED: Final = (
    {"200": json_answer("ModelStates", "It is in force.", example=_STATES)},
    (*BODY, 404, 409, *ASKED),
)
_PROMOTED: Final = (_CHANGED[0] | {"409": UNCONFIRMED}, (*BODY, 404, *ASKED))

_DRIFT: Final = {
    "day_ms": 1706659200000,
    "model": "6d1e63a0c2f9b417",
    "input": "amount",
    "index": 0.41,
    "threshold": 0.25,
    "payments": 9120,
}
_PAGE: Final = {"alerts": [_DRIFT], "next_offset": 1}

CONTRACT: Final[Contract] = {
    ("get", "/v1/models"): ({"200": json_answer("ModelStates", "All of them.", example=_STATES)}, ASKED),
    ("get", "/v1/models/{version}/impact"): (
        {"200": json_answer("Impact", "By outcome, least strict first.", example=_IMPACT)},
        (404, 422, *ASKED),
    ),
    ("post", "/v1/models/{version}/promotion"): _PROMOTED,
    ("post", "/v1/models/{version}/retirement"): _CHANGED,
    ("get", "/v1/drift"): (
        {"200": json_answer("DriftPage", "All from there on.", example=_PAGE)},
        (400, 422, *ASKED),
    ),
    ("post", "/v1/drift"): (
        {"200": json_answer("DriftPage", "Those that were not known yet.", example=_PAGE)},
        (*BODY, *ASKED),
    ),
}
"""Answers and refusals of each route."""

BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/models/{version}/promotion": json_body(
        "Promotion", {"role": "rollout", "share": 0.1, "by": "customer", "note": "a tenth to begin with"}
    ),
    "/v1/models/{version}/retirement": json_body("Retirement", {"note": "too many alerts"}),
    "/v1/drift": json_body("DriftAlerts", {"alerts": [_DRIFT]}),
}
"""Bodies by path."""
