"""The page on which a customer says whether it was them: it needs no account, and a button decides."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from ringfence.alerts import answers
from ringfence.api.audited import UNRECORDED, tell
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import AnswerServices, BusServices, Surroundings
from ringfence.compose.messaging.alerts import alert_policy
from ringfence.errors import InputError
from ringfence.web.parts.asking import beside, dashboard_of
from ringfence.web.parts.rendering import render, render_alone

if TYPE_CHECKING:
    from ringfence.alerts.answers import Asked
    from ringfence.alerts.book import Alerts
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
_LOGGER: Final = logging.getLogger(__name__)
_FORGED: Final = "a link that is not ours"  # in the trail: what a stranger wrote is not kept
_THANKS: Final = "Thank you for your answer. You can close this page."
_LATER: Final = "Your answer could not be kept right now. Please try again in a minute."
_USED: Final = "You have answered already. Please call us if your answer has changed."
_GONE: Final = "We no longer need your answer here. Please call us on the number on the back of your card."
_OUTDATED: Final = "Nothing was changed: this page is too old. Please open the link in our message again."
_REASONS: Final = {
    answers.NOT_VALID: "forged",
    answers.EXPIRED: "expired",
    _USED: "used",
    _GONE: "alert is gone",
}
"""Why a link was refused, as the audit trail has it."""

GERMAN: Final = {
    _THANKS: "Vielen Dank für Ihre Antwort. Sie können diese Seite schließen.",
    _LATER: "Ihre Antwort konnte gerade nicht gespeichert werden. Bitte versuchen Sie es in einer Minute "
    "noch einmal.",
    _USED: "Sie haben schon geantwortet. Bitte rufen Sie uns an, wenn sich Ihre Antwort geändert hat.",
    _GONE: "Wir brauchen Ihre Antwort hier nicht mehr. Bitte rufen Sie uns unter der Nummer auf der "
    "Rückseite Ihrer Karte an.",
    _OUTDATED: "Es wurde nichts geändert: Diese Seite ist zu alt. Bitte öffnen Sie den Link aus unserer "
    "Nachricht noch einmal.",
    answers.NOT_VALID: "Dieser Link ist nicht gültig. Bitte verwenden Sie den Link aus unserer Nachricht.",
    answers.EXPIRED: "Dieser Link ist abgelaufen. Bitte rufen Sie uns unter der Nummer auf der Rückseite "
    "Ihrer Karte an.",
}
"""What the page says, as it says it in German: it does not know who reads it."""


@router.get("/answer/{token}")
async def ask(request: Request, token: str) -> Response:
    """The question; nothing changes by looking at it.

    Only a link that is refused goes on record: mail scanners open links.
    """
    tell(request.scope, actor="customer", object=_FORGED, query="")
    try:
        asked = _read(request, token)
    except InputError as error:
        return _page(request, str(error), status=404)
    book = _book(dashboard_of(request))
    if await beside(request, book.has_answer, asked.alert_id):
        return _page(request, _USED, status=410)
    if await beside(request, book.is_gone, asked.alert_id):
        return _page(request, _GONE, status=410)
    tell(request.scope, outcome=UNRECORDED)
    return _page(request, "", token)


@router.post("/answer")
async def answer(
    request: Request,
    token: Annotated[str, Form(max_length=answers.LONGEST)],
    was_it: Annotated[str, Form(pattern="^(yes|no)$")],
) -> Response:
    """Keep the answer as events of the log; the first one counts."""
    tell(request.scope, actor="customer", object=_FORGED)
    dashboard = dashboard_of(request)
    try:
        asked = _read(request, token)
        tell(request.scope, answer=was_it)
        begun = await beside(request, _begun, dashboard, asked, was_it)
    except InputError as error:
        return _page(request, str(error), status=410 if str(error) == _GONE else 409)
    if begun is None:
        return _page(request, _LATER, token, 503)
    lines, is_new = begun
    if is_new:
        results = (
            await dashboard.of(AnswerServices).decider.ask(lines, "customer", wants_decisions=False)
            if lines
            else []
        )
        if any(result.status >= 400 for result in results):
            return _page(request, _LATER, token, 503)
        await beside(request, _book(dashboard).answered, asked.alert_id)
    return _page(request, _THANKS)


def _page(request: Request, said: str, token: str = "", status: int = 200) -> Response:
    """The page with a word to the customer, and the buttons where there is a token."""
    if said in _REASONS:
        tell(request.scope, reason=_REASONS[said])
    told = {"token": token, "said": said, "german": GERMAN[said] if said else ""}
    return render(request, "answer.html", told, status)


def outdated() -> Response:
    """The page in place of an answer that no page of this session sent."""
    return render_alone("answer.html", {"token": "", "said": _OUTDATED, "german": GERMAN[_OUTDATED]}, 403)


def _read(request: Request, token: str) -> Asked:
    """What a link is about, which goes on record once it is known; errors as of `answers.read`."""
    dashboard = dashboard_of(request)
    key = answers.answer_key(dashboard.store.meta.token_key)
    tell(request.scope, object=answers.proved(key, token).alert_id)
    return answers.read(key, token, dashboard.of(Surroundings).clock.now_ms())


def _begun(dashboard: Dashboard, asked: Asked, was_it: str) -> tuple[list[bytes], bool] | None:
    """What the log has to hear, and whether it has not yet.

    None where that is not known now: the alert policy is faulty, or alerts are being made again. That is for
    the log of the server, and not for the customer. `InputError` where another answer was kept before, or the
    alert is gone.
    """
    book, now_ms = _book(dashboard), dashboard.of(Surroundings).clock.now_ms()
    try:
        policy, alert = alert_policy(), book.alert(asked.alert_id)
    except InputError:
        if book.is_gone(asked.alert_id):
            raise InputError(_GONE) from None
        _LOGGER.exception("A customer's answer cannot be kept")
        return None
    kept = book.answer(asked.alert_id, was_it, now_ms)
    if kept.answer != was_it:
        raise InputError(_USED)
    records: list[dict[str, Any]] = answers.events_of(
        asked, alert, was_it, kept.at_ms, policy, answers.answer_key(dashboard.store.meta.token_key)
    )
    return [msgspec.json.encode(record) for record in records], not kept.done


def _book(dashboard: Dashboard) -> Alerts:
    return dashboard.of(BusServices).outboxes.alerts
