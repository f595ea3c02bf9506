"""What the document says of cases."""

from __future__ import annotations

from typing import Any, Final

from ringfence.api.handlers.requests import StaleCase
from ringfence.api.openapi.pieces import ASKED, BODY, Contract, json_answer, json_body, ref
from ringfence.cases import wire
from ringfence.cases.book import QueueCount
from ringfence.cases.model import Case

STRUCTS: Final = (
    *(wire.CasePage, wire.CaseView, wire.Handed, wire.NextCase, wire.OpenCase, wire.Bulk, wire.BulkResult),
    *(Case, QueueCount, StaleCase),
    *wire.Action.__args__,
)
"""Whose schemas the document needs."""

_PROBLEM: Final = {"application/problem+json": {"schema": ref("Problem")}}
_STALE: Final = {
    "description": "The case has changed since `version`: `missed` tells how, `case` is how it stands; or it "
    "does not allow this as it stands.",
    "content": {"application/problem+json": {"schema": ref("StaleCase")}},
}


def _array(name: str, description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "array", "items": ref(name)}}}
    return {"description": description, "content": content}


_ACTIONS: Final = {
    one.__struct_config__.tag: REF for one in wire.Action.__args__ for REF in (ref(one.__name__)["$ref"],)
}

_BYTES: Final = {"type": "string", "format": "binary"}

CONTRACT: Final[Contract] = {
    ("get", "/v1/cases"): ({"200": json_answer("CasePage", "A page of cases.")}, (422, *ASKED)),
    ("post", "/v1/cases"): (
        {"200": json_answer("Case", "The case that has the payment now."), "409": _STALE},
        (*BODY, 404, *ASKED),
    ),
    ("get", "/v1/cases/queues"): ({"200": _array("QueueCount", "By name.")}, ASKED),
    ("post", "/v1/cases/next"): (
        {"200": json_answer("Handed", "The case, or null where none is ready."), "409": _STALE},
        (*BODY, 404, *ASKED),
    ),
    ("post", "/v1/cases/bulk"): (
        {"200": _array("BulkResult", "What became of each, in order.")},
        (*BODY, *ASKED),
    ),
    ("get", "/v1/cases/{case_id}"): (
        {"200": json_answer("CaseView", "The case with its payments and its history.")},
        (404, 422, *ASKED),
    ),
    ("post", "/v1/cases/{case_id}/files"): (
        {"200": json_answer("Case", "The case after it."), "409": _STALE},
        (*BODY, 404, *ASKED),
    ),
    ("get", "/v1/cases/{case_id}/files/{sha256}"): (
        {"200": {"description": "The file.", "content": {"application/octet-stream": {"schema": _BYTES}}}},
        (404, 422, *ASKED),
    ),
    ("post", "/v1/cases/{case_id}/report"): (
        {
            "200": {
                "description": "The report, in the shape of goAML's, or as PDF.",
                "content": {
                    "application/xml": {"schema": {"type": "string"}},
                    "application/pdf": {"schema": _BYTES},
                },
            },
            "409": {"description": "The case is not closed as confirmed fraud.", "content": _PROBLEM},
        },
        (404, 422, *ASKED),
    ),
    ("post", "/v1/cases/{case_id}"): (
        {"200": json_answer("Case", "The case after it."), "409": _STALE},
        (*BODY, 404, *ASKED),
    ),
}
"""Answers and refusals of each route."""

_SEEN: Final = {"id": "C-17", "version": 3}
_CLOSE: Final = {
    "action": "close",
    "version": 3,
    "disposition": "confirmed_fraud",
    "typology": "card_testing",
    "block": ["card"],
    "note": "the customer did not know these payments",
}
BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/cases/{case_id}/files": {"application/octet-stream": {"schema": _BYTES}},
    "/v1/cases": json_body("OpenCase", {"transaction_id": "t-1001"}),
    "/v1/cases/next": json_body("NextCase", {"queue": "default"}),
    "/v1/cases/bulk": json_body(
        "Bulk", {"cases": [_SEEN], "act": {"action": "snooze", "version": 1, "minutes": 60}}
    ),
    "/v1/cases/{case_id}": {
        "application/json": {
            "schema": {
                "oneOf": [{"$ref": found} for found in _ACTIONS.values()],
                "discriminator": {"propertyName": "action", "mapping": _ACTIONS},
            },
            "example": _CLOSE,
        }
    },
}
