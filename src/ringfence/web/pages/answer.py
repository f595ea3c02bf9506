"""The page on which a customer says whether it was them: it needs no account, and a button decides."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from ringfence.alerts import answers
from ringfence.api.audited import tell
from ringfence.api.services import AnswerServices, BusServices, Surroundings
from ringfence.compose.alerts import alert_policy
from ringfence.errors import InputError
from ringfence.web.parts.asking import beside, dashboard_of
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from ringfence.alerts.answers import Asked
    from ringfence.alerts.book import Alerts
    from ringfence.alerts.policy import AlertPolicy
    from ringfence.web.dashboard import Dashboard

router = APIRouter()
_LOGGER: Final = logging.getLogger(__name__)
_THANKS: Final = "Thank you for your answer. You can close this page."
_LATER: Final = "Your answer could not be kept right now. Please try again in a minute."


@router.get("/answer/{token}")
async def ask(request: Request, token: str) -> Response:
    """The question; nothing changes by looking at it."""
    try:
        _read(dashboard_of(request), token)
    except InputError as error:
        return render(request, "answer.html", {"token": "", "said": str(error)}, 404)
    return render(request, "answer.html", {"token": token, "said": ""})


@router.post("/answer")
async def answer(
    request: Request,
    token: Annotated[str, Form(max_length=answers.LONGEST)],
    was_it: Annotated[str, Form(pattern="^(yes|no)$")],
) -> Response:
    """Keep the answer as events of the log; the first one counts."""
    tell(request.scope, actor="customer")
    dashboard = dashboard_of(request)
    try:
        asked = _read(dashboard, token)
        policy = await beside(request, _policy)
        if policy is None:
            return render(request, "answer.html", {"token": token, "said": _LATER}, 503)
        lines, is_new = await beside(request, _begun, dashboard, asked, was_it, policy)
    except InputError as error:
        return render(request, "answer.html", {"token": "", "said": str(error)}, 409)
    if is_new:
        results = (
            await dashboard.of(AnswerServices).decider.ask(lines, "customer", wants_decisions=False)
            if lines
            else []
        )
        if any(result.status >= 400 for result in results):
            return render(request, "answer.html", {"token": token, "said": _LATER}, 503)
        await beside(request, _book(dashboard).answered, asked.alert_id)
    return render(request, "answer.html", {"token": "", "said": _THANKS})


def _read(dashboard: Dashboard, token: str) -> Asked:
    key = answers.answer_key(dashboard.store.meta.token_key)
    return answers.read(key, token, dashboard.of(Surroundings).clock.now_ms())


def _policy() -> AlertPolicy | None:
    """The alert policy; None where its file is faulty, which is for the log and not for the customer."""
    try:
        return alert_policy()
    except InputError:
        _LOGGER.exception("A customer's answer cannot be kept")
        return None


def _begun(dashboard: Dashboard, asked: Asked, was_it: str, policy: AlertPolicy) -> tuple[list[bytes], bool]:
    """What the log has to hear, and whether it has not yet."""
    book, now_ms = _book(dashboard), dashboard.of(Surroundings).clock.now_ms()
    alert = book.alert(asked.alert_id)
    kept = book.answer(asked.alert_id, was_it, now_ms)
    if kept.answer != was_it:
        raise InputError("You have answered already. Please call us if your answer has changed.")
    records: list[dict[str, Any]] = answers.events_of(
        asked, alert, was_it, kept.at_ms, policy, answers.answer_key(dashboard.store.meta.token_key)
    )
    return [msgspec.json.encode(record) for record in records], not kept.done


def _book(dashboard: Dashboard) -> Alerts:
    return dashboard.of(BusServices).outboxes.alerts
