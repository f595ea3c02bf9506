"""The one table of permissions: what each route of the API and each page of the dashboard asks for.

A route that is missing here is refused to everybody.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ringfence.access.restriction import Restriction
from ringfence.access.roles import Permission

if TYPE_CHECKING:
    from collections.abc import Mapping

ANYBODY: Final = None
"""Of a route that needs no key: its answer tells nothing, or what it takes proves itself."""

_ROUTES: Final[Mapping[tuple[str, str], Permission | None]] = {
    ("GET", "/healthz"): ANYBODY,
    ("GET", "/readyz"): ANYBODY,
    ("GET", "/metrics"): Permission.READ,
    ("POST", "/slack/actions"): ANYBODY,  # signed by Slack, and its value by us
    ("POST", "/v1/decisions"): Permission.DECIDE,
    ("POST", "/v1/decisions/batch"): Permission.DECIDE,
    ("POST", "/v1/events"): Permission.INGEST,
    ("POST", "/v1/events/batch"): Permission.INGEST,
    ("GET", "/v1/decisions"): Permission.READ,
    ("GET", "/v1/decisions/{transaction_id:id}"): Permission.READ,
    ("GET", "/v1/decisions/{transaction_id:id}/explanation"): Permission.READ,
    ("GET", "/v1/entities/{entity_type}/{entity_id:id}"): Permission.READ,
    ("GET", "/v1/stream"): Permission.READ,
    ("GET", "/v1/events"): Permission.READ,
    ("GET", "/v1/events/stream"): Permission.READ,
    ("GET", "/v1/graph/rings"): Permission.READ,
    ("GET", "/v1/graph/ring/{entity_type}/{entity_id:id}"): Permission.READ,
    ("GET", "/v1/graph/neighbours/{entity_type}/{entity_id:id}"): Permission.READ,
    ("GET", "/v1/drift"): Permission.READ,
    ("POST", "/v1/drift"): Permission.MODEL,
    ("GET", "/v1/models"): Permission.READ,
    ("GET", "/v1/models/{version}/impact"): Permission.READ,
    ("POST", "/v1/models/{version}/promotion"): Permission.MODEL,
    ("POST", "/v1/models/{version}/retirement"): Permission.MODEL,
    ("GET", "/v1/lists"): Permission.READ,
    ("GET", "/v1/lists/entries"): Permission.READ,
    ("GET", "/v1/lists/audit"): Permission.READ,
    ("POST", "/v1/lists/entries"): Permission.LIST,
    ("POST", "/v1/lists/removals"): Permission.LIST,
    ("POST", "/v1/lists/import"): Permission.LIST,
    ("GET", "/v1/rules"): Permission.READ,
    ("GET", "/v1/rules/shadow"): Permission.READ,
    ("GET", "/v1/rules/versions"): Permission.READ,
    ("GET", "/v1/rules/versions/{digest}"): Permission.READ,
    ("GET", "/v1/rules/backtest/{job_id}"): Permission.READ,
    ("POST", "/v1/rules/check"): Permission.RULE,
    ("POST", "/v1/rules/impact"): Permission.RULE,
    ("POST", "/v1/rules/versions"): Permission.RULE,
    ("POST", "/v1/rules/versions/{digest}/approve"): Permission.APPROVE,
    ("POST", "/v1/rules/versions/{digest}/reject"): Permission.RULE,  # an author may take a proposal back
    ("POST", "/v1/rules/versions/{digest}/activate"): Permission.RULE,
    ("POST", "/v1/rules/rollback"): Permission.RULE,
    ("POST", "/v1/rules/modes/{rule_id}"): Permission.RULE,
    ("POST", "/v1/rules/backtest"): Permission.RULE,
    ("POST", "/v1/rules/backtest/{job_id}/stop"): Permission.RULE,
    ("GET", "/v1/bus"): Permission.READ,
    ("POST", "/v1/bus/test"): Permission.ASK,
    ("POST", "/v1/bus/subscriptions"): Permission.OPERATE,
    ("POST", "/v1/bus/subscriptions/{name}/pause"): Permission.OPERATE,
    ("POST", "/v1/bus/subscriptions/{name}/resume"): Permission.OPERATE,
    ("POST", "/v1/bus/subscriptions/{name}/remove"): Permission.OPERATE,
    ("POST", "/v1/bus/destinations/{destination}/enable"): Permission.OPERATE,
    ("POST", "/v1/bus/destinations/{destination}/rotate"): Permission.OPERATE,
    ("GET", "/v1/outbox"): Permission.OPERATE,
    ("POST", "/v1/outbox/retry"): Permission.OPERATE,
    ("POST", "/v1/outbox/purge"): Permission.OPERATE,
    ("POST", "/v1/quarantine/replay"): Permission.OPERATE,
    ("GET", "/v1/alerts"): Permission.READ,
    ("POST", "/v1/alerts/{alert_id}/acknowledge"): Permission.WORK,
    ("GET", "/v1/alerts/mutes"): Permission.READ,
    ("POST", "/v1/alerts/mutes"): Permission.WORK,  # and APPROVE for what is wide
    ("POST", "/v1/alerts/mutes/removals"): Permission.WORK,
    ("GET", "/v1/cases"): Permission.READ,
    ("GET", "/v1/cases/queues"): Permission.READ,
    ("GET", "/v1/cases/{case_id}"): Permission.READ,
    ("GET", "/v1/cases/{case_id}/files/{sha256}"): Permission.READ,
    ("POST", "/v1/cases"): Permission.WORK,
    ("POST", "/v1/cases/next"): Permission.WORK,
    ("POST", "/v1/cases/bulk"): Permission.WORK,
    ("POST", "/v1/cases/{case_id}"): Permission.WORK,
    ("POST", "/v1/cases/{case_id}/files"): Permission.WORK,
    ("POST", "/v1/cases/{case_id}/report"): Permission.REPORT,
    ("POST", "/v1/privacy/reveal"): Permission.REVEAL,
    ("POST", "/v1/privacy/find"): Permission.ERASE,
    ("POST", "/v1/privacy/export"): Permission.ERASE,
    ("POST", "/v1/privacy/erase"): Permission.ERASE,
    ("GET", "/v1/views"): Permission.READ,
    ("POST", "/v1/views"): Permission.READ,  # and WORK to share one
    ("POST", "/v1/views/{view_id}/remove"): Permission.READ,  # one's own, and APPROVE for shared ones
    ("GET", "/v1/approvals"): Permission.READ,
    ("POST", "/v1/approvals/{request_id}/approve"): Permission.APPROVE,
    (
        "POST",
        "/v1/approvals/{request_id}/decline",
    ): Permission.READ,  # one's own
    ("GET", "/v1/sessions"): Permission.AUDIT,
    ("POST", "/v1/sessions/{session_id}/end"): Permission.ACCESS,
    ("GET", "/v1/keys"): Permission.AUDIT,
    ("POST", "/v1/keys"): Permission.ACCESS,
    ("POST", "/v1/keys/{key_id}"): Permission.ACCESS,
    ("POST", "/v1/keys/{key_id}/revoke"): Permission.ACCESS,
    ("GET", "/v1/audit"): Permission.AUDIT,
    ("GET", "/v1/audit/head"): Permission.AUDIT,
}

_PAGES: Final[Mapping[tuple[str, str], Permission | None]] = {
    ("GET", "/sign-in"): ANYBODY,
    ("POST", "/sign-in"): ANYBODY,
    ("GET", "/sign-in/provider"): ANYBODY,
    ("GET", "/sign-in/callback"): ANYBODY,  # the provider's token proves who comes
    ("POST", "/sign-out"): ANYBODY,
    ("GET", "/session"): ANYBODY,
    ("GET", "/answer/{token}"): ANYBODY,  # a customer's, whom the token proves
    ("POST", "/answer"): ANYBODY,
    ("GET", "/"): Permission.READ,
    ("GET", "/live/stream"): Permission.READ,
    ("GET", "/home"): Permission.READ,
    ("GET", "/alerts"): Permission.READ,
    ("GET", "/notifications"): Permission.READ,
    ("GET", "/notifications/count"): Permission.READ,
    ("POST", "/alerts/acknowledge"): Permission.WORK,
    ("POST", "/alerts/mute"): Permission.WORK,
    ("POST", "/alerts/unmute"): Permission.WORK,
    ("GET", "/cases"): Permission.READ,
    ("GET", "/cases/{case_id}"): Permission.READ,
    ("GET", "/cases/{case_id}/preview"): Permission.READ,
    ("GET", "/cases/{case_id}/linked"): Permission.READ,
    ("GET", "/cases/{case_id}/payments"): Permission.READ,
    ("GET", "/cases/{case_id}/files/{sha256}"): Permission.READ,
    ("POST", "/cases/open"): Permission.WORK,
    ("POST", "/cases/next"): Permission.WORK,
    ("POST", "/cases/bulk"): Permission.WORK,
    ("POST", "/cases/{case_id}"): Permission.WORK,
    ("POST", "/cases/{case_id}/files"): Permission.WORK,
    ("POST", "/cases/{case_id}/report"): Permission.REPORT,
    ("GET", "/decisions"): Permission.READ,
    ("GET", "/decisions/{transaction_id:id}"): Permission.READ,
    ("GET", "/explained/{transaction_id:id}"): Permission.READ,
    ("POST", "/explained/{transaction_id:id}"): Permission.READ,
    ("GET", "/explanations/{job_id}"): Permission.READ,
    ("GET", "/labels/{transaction_id:id}"): Permission.READ,
    ("POST", "/replay/{transaction_id:id}"): Permission.READ,
    ("GET", "/replays/{job_id}"): Permission.READ,
    ("POST", "/search"): Permission.READ,
    ("POST", "/find"): Permission.READ,
    ("GET", "/entities/{entity_type}/{entity_id:id}"): Permission.READ,
    ("GET", "/neighbours/{entity_type}/{entity_id:id}"): Permission.READ,
    ("GET", "/places/{entity_type}/{entity_id:id}"): Permission.READ,
    ("GET", "/graph"): Permission.READ,
    ("GET", "/graph/{entity_type}/{entity_id:id}"): Permission.READ,
    ("GET", "/graph-neighbours/{entity_type}/{entity_id:id}"): Permission.READ,
    ("GET", "/reveal"): Permission.REVEAL,
    ("POST", "/reveal"): Permission.REVEAL,
    ("GET", "/sql"): Permission.ASK,
    ("POST", "/sql"): Permission.ASK,
    ("GET", "/lists"): Permission.READ,
    ("GET", "/lists/{name:id}"): Permission.READ,
    ("POST", "/lists"): Permission.LIST,
    ("POST", "/lists/remove"): Permission.LIST,
    ("POST", "/lists/import"): Permission.LIST,
    ("GET", "/rules"): Permission.READ,
    ("GET", "/rules/impact"): Permission.READ,
    ("GET", "/rules/impact/warnings"): Permission.READ,
    ("GET", "/rules/shadow"): Permission.READ,
    ("GET", "/rules/backtest"): Permission.READ,
    ("GET", "/rules/versions"): Permission.READ,
    ("GET", "/rules/versions/{digest}"): Permission.READ,
    ("GET", "/rule/{rule_id}"): Permission.READ,
    ("GET", "/rule/{rule_id}/figures"): Permission.READ,
    ("GET", "/backtests/{job_id}"): Permission.READ,
    ("GET", "/rules/edit"): Permission.RULE,
    ("GET", "/rules/lab"): Permission.RULE,
    ("GET", "/rules/lab/names"): Permission.RULE,
    ("GET", "/rules/lab/tries/{job_id}"): Permission.RULE,
    ("POST", "/rules/lab/check"): Permission.RULE,
    ("POST", "/rules/lab/try"): Permission.RULE,
    ("POST", "/rules/lab/impact"): Permission.RULE,
    ("POST", "/rules/lab/save"): Permission.RULE,
    ("POST", "/rules/check"): Permission.RULE,
    ("POST", "/rules/rates"): Permission.RULE,
    ("POST", "/rules/save"): Permission.RULE,
    ("POST", "/rules/mode"): Permission.RULE,
    ("POST", "/rules/backtest"): Permission.RULE,
    ("POST", "/backtests/{job_id}/stop"): Permission.RULE,
    ("POST", "/rules/versions/{digest}/approve"): Permission.APPROVE,
    ("POST", "/rules/versions/{digest}/reject"): Permission.RULE,
    ("POST", "/rules/versions/{digest}/activate"): Permission.RULE,
    ("POST", "/rules/versions/{digest}/rollback"): Permission.RULE,
    ("GET", "/models"): Permission.READ,
    ("GET", "/models/live"): Permission.READ,
    ("GET", "/models/{version}"): Permission.READ,
    ("GET", "/models/{version}/watched"): Permission.READ,
    ("GET", "/models/{version}/impact"): Permission.READ,
    ("GET", "/models/{version}/report"): Permission.READ,
    ("GET", "/models/{version}/promotion"): Permission.MODEL,
    ("GET", "/models/{version}/retirement"): Permission.MODEL,
    ("POST", "/models/{version}/promote"): Permission.MODEL,
    ("POST", "/models/{version}/retire"): Permission.MODEL,
    ("GET", "/views"): Permission.READ,
    ("POST", "/views"): Permission.READ,
    ("POST", "/views/{view_id}/remove"): Permission.READ,
    ("GET", "/approvals"): Permission.READ,
    ("POST", "/approvals/{request_id}/approve"): Permission.APPROVE,
    ("POST", "/approvals/{request_id}/decline"): Permission.READ,
    ("GET", "/sessions"): Permission.AUDIT,
    ("POST", "/sessions/{session_id}/end"): Permission.ACCESS,
    ("GET", "/performance"): Permission.READ,
    ("GET", "/performance/{name}"): Permission.READ,
    ("GET", "/performance/{name}/csv"): Permission.ASK,
    ("GET", "/streams"): Permission.READ,
    ("GET", "/streams/{topic}"): Permission.READ,
    ("GET", "/streams/{topic}/export"): Permission.ASK,
    ("GET", "/streams/kafka/{cluster}"): Permission.READ,
    ("GET", "/streams/kafka/{cluster}/{topic}"): Permission.READ,
    ("GET", "/bus"): Permission.READ,
    ("POST", "/bus/test"): Permission.ASK,
    ("POST", "/bus/subscribe"): Permission.OPERATE,
    ("POST", "/bus/{change}"): Permission.OPERATE,
    ("POST", "/bus/destinations/{change}"): Permission.OPERATE,
    ("GET", "/outbox/{message_id:id}"): Permission.OPERATE,
    ("POST", "/outbox/retry"): Permission.OPERATE,
    ("POST", "/outbox/purge"): Permission.OPERATE,
    ("GET", "/quarantine"): Permission.READ,
    ("GET", "/quarantine/{record_id}"): Permission.READ,
    ("POST", "/quarantine/replay"): Permission.OPERATE,
    ("GET", "/system"): Permission.READ,
}

NEEDED: Final[Mapping[tuple[str, str], Permission | None]] = {**_ROUTES, **_PAGES}
"""By method and route."""

OF_CASES: Final = ("/v1/cases", "/cases", "/home", "/find")
"""Beginnings of paths that show cases: whoever is restricted to queues opens those of `BY_QUEUE` only."""

BY_QUEUE: Final = frozenset(
    {
        ("GET", "/v1/cases"),
        ("GET", "/v1/cases/queues"),
        ("GET", "/v1/cases/{case_id}"),
        ("GET", "/v1/cases/{case_id}/files/{sha256}"),
        ("POST", "/v1/cases/next"),
        ("POST", "/v1/cases/{case_id}"),
        ("POST", "/v1/cases/{case_id}/files"),
        ("POST", "/v1/cases/{case_id}/report"),
        ("GET", "/home"),
        ("GET", "/cases"),
        ("GET", "/cases/{case_id}"),
        ("POST", "/cases/{case_id}"),
        ("GET", "/cases/{case_id}/preview"),
        ("GET", "/cases/{case_id}/linked"),
        ("GET", "/cases/{case_id}/payments"),
        ("GET", "/cases/{case_id}/files/{sha256}"),
        ("POST", "/cases/next"),
        ("POST", "/cases/{case_id}/files"),
        ("POST", "/cases/{case_id}/report"),
    }
)
"""Routes that keep to the queues of their caller."""

_SHOWING_NOTHING: Final = frozenset(
    {None, Permission.DECIDE, Permission.INGEST, Permission.APPROVE, Permission.ACCESS}
)
BY_FIELD: Final = frozenset(
    {
        ("GET", "/metrics"),
        ("GET", "/v1/decisions"),
        ("GET", "/v1/decisions/{transaction_id:id}"),
        ("GET", "/v1/rules"),
        ("GET", "/v1/rules/versions"),
        ("GET", "/v1/rules/versions/{digest}"),
        ("GET", "/v1/models"),
        ("GET", "/v1/views"),
        ("POST", "/v1/views"),
        ("POST", "/v1/views/{view_id}/remove"),
        ("GET", "/views"),
        ("POST", "/views"),
        ("POST", "/views/{view_id}/remove"),
        ("GET", "/v1/approvals"),
        ("POST", "/v1/approvals/{request_id}/decline"),
        ("GET", "/rules"),
        ("GET", "/rules/versions"),
        ("GET", "/rules/versions/{digest}"),
        ("GET", "/models"),
        ("GET", "/models/{version}"),
        ("GET", "/approvals"),
        ("POST", "/approvals/{request_id}/decline"),
    }
)
"""Routes that leave out hidden fields and payments of other regions, or show no payment."""


def unrestricted(restriction: Restriction, method: str, path: str) -> str | None:
    """Why a route that does not keep to this restriction is refused; None where it does, or has no need to.

    >>> unrestricted(Restriction(hidden=frozenset({"email"})), "POST", "/sql")
    'field=email'
    """
    route = (method, path)
    if restriction.queues and path.startswith(OF_CASES) and route not in BY_QUEUE:
        return Restriction(queues=restriction.queues).text()
    narrowed = restriction.narrows_payments
    if narrowed and NEEDED[route] not in _SHOWING_NOTHING and route not in BY_FIELD:
        return replace(restriction, queues=frozenset()).text()
    return None
