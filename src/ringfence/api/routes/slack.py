"""Where Slack brings back its buttons. Slack's signature stands for a key: nobody else may call."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from ringfence.alerts.buttons import ACKNOWLEDGE, FRAUD, NOT_FRAUD, button_key, label_of, pressed
from ringfence.api.audited import tell
from ringfence.api.http.bodies import header, read_body
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal, unavailable
from ringfence.api.services import AnswerServices, services_of
from ringfence.compose.messaging.notifiers import slack_actions
from ringfence.errors import InputError, RingfenceError
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from ringfence.alerts.answers import Asked
    from ringfence.alerts.book import Alerts
    from ringfence.alerts.buttons import Buttons, Press

PATH: Final = "/slack/actions"
router = APIRouter(tags=["bus"], route_class=LazyRoute)
_LOGGER: Final = logging.getLogger(__name__)
_MOST_BYTES: Final = 256 << 10
_OF_SLACK: Final = "slack:"
_SECONDS: Final = 2.0  # Slack waits for three
_DONE: Final = {
    ACKNOWLEDGE: "{by} has acknowledged this.",
    FRAUD: "{by}: this is fraud.",
    NOT_FRAUD: "{by}: this is not fraud.",
}


@router.post(PATH)
async def act(request: Request) -> Response:
    """Take a button in, and say so at once; what came of it follows as a message."""
    services, headers = services_of(request, AnswerServices), request.scope["headers"]
    tell(request.scope, actor="slack")
    actions = await services.pools.buttons.run(lambda: slack_actions(load_settings(), services.clock.now_ms))
    if actions is None:
        raise Refusal(404, "not_found", "no app of Slack is set up: set RINGFENCE_SLACK_SIGNING_SECRET")
    body = await read_body(headers, request.receive, _MOST_BYTES)
    timestamp, signature = (
        header(headers, name).decode("latin-1")
        for name in (b"x-slack-request-timestamp", b"x-slack-signature")
    )
    if not actions.is_authentic(body, timestamp, signature):
        raise Refusal(401, "unauthorized", "Slack did not sign this, or more than five minutes ago")
    try:
        press = actions.press(body)
    except InputError as error:
        raise Refusal(422, "invalid_request", str(error)) from None
    if press is None:
        return Response()
    tell(request.scope, actor=press.by, does=press.action if press.action in _DONE else "unknown")
    key = button_key(services.store.meta.token_key)
    try:
        asked = pressed(key, press.value, services.clock.now_ms())
    except InputError as error:
        tell(request.scope, problem=str(error), outcome="refused")
        services.later(_reply(services, actions, press, str(error)))
        return Response()
    tell(request.scope, object=asked.alert_id)
    book = services.outboxes.alerts
    mark = hashlib.sha256(signature.encode()).hexdigest()
    try:
        async with asyncio.timeout(_SECONDS):
            is_new = await services.pools.buttons.run(book.use, mark, services.clock.now_ms())
    except TimeoutError:
        raise unavailable("the file of alerts is busy: press again") from None
    if not is_new:
        raise Refusal(409, "conflict", "this press of a button has come before")
    services.later(_done(services, actions, press, asked, book))
    return Response()


async def _done(services: AnswerServices, actions: Buttons, press: Press, asked: Asked, book: Alerts) -> None:
    """Do what a button says, and tell what came of it."""
    try:
        if press.action not in _DONE:
            raise InputError("There is no such button.")
        now_ms, by = services.clock.now_ms(), press.by
        if press.action != ACKNOWLEDGE:
            payment = asked.alert_id, asked.transaction_id
            kept = await services.pools.buttons.run(book.judge, *payment, press.action, press.by, now_ms)
            if kept.answer != press.action:
                raise InputError(f"{_named(kept.by)} has said already: {kept.answer.replace('_', ' ')}.")
            if not kept.done:
                key = button_key(services.store.meta.token_key)
                label = label_of(asked, press.action, kept.by, kept.at_ms, key)
                (result,) = await services.decider.ask(
                    [msgspec.json.encode(label)], "slack", wants_decisions=False
                )
                if result.status >= 400:
                    raise InputError("This could not be kept right now: please press again in a minute.")
                await services.pools.buttons.run(book.judged, *payment)
            by = kept.by
        seen = await services.pools.buttons.run(book.acknowledge, asked.alert_id, press.by, now_ms)
        if press.action == ACKNOWLEDGE and seen.by != press.by:
            raise InputError(f"{_named(seen.by)} has acknowledged this already.")
    except (RingfenceError, Refusal) as error:
        await _reply(services, actions, press, str(error))
        return
    text = _DONE[press.action].format(by=_named(by))
    await _reply(services, actions, press, text, press.rest if press.action == ACKNOWLEDGE else press.settled)


def _named(by: str) -> str:
    """Whoever did it as Slack names them; others are nothing to everybody in a channel."""
    return by.removeprefix(_OF_SLACK) if by.startswith(_OF_SLACK) else "Somebody else"


async def _reply(
    services: AnswerServices,
    actions: Buttons,
    press: Press,
    text: str,
    blocks: list[dict[str, Any]] | None = None,
) -> None:
    try:
        said = await services.pools.replies.run(actions.reply, press, text, blocks)
    except Refusal as error:  # Slack is slow, or too many answers wait for it
        said = error.problem.detail
    if not said.startswith("200"):
        _LOGGER.warning("Slack did not take what came of a button: %s", said)
