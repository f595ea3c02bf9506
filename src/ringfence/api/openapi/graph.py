"""What the document says of the entity graph."""

from __future__ import annotations

from typing import Final

from ringfence.api.openapi.pieces import ASKED, Contract, json_answer
from ringfence.graph.wire import NeighboursView, RingsView, RingView

STRUCTS: Final = (NeighboursView, RingsView, RingView)
"""Whose schemas the document needs."""

CONTRACT: Final[Contract] = {
    ("get", "/v1/graph/rings"): (
        {"200": json_answer("RingsView", "The rings.")},
        (404, 422, *ASKED),
    ),
    ("get", "/v1/graph/ring/{entity_type}/{entity_id}"): (
        {"200": json_answer("RingView", "The ring; the entity alone where nothing joins it to anybody.")},
        (404, 422, *ASKED),
    ),
    ("get", "/v1/graph/neighbours/{entity_type}/{entity_id}"): (
        {"200": json_answer("NeighboursView", "Links, newest first.")},
        (404, 422, *ASKED),
    ),
}
"""Answers and refusals of each route."""
