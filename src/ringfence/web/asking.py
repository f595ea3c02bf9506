"""What a page gets from its request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ringfence.api.ids  # noqa: F401 (paths of pages use it)
from ringfence.web.errors import Stop

if TYPE_CHECKING:
    from starlette.requests import Request

    from ringfence.access.principal import Role
    from ringfence.web.dashboard import Dashboard
    from ringfence.web.shield import Visit


def dashboard_of(request: Request) -> Dashboard:
    """The dashboard that a request is for."""
    found: Dashboard = request.app.state.dashboard
    return found


def visit_of(request: Request) -> Visit:
    """Who asks."""
    found: Visit = request.scope["ringfence.visit"]
    return found


def demand(request: Request, role: Role) -> None:
    """`Stop` (403) unless the caller has this role."""
    if not visit_of(request).may(role):
        raise Stop(403, f"This needs the role {role}: sign in with a key that has it.")


def is_part(request: Request) -> bool:
    """Whether a page asks for a part of itself, rather than a person for a page."""
    return "hx-request" in request.headers


__all__ = ["dashboard_of", "demand", "is_part", "visit_of"]
