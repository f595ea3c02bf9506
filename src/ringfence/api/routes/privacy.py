"""Personal data: the original behind a token, and what is held on somebody: found, exported, erased."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.api.audited import tell
from ringfence.api.handlers.requests import as_json, body_of, refusals
from ringfence.api.http.problems import Refusal
from ringfence.api.services import PrivacyServices, Surroundings, services_of
from ringfence.compose.folder.inquiries import PERSON_SECONDS
from ringfence.compose.folder.privacy import privacy_desk
from ringfence.compose.folder.store import keeps_tokens
from ringfence.compose.worker_process import TooLateError
from ringfence.events.personal_names import PersonalClass  # noqa: TC001 (msgspec reads the annotations)
from ringfence.events.privacy.masked_originals import masked
from ringfence.events.privacy.personal import TOKEN
from ringfence.ports.vault import Erased, LegalHold  # noqa: TC001 (likewise)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.compose.folder.inquiries import Inquiries
    from ringfence.desks.person_search import PersonFile, PersonTokens
    from ringfence.desks.privacy import PrivacyDesk

    T = TypeVar("T")

router = APIRouter(tags=["privacy"])
_BYTES = 8 << 10
_MOST_EVENTS = 5_000  # of one person, in one answer
_MAY_STILL = (
    "the erasure has taken too long to wait for and may still take effect: ask again for the same person; "
    "that erases what is left and harms nothing"
)
_Reason = Annotated[str, msgspec.Meta(min_length=5, max_length=500)]
_Customer = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class RevealAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token as answers have it, and why its original has to be seen."""

    token: Annotated[str, msgspec.Meta(pattern="^pd_[0-9a-f]{32}$")]
    reason: _Reason


class Revealed(msgspec.Struct, frozen=True):
    """The original: what it tells of a person, and the value in its norm."""

    token: str
    kind: PersonalClass
    value: str


class PersonAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody by the customer's id, `account:ID`, `FIELD=VALUE`, or a token; and why this is asked."""

    customer: _Customer
    reason: _Reason


class MaskedValue(msgspec.Struct, frozen=True):
    """An original as whoever need not know it may see it."""

    kind: PersonalClass
    masked: str
    token: str


class PersonHeld(msgspec.Struct, frozen=True, kw_only=True):
    """How much is held on somebody, by what it is, and whether it may be erased."""

    person: str
    held: dict[str, int]
    originals: list[MaskedValue]
    hold: LegalHold | None
    erased: list[Erased]


@router.post("/v1/privacy/reveal")
async def reveal(request: Request) -> Response:
    """Show the original behind a token. It is on record, reason included, before it is shown."""
    asked = await body_of(request, RevealAsked, _BYTES)
    tell_reason(request, asked.token, asked.reason)
    by = request.scope["ringfence.caller"].name
    found = await at_privacy_desk(
        request, lambda desk: desk.reveal(asked.token, by, asked.reason), short=True
    )
    return as_json(Revealed(found.token, found.kind, found.value))


@router.post("/v1/privacy/find")
async def find(request: Request) -> Response:
    """Say what is held on somebody, with masked values."""
    asked = await body_of(request, PersonAsked, _BYTES)
    found = await _found(request, asked, lambda desk: desk.find(asked.customer))
    counts = {"events": len(found.events), "decisions": len(found.decisions)}
    return as_json(
        PersonHeld(
            person=found.person,
            held=counts | {name: len(rows) for name, rows in found.elsewhere.items()},
            originals=[
                MaskedValue(one.kind, masked(one.kind, one.value), one.token) for one in found.originals
            ],
            hold=found.hold,
            erased=found.erased,
        )
    )


@router.post("/v1/privacy/export")
async def export(request: Request) -> Response:
    """Give everything that is held on somebody, originals included, which count as revealed."""
    asked = await body_of(request, PersonAsked, _BYTES)
    by = request.scope["ringfence.caller"].name
    return as_json(await _found(request, asked, lambda desk: desk.export(asked.customer, by, asked.reason)))


@router.post("/v1/privacy/erase")
async def erase(request: Request) -> Response:
    """Destroy somebody's key and what people wrote about them. It cannot be undone.

    After 503 it may still take effect: ask again. What is erased stays so, and the rest follows.
    """
    asked = await body_of(request, PersonAsked, _BYTES)
    tell_reason(request, "", asked.reason)
    by = request.scope["ringfence.caller"].name
    try:
        done = await at_privacy_desk(request, lambda desk: desk.erase(asked.customer, by, asked.reason))
    except Refusal as refusal:
        if refusal.problem.code != "timed_out":
            raise
        raise Refusal(503, "timed_out", _MAY_STILL, headers=[(b"retry-after", b"30")]) from None
    tell(request.scope, object=done.person)
    return as_json(done)


async def _found(
    request: Request, asked: PersonAsked, find: Callable[[PrivacyDesk], PersonFile]
) -> PersonFile:
    tell_reason(request, "", asked.reason)
    found = await at_privacy_desk(request, find)
    tell(request.scope, object=found.person)
    return found


def tell_reason(request: Request, token: str, reason: str) -> None:
    """Put the reason on record, and whom it is about once that is known by a token.

    What was typed in a token's place may be an original, and the record is for good: it stays off it.
    """
    about = token if TOKEN.fullmatch(token) else ""
    tell(request.scope, object=about, reason=services_of(request, Surroundings).tokenizer.clean(reason))


class _Finder:
    """`FindsPersons` by whoever answers inquiries; the time of a request is up for all that it asks."""

    def __init__(self, inquiries: Inquiries) -> None:
        self._inquiries = inquiries
        self._end = monotonic() + PERSON_SECONDS

    def who(self, asked: str) -> PersonTokens:
        """See `FindsPersons.who`."""
        return self._inquiries.who(asked, self._end - monotonic())

    def find(self, asked: str) -> PersonFile:
        """See `FindsPersons.find`."""
        return self._inquiries.find(asked, _MOST_EVENTS, self._end - monotonic())


async def at_privacy_desk(request: Request, work: Callable[[PrivacyDesk], T], *, short: bool = False) -> T:
    """What the desk answers, off the event loop; `short` work waits for no search.

    `Refusal` 409 where nothing is hidden here, 413 where the log is too long to be read in time.
    """
    services = services_of(request, PrivacyServices)
    store, now_ms = services.store, services.clock.now_ms

    def ask() -> T:
        with privacy_desk(store, now_ms, _Finder(services.inquiries)) as desk:  # its time begins here
            return work(desk)

    if not keeps_tokens(store):
        raise Refusal(409, "no_vault", "this installation keeps personal data as it comes: nothing is hidden")
    with refusals():
        try:
            return await (services.pools.originals if short else services.pools.personal).run(ask)
        except TooLateError as error:
            raise Refusal(413, "too_costly", str(error)) from None
