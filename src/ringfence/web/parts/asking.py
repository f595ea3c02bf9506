"""What a page gets from its request."""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from starlette.requests import Request  # noqa: TC002 (FastAPI reads the annotation)

import ringfence.api.http.path_ids  # noqa: F401 (paths of pages use it)
from ringfence.access.roles import holders
from ringfence.access.table import NEEDED
from ringfence.api.handlers.requests import keep_to
from ringfence.api.services import Surroundings, services_of
from ringfence.ports import DECISIONS, EVENTS
from ringfence.web.parts.errors import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.web.dashboard import Dashboard
    from ringfence.web.shield import Visit

P = ParamSpec("P")
T = TypeVar("T")
PERMITTED: Final = "ringfence.permitted"
"""Key of a request's scope that is set once `permitted` has let it pass."""


def dashboard_of(request: Request) -> Dashboard:
    """The dashboard that a request is for."""
    found: Dashboard = request.app.state.dashboard
    return found


def ends_of(dashboard: Dashboard) -> tuple[int, int]:
    """Where the log ends: what is counted from it is good until it has grown."""
    log = dashboard.store.log
    return log.end_offset(DECISIONS), log.end_offset(EVENTS)


def visit_of(request: Request) -> Visit:
    """Who asks."""
    found: Visit = request.scope["ringfence.visit"]
    return found


def caller_of(request: Request) -> str:
    """The name of who asks, empty where nobody is signed in."""
    caller = visit_of(request).caller
    return "" if caller is None else caller.name


async def permitted(request: Request) -> None:
    """`Stop` (403) unless a role of the caller permits what the table asks of this page."""
    path, caller = request.scope["route"].path, visit_of(request).caller
    needed = NEEDED[request.method, path]
    if needed is not None:
        if caller is None or not caller.may(needed):
            raise Stop(403, f"This needs the role {holders(needed)}: sign in with a key that has it.")
        await keep_to(request, caller.restriction, path)
    request.scope[PERMITTED] = True


async def beside(request: Request, act: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """What `act` gives on a thread for pages; it knows the zone of the page. Errors as of `Pool.run`."""
    work = partial(copy_context().run, partial(act, *given, **named))
    return await services_of(request, Surroundings).pools.pages.run(work)


async def from_tables(request: Request, act: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Likewise where it asks the analysis tables, which answer one question at a time."""
    work = partial(copy_context().run, partial(act, *given, **named))
    return await services_of(request, Surroundings).pools.figures.run(work)


def is_part(request: Request) -> bool:
    """Whether a page asks for a part of itself, rather than a person for a page."""
    return "hx-request" in request.headers


__all__ = [
    "PERMITTED",
    "beside",
    "caller_of",
    "dashboard_of",
    "ends_of",
    "from_tables",
    "is_part",
    "permitted",
    "visit_of",
]
