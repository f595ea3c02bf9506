"""What the document says of the bus and of alerts."""

from __future__ import annotations

from typing import Final

from ringfence.alerts.book import Mute
from ringfence.alerts.model import Alert
from ringfence.api.handlers.bus_changes import (
    Chosen,
    DestinationView,
    NewSecret,
    Subscribe,
    Subscribed,
    TryPattern,
)
from ringfence.api.openapi.pieces import ASKED, BODY, Contract, json_answer, json_body, text_answer
from ringfence.api.routes.bus import AlertPage, BusView, EventPage, SubscriptionView
from ringfence.api.routes.mutes import ToMute, ToUnmute, Unmuted
from ringfence.api.routes.outbox import Changed, LetterPage
from ringfence.desks.alerts import Muted, MuteList
from ringfence.desks.bus import Appraisal

STRUCTS: Final = (
    *(EventPage, BusView, SubscriptionView, DestinationView, AlertPage, Alert),
    *(Subscribe, Subscribed, TryPattern, Appraisal, Chosen, Changed, LetterPage, NewSecret),
    *(Mute, Muted, MuteList, ToMute, ToUnmute, Unmuted),
)
"""Whose schemas the document needs."""

_DECLINES: Final = {"name": "declines", "to": "console:", "pattern": "outcome = 'decline' and amount > 500"}
_MUTE: Final = {
    "typology": "card_testing",
    "entity_id": "tok_9f31",
    "until_ms": 1_900_000_000_000,
    "note": "a test of ours",
}
_FORM: Final = {
    "application/x-www-form-urlencoded": {
        "schema": {"type": "object", "properties": {"payload": {"type": "string"}}}
    }
}
BODIES: Final = {
    "/v1/bus/test": json_body("TryPattern", {"pattern": '{"data": {"outcome": ["decline"]}}'}),
    "/v1/bus/subscriptions": json_body("Subscribe", _DECLINES),
    "/v1/outbox/retry": json_body("Chosen", {"all": True}),
    "/v1/outbox/purge": json_body("Chosen", {"ids": ["3f2a:decisions:17:declines"]}),
    "/v1/alerts/mutes": json_body("ToMute", _MUTE),
    "/v1/alerts/mutes/removals": json_body("ToUnmute", {"typology": "card_testing", "entity_id": "tok_9f31"}),
    "/slack/actions": _FORM,
}
"""Bodies of the routes that take one."""

_CHANGED: Final = {"200": json_answer("Changed", "It is done.")}

CONTRACT: Final[Contract] = {
    ("get", "/v1/events"): ({"200": json_answer("EventPage", "A page of events.")}, (422, *ASKED)),
    ("get", "/v1/events/stream"): (
        {"200": text_answer("text/event-stream", "Events as they come, until you hang up.")},
        (422, *ASKED),
    ),
    ("post", "/v1/bus/test"): (
        {"200": json_answer("Appraisal", "What it would have matched.")},
        (*BODY, *ASKED),
    ),
    ("post", "/v1/bus/subscriptions"): (
        {"200": json_answer("Subscribed", "The subscription.")},
        (*BODY, 409, *ASKED),
    ),
    ("post", "/v1/bus/subscriptions/{name}/pause"): (_CHANGED, (404, 422, *ASKED)),
    ("post", "/v1/bus/subscriptions/{name}/resume"): (_CHANGED, (404, 422, *ASKED)),
    ("post", "/v1/bus/subscriptions/{name}/remove"): (_CHANGED, (404, 422, *ASKED)),
    ("post", "/v1/bus/destinations/{destination}/enable"): (
        {"200": json_answer("DestinationView", "The destination as it is now.")},
        (404, 422, *ASKED),
    ),
    ("post", "/v1/bus/destinations/{destination}/rotate"): (
        {"200": json_answer("NewSecret", "The new secret.")},
        (404, 409, 422, *ASKED),
    ),
    ("get", "/v1/outbox"): ({"200": json_answer("LetterPage", "Messages.")}, (422, *ASKED)),
    ("post", "/v1/outbox/retry"): (_CHANGED, (*BODY, *ASKED)),
    ("post", "/v1/outbox/purge"): (_CHANGED, (*BODY, *ASKED)),
    ("post", "/slack/actions"): (
        {"200": {"description": "A button of Slack was taken in; what came of it follows as a message."}},
        (401, 404, 409, *BODY, 503),
    ),
    ("get", "/v1/bus"): ({"200": json_answer("BusView", "All of them.")}, ASKED),
    ("get", "/v1/alerts"): ({"200": json_answer("AlertPage", "A page of alerts.")}, (422, *ASKED)),
    ("post", "/v1/alerts/{alert_id}/acknowledge"): (
        {"200": json_answer("Alert", "The alert after it.")},
        (404, 422, *ASKED),
    ),
    ("get", "/v1/alerts/mutes"): ({"200": json_answer("MuteList", "What is muted.")}, (422, *ASKED)),
    ("post", "/v1/alerts/mutes"): (
        {"200": json_answer("Muted", "What is muted now, and what to know of it.")},
        (*BODY, *ASKED),
    ),
    ("post", "/v1/alerts/mutes/removals"): (
        {"200": json_answer("Unmuted", "Alerts are raised.")},
        (*BODY, *ASKED),
    ),
}
"""Answers and refusals of each route."""
