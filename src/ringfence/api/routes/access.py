"""Who may do what: requests that wait for a second person, sessions, and keys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.access.restriction import parse_restriction
from ringfence.access.roles import Role
from ringfence.api.audited import tell
from ringfence.api.handlers.requests import as_json, body_of, refusals, who_asks
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.api.services import AccessServices, services_of
from ringfence.masking import mask_cards
from ringfence.rulebook.wire import ApprovalNote

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.access.key_store import KeyStore
    from ringfence.access.keys import ApiKey
    from ringfence.access.restriction import Restriction

router = APIRouter(tags=["access"], route_class=LazyRoute)
RequestId = Annotated[str, Path(pattern="^[Aa]-[0-9]{1,15}$")]
KeyId = Annotated[str, Path(pattern="^[0-9a-f]{8}$")]
SessionId = Annotated[str, Path(pattern="^[0-9a-f]{12}$")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Roles = Annotated[list[Role], msgspec.Meta(min_length=1, max_length=20)]
_Word = Annotated[str, msgspec.Meta(pattern="^(queue|field|entity|region)=[A-Za-z0-9_.-]{1,80}$")]
_Words = Annotated[list[_Word], msgspec.Meta(max_length=200)]
_Figure = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to be made: whose, with which roles, and restricted to what (`queue=NAME`, `field=NAME`, ...)."""

    name: _Name
    roles: _Roles
    restrict: _Words = []
    rate: _Figure = 0.0
    burst: _Figure = 0.0


class ChangedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Each role and restriction that a key has from now on."""

    roles: _Roles
    restrict: _Words = []


class MadeKey(msgspec.Struct, frozen=True):
    """The only time that a key can be seen."""

    key: str


class ShownKey(msgspec.Struct, frozen=True):
    """What may be told of a key. `made_by` is empty where that is not known."""

    id: str
    name: str
    roles: list[str]
    restrict: str
    rate: float
    created_ms: int
    revoked_ms: int | None
    made_by: str


class EndedSession(msgspec.Struct, frozen=True):
    """Whose session has ended."""

    caller: str


@router.get("/v1/approvals")
async def approvals(request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> Response:
    """What waits for a second person, and what became of earlier requests, the newest first."""
    return as_json(
        await _run(request, lambda services: services.approvals.list(services.clock.now_ms(), limit))
    )


@router.post("/v1/approvals/{request_id}/approve")
async def approve(request: Request, request_id: RequestId) -> Response:
    """Say that it may be done; whoever asked then does it. Nobody approves their own request."""
    return await _decide(request, request_id, approve=True)


@router.post("/v1/approvals/{request_id}/decline")
async def decline(request: Request, request_id: RequestId) -> Response:
    """Say that it may not be done, or take back one's own request."""
    return await _decide(request, request_id, approve=False)


@router.get("/v1/sessions")
async def sessions(request: Request) -> Response:
    """Who is signed in to the pages of this server."""
    return as_json(services_of(request, AccessServices).sessions.shown())


@router.post("/v1/sessions/{session_id}/end")
async def end_session(request: Request, session_id: SessionId) -> Response:
    """Sign somebody out."""
    ended = services_of(request, AccessServices).sessions.end_shown(session_id)
    if ended is None:
        raise Refusal(
            404,
            "not_found",
            f"there is no session {session_id!r}: `ringfence sessions list` or GET /v1/sessions shows them",
        )
    tell(request.scope, whose=ended)
    return as_json(EndedSession(ended))


@router.get("/v1/keys")
async def keys(request: Request) -> Response:
    """Every key there has been, without what is secret of it."""
    found = await _run(request, lambda services: _kept(services).all())
    return as_json([_shown(key) for key in found])


@router.post("/v1/keys")
async def make_key(request: Request) -> Response:
    """Make a key that permits no more than the caller may."""
    asked = await body_of(request, NewKey)
    roles, restriction = _granted(request, asked.roles, asked.restrict)
    name, caller = mask_cards(asked.name), request.scope["ringfence.caller"]
    # The first key of all was made by a command: under that everybody's would be one hand.
    makers = (caller.name, *(one for one in caller.made_by if not one.startswith("user:")))

    def make(services: AccessServices) -> str:
        limits = {"rate": asked.rate, "burst": asked.burst}
        now_ms = services.clock.now_ms()
        return _kept(services).create(name, roles, now_ms, restriction=restriction, made_by=makers, **limits)

    made = await _run(request, make)
    tell(request.scope, object=made.split("_")[1], roles=" ".join(sorted(roles)), restrict=restriction.text())
    return as_json(MadeKey(made), 201)


@router.post("/v1/keys/{key_id}")
async def change_key(request: Request, key_id: KeyId) -> Response:
    """Give a key other roles and restrictions, no more than the caller may; its sessions end."""
    asked = await body_of(request, ChangedKey)
    roles, restriction = _granted(request, asked.roles, asked.restrict)
    tell(request.scope, roles=" ".join(sorted(roles)), restrict=restriction.text())
    await _run(request, lambda services: _kept(services).change(key_id, roles, restriction))
    return as_json(await _one(request, key_id))


@router.post("/v1/keys/{key_id}/revoke")
async def revoke_key(request: Request, key_id: KeyId) -> Response:
    """Nobody gets in with this key any more."""
    await _run(request, lambda services: _kept(services).revoke(key_id, services.clock.now_ms()))
    return as_json(await _one(request, key_id))


async def _decide(request: Request, request_id: str, *, approve: bool) -> Response:
    who = who_asks(request, (await body_of(request, ApprovalNote)).note)
    return as_json(
        await _run(request, lambda services: services.approvals.decide(request_id, who, approve=approve))
    )


async def _one(request: Request, key_id: str) -> ShownKey:
    found = await _run(request, lambda services: _kept(services).all())
    return next(_shown(key) for key in found if key.id == key_id)


def _granted(request: Request, roles: list[Role], restrict: list[str]) -> tuple[frozenset[Role], Restriction]:
    """What a key is to permit; `Refusal` (403) where the caller may not do all of it."""
    with refusals():
        granted, restriction = frozenset(roles), parse_restriction(restrict)
    why = request.scope["ringfence.caller"].widening(granted, restriction)
    if why is not None:
        raise Refusal(
            403, "widening", f"{why}: `ringfence keys create`, on the server's machine, may grant it"
        )
    return granted, restriction


def _kept(services: AccessServices) -> KeyStore:
    found = services.authoriser.keys
    if found is None:
        raise Refusal(
            409,
            "conflict",
            "this server asks nobody who they are: make the first key by `ringfence keys create`",
        )
    return found


def _shown(key: ApiKey) -> ShownKey:
    return ShownKey(
        key.id,
        key.name,
        sorted(key.roles),
        key.restriction.text(),
        key.rate,
        key.created_ms,
        key.revoked_ms,
        *key.made_by[:1] or ("",),
    )


async def _run(request: Request, ask: Callable[[AccessServices], Any]) -> Any:
    services = services_of(request, AccessServices)
    with refusals():
        return await services.pools.reading.run(partial(ask, services))
