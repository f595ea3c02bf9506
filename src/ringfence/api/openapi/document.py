"""The OpenAPI document: parameters as FastAPI reads them, bodies and answers as their structs have them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
from fastapi.openapi.utils import get_openapi

from ringfence.api.handlers.reading import Details, EntityState, Page
from ringfence.api.hot.answers import DecisionAnswer
from ringfence.api.hot.outcomes import Accepted
from ringfence.api.http.problems import Problem
from ringfence.api.openapi import (
    access,
    audit,
    bus,
    cases,
    examples,
    graph,
    models,
    privacy,
    quarantine,
    rules,
    trials,
    views,
)
from ringfence.api.openapi.pieces import (
    ASKED,
    BODY,
    CONNECTION,
    Contract,
    json_answer,
    ref,
    schemas_of,
    text_answer,
)
from ringfence.api.routes.health import Health, Readiness
from ringfence.events.decoding.record import RECORDS
from ringfence.events.model import ACTIONS
from ringfence.events.values.currencies import EVERY_CURRENCY

if TYPE_CHECKING:
    from fastapi import FastAPI

_STRUCTS: Final = (
    *(DecisionAnswer, Accepted, Problem, Details, EntityState, Page, Health, Readiness),
    *rules.STRUCTS,
    *models.STRUCTS,
    *trials.STRUCTS,
    *cases.STRUCTS,
    *bus.STRUCTS,
    *graph.STRUCTS,
    *audit.STRUCTS,
    *access.STRUCTS,
    *views.STRUCTS,
    *privacy.STRUCTS,
    *quarantine.STRUCTS,
)
_PROBLEMS: Final = {
    400: "The body cannot be read.",
    401: "No key or token in force was sent.",
    403: "The caller lacks the role, or somebody else has to approve.",
    404: "There is no such thing.",
    408: "The request came too slowly.",
    409: "The id came before with other content, or an edit is stale; `fields` names what differs.",
    413: "The body is too large.",
    415: "The body's type or encoding is not taken.",
    421: "The server does not go by the name in the Host header.",
    422: "A field or parameter is wrong; `errors` says which.",
    429: "The caller's limit is spent; Retry-After says for how long.",
    431: "The address and headers are too long.",
    503: "Too much is waiting, or the server starts or stops; Retry-After says when to try again.",
}
_RETRY: Final = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
_REPLAYED: Final = {
    "Idempotency-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "Present when this is the stored decision on a payment that came before.",
    }
}
_LONGEST: Final = 4096
_NEEDED: Final = {
    "Transaction": ["transaction_id", "event_time"],
    "Label": ["kind", "transaction_id", "event_time", "label"],
    "Profile": ["kind", "event_time", "entity_type", "entity_id"],
    "ListEntry": ["kind", "event_time", "list_name", "list_kind", "entity_id"],
    "Flag": ["kind", "event_time", "entity_type", "entity_id"],
    "Lifecycle": ["kind", "event_time", "transaction_id", "action"],
}
_DATE_TIME: Final = (
    "^20(0[0-9]|1[0-9]|2[0-5])-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
    "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](Z|[+-]0[0-9]:00)$"
)
_TIME: Final = {
    "description": "ISO 8601 with a zone, or milliseconds since 1970; since 2000, and not in the future.",
    "anyOf": [
        {"type": "string", "pattern": _DATE_TIME},
        {"type": "integer", "minimum": 946_684_800_000},
    ],
}
_FIELDS: Final[dict[str, Any]] = {
    "event_time": _TIME,
    "effective_at": _TIME,
    "expires_at": _TIME,
    "amount": {
        "description": "In major units of the currency; as text it is exact whatever its size.",
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1_000_000},
            {"type": "string", "pattern": "^[0-9]{1,7}$"},
        ],
    },
    "amount_minor": {"type": "integer", "minimum": 0, "maximum": 1_000_000_000_000},
    "currency": {"enum": sorted(EVERY_CURRENCY)},
    "card_number": {
        "description": "Becomes a token, card_id, before anything is kept.",
        "type": "string",
        "pattern": "^[2-6][0-9]{12,18}$",
    },
    "lat": {"type": "number", "minimum": -90, "maximum": 90},
    "lon": {"type": "number", "minimum": -180, "maximum": 180},
    "list_kind": {"enum": ["allow", "block", "watch"]},
    "label": {"type": "boolean"},
    "action": {"enum": list(ACTIONS)},
    "attributes": {
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {
            "anyOf": [{"type": "string", "maxLength": 4096}, {"type": ["boolean", "number", "null"]}]
        },
    },
}


def document(app: FastAPI) -> bytes:
    """The document as JSON."""
    found = get_openapi(
        title="Ringfence",
        version="1",
        description="Whether a payment may pass: durable before it is answered, the same when asked again.",
        routes=app.routes,
    )
    found["components"] = {"schemas": _schemas(), "securitySchemes": _SECURITY}
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            _describe(path, method, operation)
    return msgspec.json.encode(found)


def allowed_methods(path: str) -> list[str]:
    """Methods that the routes of a path take, as the document has them.

    >>> allowed_methods("/v1/decisions"), allowed_methods("/v1/decisions/pay-1")
    (['GET', 'POST'], ['GET'])
    """
    exact = [method for method, template in _CONTRACT if template == path]
    found = exact or [method for method, template in _CONTRACT if re.fullmatch(_as_pattern(template), path)]
    return sorted(map(str.upper, found))


def is_route(path: str) -> bool:
    """Whether a path is that of a route without parameters, of whatever method.

    >>> is_route("/v1/cases/next"), is_route("/v1/cases/C-1")
    (True, False)
    """
    return "{" not in path and any(template == path for _, template in _CONTRACT)


def _as_pattern(template: str) -> str:
    """Ids of payments and entities may hold slashes, at the end of a path; nothing else does."""
    whole = re.sub(r"\{(transaction_id|entity_id)\}", ".+", template)
    return re.sub(r"\{[a-z_]+\}", "[^/]+", whole)


_BODIES: Final = {
    **examples.BODIES,
    **rules.BODIES,
    **cases.BODIES,
    **bus.BODIES,
    **models.BODIES,
    **trials.BODIES,
    **privacy.BODIES,
    **quarantine.BODIES,
    **access.BODIES,
    **views.BODIES,
}
_SECURITY: Final = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key (rf_...) or a JSON Web Token."}
}


def _schemas() -> dict[str, Any]:
    schemas = schemas_of((*_STRUCTS, *RECORDS.values()))
    schemas = {**schemas, "Event": {"anyOf": [ref(name) for name in _NEEDED]}}
    for name, needed in _NEEDED.items():
        _tighten(schemas[name], needed)
    for name in ("Transaction", "Lifecycle"):
        schemas[name]["anyOf"] = [{"required": ["amount"]}, {"required": ["amount_minor"]}]
    return schemas


def _tighten(schema: dict[str, Any], needed: list[str]) -> None:
    """What is checked beyond types: which fields there have to be, and what may stand in them."""
    schema["required"] = needed
    fields = schema["properties"]
    for name in fields:
        if name in _FIELDS:
            field = _FIELDS[name]
            fields[name] = field if name in needed else {"anyOf": [field, {"type": "null"}]}
            continue
        if name in needed and name != "kind":
            options = fields[name].get("anyOf", [fields[name]])
            fields[name] = {"anyOf": [option for option in options if option["type"] != "null"]}
        if "anyOf" in fields[name]:
            limits = {"maxLength": _LONGEST} | ({"minLength": 1} if name in needed else {})
            fields[name] = {"anyOf": [_bounded(option, limits) for option in fields[name]["anyOf"]]}


def _bounded(option: dict[str, Any], limits: dict[str, int]) -> dict[str, Any]:
    return option | limits if option.get("type") == "string" and "pattern" not in option else option


def _describe(path: str, method: str, operation: dict[str, Any]) -> None:
    success, problems = _CONTRACT[method, path]
    told = (*problems, *(status for status in CONNECTION if status not in problems))
    operation["responses"] = dict(success) | {str(status): _problem(status) for status in told}
    if path.startswith("/v1/") or path == "/metrics":
        operation["security"] = [{"key": []}, {}]
    body = _BODIES.get(path) if method == "post" else None
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}


def _problem(status: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": ref("Problem")}}
    response: dict[str, Any] = {"description": _PROBLEMS[status], "content": content}
    return response | ({"headers": _RETRY} if status in (429, 503) else {})


def _json(name: str, description: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return json_answer(name, description, headers, examples.ANSWERS.get(name))


_LINES: Final = text_answer(
    "application/x-ndjson",
    "One line for each record: index, status, replayed, and decision, event or problem.",
)
_CONTRACT: Final[Contract] = {
    ("post", "/v1/decisions"): (
        {"200": _json("DecisionAnswer", "The decision.", _REPLAYED)},
        (*BODY, 409, *ASKED),
    ),
    ("post", "/v1/decisions/batch"): ({"200": _LINES}, (*BODY, *ASKED)),
    ("post", "/v1/events"): ({"202": _json("Accepted", "The event is in the log.")}, (*BODY, 409, *ASKED)),
    ("post", "/v1/events/batch"): ({"200": _LINES}, (*BODY, *ASKED)),
    ("get", "/v1/decisions"): ({"200": _json("Page", "Some decisions.")}, (422, *ASKED)),
    ("get", "/v1/decisions/{transaction_id}"): (
        {"200": _json("Details", "The decision and all that it knew.")},
        (404, 422, *ASKED),
    ),
    ("get", "/v1/entities/{entity_type}/{entity_id}"): (
        {"200": _json("EntityState", "What is known.")},
        (404, 422, *ASKED),
    ),
    ("get", "/v1/stream"): (
        {"200": text_answer("text/event-stream", "Decisions as they are made, until you hang up.")},
        (422, *ASKED),
    ),
    ("get", "/healthz"): ({"200": _json("Health", "It is alive.")}, ()),
    ("get", "/readyz"): ({"200": _json("Readiness", "It decides.")}, (503,)),
    ("get", "/metrics"): ({"200": text_answer("text/plain", "Figures.")}, (401, 403, 429)),
    **rules.CONTRACT,
    **cases.CONTRACT,
    **bus.CONTRACT,
    **graph.CONTRACT,
    **audit.CONTRACT,
    **access.CONTRACT,
    **views.CONTRACT,
    **models.CONTRACT,
    **trials.CONTRACT,
    **privacy.CONTRACT,
    **quarantine.CONTRACT,
}
