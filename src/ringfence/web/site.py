"""The dashboard as an application: its pages, and what stands before them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI

from ringfence.api.audited import Audited
from ringfence.web import (
    pages_alerts,
    pages_answer,
    pages_bus,
    pages_cases,
    pages_decisions,
    pages_entities,
    pages_errors,
    pages_find,
    pages_graph,
    pages_home,
    pages_impact,
    pages_lab,
    pages_lists,
    pages_live,
    pages_models,
    pages_performance,
    pages_places,
    pages_quarantine,
    pages_rule,
    pages_rules,
    pages_sign_in,
    pages_sql,
    pages_streams,
    pages_system,
    pages_trials,
    pages_versions,
    period,
)
from ringfence.web.audited import ACTIONS
from ringfence.web.dashboard import Dashboard
from ringfence.web.shield import Shield

if TYPE_CHECKING:
    from ringfence.api.server import Server

_PAGES: Final = (
    pages_sign_in,
    pages_home,
    pages_live,
    pages_alerts,
    pages_answer,
    pages_bus,
    pages_cases,
    pages_find,
    pages_performance,
    pages_sql,
    pages_decisions,
    pages_entities,
    pages_places,
    pages_graph,
    pages_streams,
    pages_quarantine,
    pages_system,
    pages_rules,
    pages_rule,
    pages_lab,
    pages_impact,
    pages_trials,
    pages_versions,
    pages_lists,
    pages_models,
)


class Site(Dashboard):
    """`ringfence.api.app.Site` over a server."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        app.state.dashboard = self
        app.state.server = server
        app.state.navigation = frozenset(module.PATH for module in _PAGES if hasattr(module, "PATH"))
        for module in _PAGES:
            app.include_router(module.router)
        pages_errors.install(app)
        clean = partial(server.session.tokenizer.guard_text, counted=False)
        recorded = Audited(app, server.trail, ACTIONS, "dashboard", server.clock.now_ms, clean)
        self._app = Shield(recorded, self.sessions, server.authoriser)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        period.enter(scope)
        await self._app(scope, receive, send)
