"""Personal data: the original behind a token, and what is held on somebody: found, exported, erased."""

from __future__ import annotations

import logging
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.api.audited import DETAILS, tell
from ringfence.api.handlers.requests import as_json, body_of, refusals
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.http.problems import Refusal
from ringfence.api.services import PrivacyServices, Surroundings, services_of
from ringfence.audit import Act
from ringfence.compose.folder.inquiries import PERSON_SECONDS
from ringfence.compose.folder.privacy import privacy_desk
from ringfence.compose.folder.store import keeps_tokens
from ringfence.compose.worker_process import StarvedError, TooLateError
from ringfence.desks.person_search import PersonQuestions
from ringfence.errors import InputError, StoreError
from ringfence.events.personal_names import PersonalClass  # noqa: TC001 (msgspec reads the annotations)
from ringfence.events.privacy.masked_originals import masked
from ringfence.events.privacy.personal import TOKEN
from ringfence.ports.vault import Erased, LegalHold  # noqa: TC001 (likewise)
from ringfence.rulebook.changes import ApprovalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.api.background.pools import Pool
    from ringfence.compose.folder.inquiries import Inquiries
    from ringfence.desks.person_search import PersonFile, PersonTokens
    from ringfence.desks.privacy import ErasedData, PrivacyDesk
    from ringfence.ports.vault import Held

    T = TypeVar("T")

_LOGGER = logging.getLogger(__name__)
router = APIRouter(tags=["privacy"], route_class=LazyRoute)
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
    """An original as whoever need not know it may see it.

    `fields` are those it stood in, as far as that is known; `until_ms` is when `ringfence retention` deletes
    it, null where no setting says so. A legal hold keeps it for longer.
    """

    kind: PersonalClass
    masked: str
    token: str
    fields: tuple[str, ...]
    until_ms: int | None


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
    found = await reveal_original(request, asked.token, by, asked.reason)
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
                MaskedValue(one.kind, masked(one.kind, one.value), one.token, one.fields, one.until_ms)
                for one in found.originals
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

    After 503 it may still take effect: ask again. What is erased stays so, and the rest follows. It is on
    record once more when it ends.
    """
    asked = await body_of(request, PersonAsked, _BYTES)
    tell_reason(request, "", asked.reason)
    by = request.scope["ringfence.caller"].name
    record = _ErasureRecord(request, by)
    try:
        done = await _at_desk(
            request, lambda desk: record.watch(lambda: desk.erase(asked.customer, by, asked.reason))
        )
    except Refusal as refusal:
        if refusal.problem.code != "timed_out":
            raise
        record.answer()
        raise Refusal(503, "timed_out", _MAY_STILL, headers=[(b"retry-after", b"30")]) from None
    tell(request.scope, object=done.person)
    return as_json(done)


async def _found(
    request: Request, asked: PersonAsked, find: Callable[[PrivacyDesk], PersonFile]
) -> PersonFile:
    tell_reason(request, "", asked.reason)
    found = await _at_desk(request, find)
    tell(request.scope, object=found.person)
    return found


def tell_reason(request: Request, token: str, reason: str) -> None:
    """Put the reason on record, and whom it is about once that is known by a token.

    What was typed in a token's place may be an original, and the record is for good: it stays off it.
    """
    about = token if TOKEN.fullmatch(token) else ""
    tell(request.scope, object=about, reason=services_of(request, Surroundings).tokenizer.clean(reason))


_TOO_LATE = "its caller was answered before it began"


class _ErasureRecord:
    """Has an erasure on record with what came of it, also where it ends after its caller had an answer."""

    def __init__(self, request: Request, by: str) -> None:
        services = services_of(request, PrivacyServices)
        self._scope, self._by = request.scope, by
        self._trail, self._now_ms = services.trail, services.clock.now_ms
        self._lock = Lock()
        self._has_begun = self._is_answered = False
        self._outcome: str | None = None

    def watch(self, erase: Callable[[], ErasedData]) -> ErasedData:
        """What `erase` gives or raises, which goes on record here where the caller had an answer before."""
        self._begin()
        outcome = "failed"
        try:
            done = erase()
            outcome = "done"
            tell(self._scope, object=done.person)
        except StarvedError:
            raise  # it may go well another time
        except (InputError, ApprovalError):
            outcome = "refused"
            raise
        finally:
            with self._lock:
                self._outcome, is_late = outcome, self._is_answered
            if is_late:
                self._write(outcome)
        return done

    def _begin(self) -> None:
        """`StoreError` where the record says by now that it had not begun."""
        with self._lock:
            if self._is_answered:
                raise StoreError(_TOO_LATE)
            self._has_begun = True

    def answer(self) -> None:
        """The caller hears that it takes too long; what came of it meanwhile, if anything, goes on record."""
        with self._lock:
            self._is_answered, outcome = True, self._outcome
        if outcome is None:
            tell(self._scope, state="may still take effect" if self._has_begun else "had not begun")
        else:
            tell(self._scope, outcome=outcome)

    def _write(self, outcome: str) -> None:
        told = self._scope[DETAILS]
        details = {"reason": told["reason"], "state": "ended"}
        act = Act(
            actor=self._by,
            channel="api",
            action="person.erased",
            object=told["object"],
            outcome=outcome,
            details=details,
        )
        try:
            self._trail.write([act], self._now_ms())
        except StoreError as error:
            _LOGGER.error(  # noqa: TRY400 (its words are enough)
                "The end of an erasure (%s) could not be put on record: %s", outcome, error
            )


def _questions(request: Request, inquiries: Inquiries) -> PersonQuestions:
    """To whoever answers inquiries; the time of a request is up for all that it asks.

    Whom it is about goes on record once that is known.
    """
    end = monotonic() + PERSON_SECONDS

    def who(asked: str) -> PersonTokens:
        found = inquiries.who(asked, end - monotonic())
        tell(request.scope, object=found.person)
        return found

    return PersonQuestions(who, lambda asked: inquiries.find(asked, _MOST_EVENTS, end - monotonic()))


async def reveal_original(request: Request, token: str, by: str, reason: str) -> Held:
    """As `PrivacyDesk.reveal`, off the event loop; it waits for no search. `Refusal` 409 without a vault."""
    pool = services_of(request, PrivacyServices).pools.originals
    return await _at_desk(request, lambda desk: desk.reveal(token, by, reason), pool)


async def _at_desk(request: Request, work: Callable[[PrivacyDesk], T], pool: Pool | None = None) -> T:
    """What the desk answers, off the event loop: in the pool of searches unless another is given.

    `Refusal` 409 where nothing is hidden here, 413 where the log is too long to be read in time, 503 where
    this machine is too busy for that.
    """
    services = services_of(request, PrivacyServices)
    store, now_ms = services.store, services.clock.now_ms

    def ask() -> T:
        questions = _questions(request, services.inquiries)  # its time begins here
        with privacy_desk(store, now_ms, questions) as desk:
            return work(desk)

    if not keeps_tokens(store):
        raise Refusal(409, "no_vault", "this installation keeps personal data as it comes: nothing is hidden")
    with refusals():
        try:
            return await (pool or services.pools.personal).run(ask)
        except StarvedError:
            raise
        except TooLateError as error:
            raise Refusal(413, "too_costly", str(error)) from None
