"""Personal data: the original behind a token, for who gives a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.api.asked import as_json, body_of, server_of
from ringfence.api.audited import tell
from ringfence.api.problems import Refusal
from ringfence.compose.privacy import privacy_desk
from ringfence.compose.store import keeps_tokens
from ringfence.errors import InputError
from ringfence.events.personal_names import PersonalClass  # noqa: TC001 (msgspec reads the annotations)

if TYPE_CHECKING:
    from ringfence.api.server import Server
    from ringfence.ports.vault import Held

router = APIRouter(tags=["privacy"])
_BYTES = 8 << 10


class RevealAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token as answers have it, and why its original has to be seen."""

    token: Annotated[str, msgspec.Meta(pattern="^pd_[0-9a-f]{32}$")]
    reason: Annotated[str, msgspec.Meta(min_length=5, max_length=500)]


class Revealed(msgspec.Struct, frozen=True):
    """The original: what it tells of a person, and the value in its norm."""

    token: str
    kind: PersonalClass
    value: str


@router.post("/v1/privacy/reveal")
async def reveal(request: Request) -> Response:
    """Show the original behind a token. It is on record, reason included, before it is shown."""
    asked, server = await body_of(request, RevealAsked, _BYTES), server_of(request)
    caller = request.scope["ringfence.caller"]
    tell(request.scope, object=asked.token, reason=server.session.tokenizer.clean(asked.reason))
    if not keeps_tokens(server.session.store):
        raise Refusal(409, "no_vault", "this installation keeps personal data as it comes: nothing is hidden")
    try:
        found: Held = await server.pools.reading.run(_shown, server, asked, caller.name)
    except InputError as error:
        raise Refusal(409, "not_revealed", str(error)) from error
    return as_json(Revealed(found.token, found.kind, found.value))


def _shown(server: Server, asked: RevealAsked, by: str) -> Held:
    with privacy_desk(server.session.store, server.clock.now_ms) as desk:
        return desk.reveal(asked.token, by, asked.reason)
