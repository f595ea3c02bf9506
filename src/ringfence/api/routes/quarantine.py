"""Quarantined records, tried again by programs."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.api.audited import tell
from ringfence.api.handlers import replaying
from ringfence.api.handlers.requests import as_json, body_of
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.api.services import QuarantineServices, services_of
from ringfence.errors import InputError

router = APIRouter(tags=["quarantine"], route_class=LazyRoute)
_BODY_BYTES: Final = 512 << 10


class ReplayRecords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which records to try again: by their ids, or those of a reason, or all that have become no event."""

    ids: (
        Annotated[
            list[Annotated[str, Meta(max_length=64)]], Meta(min_length=1, max_length=replaying.MOST_AT_ONCE)
        ]
        | None
    ) = None
    reason: Annotated[str, Meta(max_length=100)] | None = None


class ReplayedRecords(msgspec.Struct, frozen=True):
    """How many records were tried, and how often each outcome came out: `accepted`, `duplicate`, or why not.

    `waiting` tells how many of those that the request names nobody has tried yet. A request tries 5,000,
    those first that nobody has tried: ask again until none waits.
    """

    tried: int
    outcomes: dict[str, int]
    waiting: int


@router.post("/v1/quarantine/replay")
async def replay(request: Request) -> Response:
    """Try bad records again, after what was wrong with them has been put right.

    What can be read now is decided like any other event. Asking again is harmless: what was decided is a
    duplicate then.
    """
    asked = await body_of(request, ReplayRecords, _BODY_BYTES)
    if asked.ids is not None and asked.reason is not None:
        raise Refusal(422, "invalid_request", "send ids or a reason, not both")
    ids = asked.ids
    tell(request.scope, object=ids[0] if ids and len(ids) == 1 else asked.reason or "")
    services = services_of(request, QuarantineServices)

    def work() -> ReplayedRecords:
        quarantine = services.store.quarantine
        if ids is not None:
            outcomes = replaying.give(services, [quarantine.get(one) for one in ids])
            return ReplayedRecords(len(ids), dict(outcomes), 0)
        records = quarantine.unsettled(reason=asked.reason, limit=replaying.MOST_AT_ONCE)
        outcomes = replaying.give(services, records)
        waiting = sum(
            count
            for reason, (_, count) in quarantine.counts().items()
            if asked.reason is None or reason == asked.reason
        )
        return ReplayedRecords(len(records), dict(outcomes), waiting)

    try:
        return as_json(await services.pools.batches.run(work))
    except InputError as error:
        raise Refusal(404, "not_found", str(error)) from error
