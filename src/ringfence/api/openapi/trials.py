"""What backtests and explanations take, answer and refuse."""

from __future__ import annotations

from typing import Any, Final

from ringfence.analysis.explain import Explanation
from ringfence.api.openapi.pieces import ASKED, BODY, Contract, json_answer, json_body
from ringfence.api.routes.trials import Backtest, StartBacktest

STRUCTS: Final = (Backtest, StartBacktest, Explanation)
"""Whose schemas the document needs."""

_BEGUN: Final = {
    "id": "9f2c4be01d7a6538",
    "state": "running",
    "done": 81920,
    "total": 250000,
    "problem": None,
    "report": None,
}
_EXPLAINED: Final = {
    "transaction_id": "pay-1001",
    "outcome": "review",
    "score": 35.0,
    "control": False,
    "probability": None,
    "factors": [],
    "rules": [
        {
            "id": "card_velocity",
            "title": "Many payments with one card",
            "mode": "active",
            "outcome": "review",
            "points": 35.0,
            "fired": True,
            "when": "card.count_10m >= 5",
            "analyst": "7 payments in ten minutes.",
            "condition": {
                "kind": "test",
                "text": "card.count_10m >= 5",
                "holds": True,
                "shown": "card.count_10m is 7, needs >= 5",
                "values": {"card.count_10m": 7.0},
            },
            "differ": [["card.count_10m < 5"]],
            "outcome_without": "approve",
            "score_without": 0.0,
            "clears": None,
        }
    ],
    "typologies": [],
    "notes": [],
}
_STATE: Final = (404, 422, *ASKED)

CONTRACT: Final[Contract] = {
    ("post", "/v1/rules/backtest"): (
        {"202": json_answer("Backtest", "It waits for its turn, or runs.", example=_BEGUN)},
        (*BODY, 404, *ASKED),
    ),
    ("get", "/v1/rules/backtest/{job_id}"): (
        {"200": json_answer("Backtest", "How far it is; its report once it is done.", example=_BEGUN)},
        _STATE,
    ),
    ("post", "/v1/rules/backtest/{job_id}/stop"): (
        {"200": json_answer("Backtest", "It stops at the next batch.", example=_BEGUN)},
        _STATE,
    ),
    ("get", "/v1/decisions/{transaction_id}/explanation"): (
        {"200": json_answer("Explanation", "Why it is what it is.", example=_EXPLAINED)},
        _STATE,
    ),
}
"""Answers and refusals of each route."""

BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/rules/backtest": json_body("StartBacktest", {"version": "head", "since_ms": 1706659200000}),
}
"""Bodies by path."""
