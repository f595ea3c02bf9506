"""Quarantined records, tried again by programs."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.api import replaying
from ringfence.api.asked import body_of
from ringfence.api.audited import tell
from ringfence.api.problems import Refusal
from ringfence.api.routes_health import as_json, server_of
from ringfence.desks.quarantine import unsettled
from ringfence.errors import InputError

router = APIRouter(tags=["quarantine"])
_BODY_BYTES: Final = 512 << 10


class ReplayRecords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which records to try again: by their ids, or those of a reason, or all that have become no event."""

    ids: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=replaying.MOST_AT_ONCE)] = []
    reason: Annotated[str, Meta(max_length=100)] | None = None


class ReplayedRecords(msgspec.Struct, frozen=True):
    """How many records were tried, and how often each outcome came out: `accepted`, `duplicate`, or why not.

    `waiting` records are still to be tried: a request takes the newest 5,000 of those that it names.
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
    if asked.ids and asked.reason is not None:
        raise Refusal(422, "invalid_request", "send ids or a reason, not both")
    tell(request.scope, object=asked.reason or (asked.ids[0] if len(asked.ids) == 1 else ""))
    server = server_of(request)

    def work() -> ReplayedRecords:
        quarantine = server.session.store.quarantine
        if asked.ids:
            records = [quarantine.get(one) for one in asked.ids]
        else:
            records = unsettled(quarantine.records(reason=asked.reason, limit=replaying.MOST_AT_ONCE))
        outcomes = replaying.give(server, records)
        waiting = sum(count for _, count in quarantine.counts().values())
        return ReplayedRecords(len(records), dict(outcomes), waiting)

    try:
        return as_json(await server.pools.batches.run(work))
    except InputError as error:
        raise Refusal(404, "not_found", str(error)) from error
