"""What the document says of rules and lists."""

from __future__ import annotations

from typing import Any, Final

from ringfence.analysis.list_history import ListChange, ListSummary
from ringfence.api.handlers.requests import StaleProblem, UnconfirmedProblem
from ringfence.api.openapi.pieces import ASKED, BODY, Contract, json_answer, json_body, ref
from ringfence.rulebook import wire
from ringfence.rulebook.changes import Activation, Change
from ringfence.rulebook.checking import Checked
from ringfence.rulebook.desk import BookState, VersionState
from ringfence.rulebook.difference import Difference
from ringfence.rulebook.entries import ListResult
from ringfence.rulebook.shadow import ShadowReport

_VERSION: Final = "1f6f19b1fb82cce6"
_TEXT: Final = (
    "name: shop\nrules:\n  - {id: big, title: Big, when: amount > 900, outcome: review, reason: BIG, "
    "analyst: The amount is large.}\n"
)
_ACTIVATION: Final = {
    "digest": _VERSION,
    "offset": 41_207,
    "time_ms": 1_709_288_100_000,
    "author": "key:1f0c9d2e",
    "note": "after the review of Monday",
}
_CHANGE: Final = {
    "number": 7,
    "digest": _VERSION,
    "based_on": "c2502415ec868a3c",
    "author": "key:1f0c9d2e",
    "created_ms": 1_709_288_000_000,
    "note": "fewer challenges at night",
    "origin": "edit",
    "approved": None,
    "reviewer": None,
    "reviewed_ms": None,
    "review_note": None,
}

STRUCTS: Final = (
    *(BookState, VersionState, Change, Activation, Difference, Checked, ShadowReport, StaleProblem),
    UnconfirmedProblem,
    *(wire.CheckBook, wire.SaveBook, wire.SetMode, wire.ApprovalNote, wire.RollBack, wire.Saved),
    *(wire.Activate, wire.ImpactOf),
    *(wire.AddEntries, wire.RemoveEntries, ListResult, ListSummary, ListChange),
)
"""Whose schemas the document needs."""

_STALE: Final = {
    "description": "The edit is on a version that is not the newest (`difference` shows what changed), or "
    "nobody has confirmed the change (`impact` is its sheet; send the sheet's `confirm`).",
    "content": {
        "application/problem+json": {"schema": {"anyOf": [ref("StaleProblem"), ref("UnconfirmedProblem")]}}
    },
}
UNCONFIRMED: Final = {
    "description": "It is in force already, or nobody has confirmed the change: `impact` is its sheet, and "
    "with the sheet's `confirm` it takes effect.",
    "content": {"application/problem+json": {"schema": ref("UnconfirmedProblem")}},
}
"""409 of what puts something in force."""


def _array(name: str, description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "array", "items": ref(name)}}}
    return {"description": description, "content": content}


CONTRACT: Final[Contract] = {
    ("get", "/v1/rules"): ({"200": json_answer("BookState", "The book as it is.")}, ASKED),
    ("post", "/v1/rules/check"): (
        {"200": json_answer("Checked", "All that is wrong with it, or how often its rules fire.")},
        (*BODY, *ASKED),
    ),
    ("get", "/v1/rules/shadow"): (
        {"200": json_answer("ShadowReport", "What the shadow rules would have changed.")},
        (422, *ASKED),
    ),
    ("get", "/v1/rules/versions"): ({"200": _array("Change", "Newest first.")}, ASKED),
    ("post", "/v1/rules/versions"): (
        {
            "201": json_answer(
                "Saved",
                "It is kept.",
                example={"change": _CHANGE, "activation": None, "warnings": []},
            ),
            "409": _STALE,
        },
        (*BODY, 404, *ASKED),
    ),
    ("get", "/v1/rules/versions/{digest}"): (
        {"200": json_answer("VersionState", "The version, and what it changed.")},
        (404, 422, *ASKED),
    ),
    **{
        ("post", f"/v1/rules/versions/{{digest}}/{act}"): (
            {"200": json_answer("Change", "It is on record.", example=_CHANGE)},
            (*BODY, 404, 409, *ASKED),
        )
        for act in ("approve", "reject")
    },
    ("post", "/v1/rules/versions/{digest}/activate"): (
        {
            "200": json_answer("Activation", "It decides from this offset on.", example=_ACTIVATION),
            "409": UNCONFIRMED,
        },
        (*BODY, 404, *ASKED),
    ),
    ("post", "/v1/rules/rollback"): (
        {
            "200": json_answer("Activation", "It decides from this offset on.", example=_ACTIVATION),
            "409": UNCONFIRMED,
        },
        (*BODY, 404, *ASKED),
    ),
    ("post", "/v1/rules/impact"): (
        {"200": json_answer("Impact", "By outcome, least strict first.")},
        (*BODY, 404, 409, *ASKED),
    ),
    ("post", "/v1/rules/modes/{rule_id}"): (
        {"201": json_answer("Saved", "It is kept."), "409": _STALE},
        (*BODY, 404, *ASKED),
    ),
    ("get", "/v1/lists"): ({"200": _array("ListSummary", "By name.")}, ASKED),
    ("get", "/v1/lists/entries"): (
        {"200": _array("ListChange", "Those in force, newest first.")},
        (422, *ASKED),
    ),
    ("get", "/v1/lists/audit"): ({"200": _array("ListChange", "All changes, newest first.")}, (422, *ASKED)),
    **{
        ("post", f"/v1/lists/{act}"): (
            {"200": json_answer("ListResult", "What was taken, and what was refused and why.")},
            (*BODY, *ASKED),
        )
        for act in ("entries", "removals", "import")
    },
}
"""Answers and refusals of each route."""

_ENTRY: Final = {
    "entity_id": "d-5",
    "entity_type": "device",
    "expires_at": "2030-01-01",
    "note": "seen in three attacks",
    "source": "consortium",
}
_NOTE: Final = {"note": "reviewed on Monday"}
BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/rules/check": json_body("CheckBook", {"text": _TEXT}),
    "/v1/rules/impact": json_body("ImpactOf", {"version": _VERSION}),
    "/v1/rules/versions": json_body("SaveBook", {"text": _TEXT, "based_on": _VERSION, "note": "first draft"}),
    "/v1/rules/versions/{digest}/approve": json_body("ApprovalNote", _NOTE),
    "/v1/rules/versions/{digest}/reject": json_body("ApprovalNote", _NOTE),
    "/v1/rules/versions/{digest}/activate": json_body("Activate", _NOTE),
    "/v1/rules/rollback": json_body("RollBack", {"note": "too many challenges"}),
    "/v1/rules/modes/{rule_id}": json_body(
        "SetMode", {"mode": "shadow", "based_on": _VERSION, "note": "watch it for a week"}
    ),
    "/v1/lists/entries": json_body(
        "AddEntries", {"list": "stolen devices", "kind": "block", "entries": [_ENTRY]}
    ),
    "/v1/lists/removals": json_body(
        "RemoveEntries",
        {"list": "stolen devices", "entries": [{"entity_id": "d-5", "entity_type": "device"}]},
    ),
    "/v1/lists/import": {
        "text/csv": {
            "schema": {"type": "string", "minLength": 1},
            "example": "entity_id,note\nd-5,seen in three attacks\n",
        }
    },
}
"""Bodies by path."""
