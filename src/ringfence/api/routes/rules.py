"""The live rule book: look, check, save, approve, put in force, roll back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response  # noqa: TC002 (FastAPI reads the annotations)

from ringfence.analysis.list_history import shadow_report
from ringfence.api.handlers.checking import checked, warnings_on
from ringfence.api.handlers.requests import BOOK_BYTES, as_json, body_of, refusals, who_asks
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import RuleServices, services_of
from ringfence.rulebook.wire import Activate, ApprovalNote, CheckBook, ImpactOf, RollBack, SaveBook, SetMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.rulebook.desk import Desk
    from ringfence.rulebook.wire import Saved
    from ringfence.scoring.rulesets.ruleset import RuleSet

T = TypeVar("T")
router = APIRouter(tags=["rules"], route_class=LazyRoute)

_DIGEST: Final = "^[0-9a-z]{4,16}$"
_TIME: Final = {"ge": 0, "le": 4_102_444_800_000}
Digest = Annotated[str, Path(pattern=_DIGEST, description="May be shortened; or `active`, or `head`.")]


@router.get("/v1/rules")
async def book(request: Request) -> Response:
    """The book as it is: the rules in force, its history, and the version that an edit has to name."""
    return as_json(await _at_the_desk(request, lambda desk: desk.state()))


@router.post("/v1/rules/check")
async def check_book(request: Request) -> Response:
    """Look at a book's text: every fault with its place, or how often each rule would fire."""
    asked, services = await body_of(request, CheckBook, BOOK_BYTES), services_of(request, RuleServices)
    with refusals():
        return as_json(await checked(services, services.check, asked.text))


@router.post("/v1/rules/impact")
async def impact(request: Request) -> Response:
    """What a change would do to recent payments: by outcome, money, customers. Changes nothing."""
    asked, rules = await body_of(request, ImpactOf, BOOK_BYTES), services_of(request, RuleServices).rules
    return as_json(await _at_the_desk(request, lambda _desk: rules.impact(asked)))


@router.get("/v1/rules/shadow")
async def shadow(
    request: Request,
    since_ms: Annotated[int | None, Query(**_TIME, description="Event time, from.")] = None,
    until_ms: Annotated[int | None, Query(**_TIME, description="Event time, to, not included.")] = None,
) -> Response:
    """What would have changed if the shadow rules had been active, together and one by one."""
    lake = services_of(request, RuleServices).lake
    return as_json(
        await _at_the_desk(request, lambda desk: shadow_report(lake, desk.ruleset, since_ms, until_ms))
    )


@router.get("/v1/rules/versions")
async def versions(request: Request) -> Response:
    """Every change of the book, newest first: whose it is, when, why, and who looked at it."""
    return as_json(await _at_the_desk(request, lambda desk: desk.book.changes()[::-1]))


@router.post("/v1/rules/versions")
async def save(request: Request) -> Response:
    """Keep a new version, made on `based_on`. If that is not the newest, 409 shows what changed since."""
    asked = await body_of(request, SaveBook, BOOK_BYTES)
    who, rules = who_asks(request, asked.note), services_of(request, RuleServices).rules
    keep = partial(
        rules.save, asked.text, asked.based_on, who, activate=asked.activate, confirm=asked.confirm
    )
    return await _kept(request, keep)


@router.get("/v1/rules/versions/{digest}")
async def version(
    request: Request,
    digest: Digest,
    against: Annotated[str | None, Query(pattern=_DIGEST, description="Version to compare with.")] = None,
) -> Response:
    """One version with its rules, and how it differs from the one it is based on, or from another."""
    return as_json(await _at_the_desk(request, lambda desk: desk.version(digest, against)))


@router.post("/v1/rules/versions/{digest}/approve")
async def approve(request: Request, digest: Digest) -> Response:
    """Say that a version may take effect; its author may not."""
    who = who_asks(request, (await body_of(request, ApprovalNote)).note)
    return as_json(await _at_the_desk(request, lambda desk: desk.review(digest, who, approve=True)))


@router.post("/v1/rules/versions/{digest}/reject")
async def reject(request: Request, digest: Digest) -> Response:
    """Say that a version may not take effect: the next edit starts from before it."""
    who = who_asks(request, (await body_of(request, ApprovalNote)).note)
    return as_json(await _at_the_desk(request, lambda desk: desk.review(digest, who, approve=False)))


@router.post("/v1/rules/versions/{digest}/activate")
async def activate(request: Request, digest: Digest) -> Response:
    """Put a version in force from the end of the log on: no restart, and no payment waits for it."""
    asked, rules = await body_of(request, Activate), services_of(request, RuleServices).rules
    who = who_asks(request, asked.note)
    return as_json(await _at_the_desk(request, lambda _desk: rules.activate(digest, who, asked.confirm)))


@router.post("/v1/rules/rollback")
async def roll_back(request: Request) -> Response:
    """Put the version before the present one in force again, or an earlier one."""
    asked, rules = await body_of(request, RollBack), services_of(request, RuleServices).rules
    who = who_asks(request, asked.note)
    return as_json(await _at_the_desk(request, lambda _desk: rules.roll_back(who, asked.to, asked.confirm)))


@router.post("/v1/rules/modes/{rule_id}")
async def set_mode(
    request: Request,
    rule_id: Annotated[str, Path(pattern=r"^[\w.-]{1,80}$", description="Id of a rule or typology.")],
) -> Response:
    """Keep a new version in which one rule is a draft, in shadow, active, paused or archived."""
    asked = await body_of(request, SetMode)
    who, rules = who_asks(request, asked.note), services_of(request, RuleServices).rules
    keep = partial(rules.set_mode, rule_id, asked.mode, asked.based_on, who, activate=asked.activate)
    return await _kept(request, partial(keep, confirm=asked.confirm))


async def _kept(request: Request, keep: Callable[[], Saved]) -> Response:
    """A change that is made, and then what should be read of it: none waits for what is being checked."""

    def made(desk: Desk) -> tuple[Saved, RuleSet]:
        saved = keep()
        return saved, desk.ruleset(saved.change.digest)

    saved, ruleset = await _at_the_desk(request, made)
    warnings = await warnings_on(services_of(request, RuleServices), ruleset)
    return as_json(msgspec.structs.replace(saved, warnings=warnings), 201)


async def _at_the_desk(request: Request, act: Callable[[Desk], T]) -> T:
    """Off the event loop: compiling takes a while, and so does the log."""
    with refusals():
        services = services_of(request, RuleServices)
        return await services.pools.rules.run(act, services.desk)
