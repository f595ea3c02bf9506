"""What the document says of the bus and of alerts."""

from __future__ import annotations

from typing import Final

from ringfence.alerts.model import Alert
from ringfence.api.describing import ASKED, Contract, json_answer
from ringfence.api.routes_bus import AlertPage, BusView, DestinationView, EventPage, SubscriptionView

STRUCTS: Final = (EventPage, BusView, SubscriptionView, DestinationView, AlertPage, Alert)
"""Whose schemas the document needs."""

CONTRACT: Final[Contract] = {
    ("get", "/v1/events"): ({"200": json_answer("EventPage", "A page of events.")}, (422, *ASKED)),
    ("get", "/v1/bus"): ({"200": json_answer("BusView", "All of them.")}, ASKED),
    ("get", "/v1/alerts"): ({"200": json_answer("AlertPage", "A page of alerts.")}, (422, *ASKED)),
    ("post", "/v1/alerts/{alert_id}/acknowledge"): (
        {"200": json_answer("Alert", "The alert after it.")},
        (404, 422, *ASKED),
    ),
}
"""Answers and refusals of each route."""
