"""Requests that go on record before they are answered: what changes something, or shows personal data.

Payments and events that come in are in the log itself, and so in the chain.
"""

from __future__ import annotations

import asyncio
import secrets
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from ringfence.api.http.problems import TYPE, unavailable
from ringfence.audit import Act
from ringfence.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.audit.trail import Trail

DETAILS: Final = "ringfence.audit"
"""Key of a request's scope under which its route tells what stands in the body and not in the path."""

SHOWN: Final = "ringfence.audit.shown"
"""Key of a request's scope under which its route names the action of another page that its answer shows."""

IN_THE_LOG: Final = frozenset(
    {
        ("POST", "/v1/decisions"),
        ("POST", "/v1/decisions/batch"),
        ("POST", "/v1/events"),
        ("POST", "/v1/events/batch"),
    }
)
ACTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("GET", "/v1/decisions"): "payment.listed",
    ("GET", "/v1/decisions/{transaction_id:id}"): "payment.seen",
    ("GET", "/v1/decisions/{transaction_id:id}/explanation"): "payment.explained",
    ("GET", "/v1/entities/{entity_type}/{entity_id:id}"): "entity.seen",
    ("GET", "/v1/stream"): "payment.streamed",
    ("GET", "/v1/lists/entries"): "list.seen",
    ("GET", "/v1/lists/audit"): "list.seen",
    ("POST", "/v1/lists/entries"): "list.added",
    ("POST", "/v1/lists/removals"): "list.removed",
    ("POST", "/v1/lists/import"): "list.imported",
    ("POST", "/v1/rules/check"): "rules.checked",
    ("POST", "/v1/rules/impact"): "rules.tried",
    ("POST", "/v1/rules/versions"): "rules.saved",
    ("POST", "/v1/rules/versions/{digest}/approve"): "rules.approved",
    ("POST", "/v1/rules/versions/{digest}/reject"): "rules.rejected",
    ("POST", "/v1/rules/versions/{digest}/activate"): "rules.activated",
    ("POST", "/v1/rules/rollback"): "rules.rolled_back",
    ("POST", "/v1/rules/modes/{rule_id}"): "rules.mode_set",
    ("POST", "/v1/rules/backtest"): "rules.tried",
    ("POST", "/v1/rules/backtest/{job_id}/stop"): "rules.trial_stopped",
    ("POST", "/v1/models/{version}/promotion"): "model.promoted",
    ("POST", "/v1/models/{version}/retirement"): "model.retired",
    ("POST", "/v1/drift"): "drift.measured",
    ("GET", "/v1/audit"): "audit.read",
    ("POST", "/v1/approvals/{request_id}/approve"): "approval.given",
    ("POST", "/v1/approvals/{request_id}/decline"): "approval.declined",
    ("GET", "/v1/sessions"): "access.listed",
    ("POST", "/v1/sessions/{session_id}/end"): "access.ended",
    ("GET", "/v1/keys"): "key.listed",
    ("POST", "/v1/keys"): "key.created",
    ("POST", "/v1/keys/{key_id}"): "key.changed",
    ("POST", "/v1/keys/{key_id}/revoke"): "key.revoked",
    ("POST", "/v1/privacy/reveal"): "person.revealed",
    ("POST", "/v1/privacy/find"): "person.found",
    ("POST", "/v1/privacy/export"): "person.exported",
    ("POST", "/v1/privacy/erase"): "person.erased",
    ("GET", "/v1/graph/ring/{entity_type}/{entity_id:id}"): "entity.seen",
    ("GET", "/v1/graph/neighbours/{entity_type}/{entity_id:id}"): "entity.seen",
    ("GET", "/v1/events"): "log.seen",
    ("POST", "/v1/quarantine/replay"): "quarantine.replayed",
    ("GET", "/v1/alerts"): "alert.listed",
    ("POST", "/v1/alerts/{alert_id}/acknowledge"): "alert.acknowledged",
    ("GET", "/v1/alerts/mutes"): "alert.listed",
    ("POST", "/v1/alerts/mutes"): "alert.muted",
    ("POST", "/v1/alerts/mutes/removals"): "alert.unmuted",
    ("POST", "/v1/bus/test"): "bus.tested",
    ("POST", "/v1/bus/subscriptions"): "bus.changed",
    ("POST", "/v1/bus/subscriptions/{name}/pause"): "bus.changed",
    ("POST", "/v1/bus/subscriptions/{name}/resume"): "bus.changed",
    ("POST", "/v1/bus/subscriptions/{name}/remove"): "bus.changed",
    ("POST", "/v1/bus/destinations/{destination}/enable"): "bus.changed",
    ("POST", "/v1/bus/destinations/{destination}/rotate"): "bus.changed",
    ("GET", "/v1/outbox"): "message.listed",
    ("POST", "/v1/outbox/retry"): "message.retried",
    ("POST", "/v1/outbox/purge"): "message.purged",
    ("GET", "/v1/events/stream"): "log.streamed",
    ("POST", "/slack/actions"): "alert.acted_on",
    ("GET", "/v1/cases"): "case.listed",
    ("GET", "/v1/cases/{case_id}"): "case.seen",
    ("POST", "/v1/cases/{case_id}"): "case.acted_on",
    ("POST", "/v1/views"): "view.saved",
    ("POST", "/v1/views/{view_id}/remove"): "view.removed",
    ("POST", "/v1/cases/{case_id}/report"): "case.reported",
    ("POST", "/v1/cases/{case_id}/files"): "case.file_attached",
    ("GET", "/v1/cases/{case_id}/files/{sha256}"): "case.file_seen",
    ("POST", "/v1/cases"): "case.opened",
    ("POST", "/v1/cases/next"): "case.taken",
    ("POST", "/v1/cases/bulk"): "case.acted_on",
}
"""What a request of the API is called on record, by method and route."""

UNRECORDED: Final = "unrecorded"
"""Outcome that a route tells of what is not worth a record, though its action is."""

_REFUSED: Final = 400
_FAILED: Final = 500
_AGAIN_MS: Final = 60_000
_MOST_KNOWN: Final = 10_000


class Audited:
    """Between the door and an application whose routes `actions` names.

    An answer waits until its record is durable. Where that fails, nothing of it is shown: the caller gets
    503, and what it changed stays changed. Looking at the same again, or being refused again, is on record
    once a minute.
    """

    def __init__(
        self,
        app: Any,
        trail: Trail,
        actions: Mapping[tuple[str, str], str],
        channel: str,
        now_ms: Callable[[], int],
        clean: Callable[[str], str],
    ) -> None:
        """`clean` makes tokens of card numbers in a text."""
        self._app = app
        self._trail = trail
        self._actions = actions
        self._channel = channel
        self._now_ms = now_ms
        self._clean = clean
        self._known: dict[tuple[str, ...], int] = {}
        self._secret = secrets.token_bytes(16)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_lost = False

        async def recorded(message: Any) -> None:
            nonlocal is_lost
            if message["type"] == "http.response.start":
                acts = [one for one in self._acts(scope, message["status"]) if not self._is_known(scope, one)]
                try:
                    if acts:
                        await asyncio.to_thread(self._trail.write, acts, self._now_ms())
                        self._know(acts)
                except StoreError as error:
                    is_lost = True
                    await _refuse(send, error)
            if not is_lost:
                await send(message)

        await self._app(scope, receive, recorded)

    def _is_known(self, scope: Any, act: Act) -> bool:
        """Whether the same was on record less than a minute ago, and nothing changes by it."""
        if scope["method"] not in ("GET", "HEAD") and act.outcome == "done":
            return False
        return self._now_ms() - self._known.get(_named(act), -_AGAIN_MS) < _AGAIN_MS

    def _know(self, acts: list[Act]) -> None:
        """Only once they are durable: what follows them may be shown on their account."""
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known |= {_named(act): self._now_ms() for act in acts}

    def _acts(self, scope: Any, status: int) -> list[Act]:
        """What goes on record, with what the answer shows beside what was asked for."""
        act, shown = self._act(scope, status), scope.get(SHOWN)
        if shown is None:
            return [] if act is None else [act]
        who = scope["ringfence.caller"].name
        also = Act(actor=who, channel=self._channel, action=shown, object="", outcome="done", details={})
        return [also] if act is None else [act, also]

    def _act(self, scope: Any, status: int) -> Act | None:
        """What goes on record, if anything."""
        route = getattr(scope.get("route"), "path", "")
        action = self._actions.get((scope["method"], route))
        if action is None:
            return None
        caller, told = scope.get("ringfence.caller"), scope.get(DETAILS, {})
        named = [str(value) for value in scope.get("path_params", {}).values()]
        query = told.get("query")
        if query is None and scope["query_string"] and scope["method"] in ("GET", "HEAD"):
            query = self._question(scope["query_string"])
        outcome = "failed" if status >= _FAILED else "refused" if status >= _REFUSED else "done"
        outcome = told.get("outcome", outcome)
        if outcome == UNRECORDED:
            return None
        return Act(
            actor=told.get("actor") or (caller.name if caller else "nobody"),
            channel=self._channel,
            action=action,
            object=self._clean(told.get("object") or " ".join(named)),
            outcome=outcome,
            details={
                name: self._clean(text)
                for name, text in (told | {"query": query or ""}).items()
                if name not in ("object", "actor", "outcome") and (text or name != "query")
            },
        )

    def _question(self, query: bytes) -> str:
        """What was asked for by name, with a mark instead of values, which may be secret."""
        names = sorted({name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)})
        mark = blake2b(query, key=self._secret, digest_size=4).hexdigest()
        return f"{' '.join(name for name in names if name.isidentifier())} {mark}"


def _named(act: Act) -> tuple[str, ...]:
    return act.actor, act.action, act.object, act.outcome, *sorted(act.details.values())


async def _refuse(send: Any, error: StoreError) -> None:
    refusal = unavailable(f"this could not be put on record; what it changed, if anything, stays ({error})")
    headers = [(b"content-type", TYPE), (b"content-length", str(len(refusal.body)).encode())]
    await send({"type": "http.response.start", "status": 503, "headers": [*headers, *refusal.headers]})
    await send({"type": "http.response.body", "body": refusal.body})


def tell(scope: Any, **details: str) -> None:
    """Have a request's record say what its path does not: `object`, `actor`, or a detail.

    `outcome` takes the place of what the status says: Slack is answered 200 also where its button is refused.
    `query` takes the place of the names in the query, which strangers choose: with each new one the same
    refusal would go on record once more.
    """
    scope.setdefault(DETAILS, {}).update(details)
