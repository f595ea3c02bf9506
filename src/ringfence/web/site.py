"""The dashboard as an application: its pages, and what stands before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI

from ringfence.api.app import UNTOLD
from ringfence.api.assembly import services_for
from ringfence.api.audited import Audited
from ringfence.api.http.lazy_routes import add_routes
from ringfence.compose.folder.store import keeps_tokens
from ringfence.web.audited import ACTIONS
from ringfence.web.dashboard import Dashboard
from ringfence.web.pages import access, find, home, performance, sign_in, sql, views
from ringfence.web.pages.operation import brokers, quarantine, streams, system
from ringfence.web.pages.payments import decisions, entities, graph, live, places, reveal
from ringfence.web.pages.policy import impact, lab, lists, models, rule, rules, trials, versions
from ringfence.web.pages.response import alerts, answer, bus, cases, messages, notifications
from ringfence.web.parts import errors, period
from ringfence.web.parts.asking import permitted
from ringfence.web.shield import Shield

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.api.server import Server
    from ringfence.ports.topics import TopicBrowser

PAGES: Final = (
    sign_in,
    home,
    live,
    alerts,
    access,
    answer,
    brokers,
    bus,
    messages,
    cases,
    find,
    performance,
    sql,
    reveal,
    decisions,
    entities,
    places,
    graph,
    streams,
    quarantine,
    system,
    rules,
    rule,
    lab,
    impact,
    trials,
    versions,
    lists,
    models,
    notifications,
    views,
)


class Site(Dashboard):
    """`ringfence.api.app.Site` over a server."""

    def __init__(self, server: Server, browsers: Sequence[TopicBrowser] = ()) -> None:
        """`browsers` look into topics of brokers for the page of streams."""
        super().__init__(services_for(server), browsers)
        app = FastAPI(
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            telemetry=UNTOLD,
        )
        app.state.dashboard = self
        app.state.services = self.services
        shown = {module.PATH for module in PAGES if hasattr(module, "PATH")} | {"/sessions"}
        app.state.navigation = frozenset(shown if keeps_tokens(self.store) else shown - {reveal.PATH})
        add_routes(app, (module.router for module in PAGES), permitted)
        errors.install(app)
        clean = server.session.tokenizer.clean
        recorded = Audited(app, server.trail, ACTIONS, "dashboard", server.clock.now_ms, clean)
        self._app = Shield(recorded, self.sessions, server.authoriser, {"/answer": answer.outdated})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        period.enter(scope)
        await self._app(scope, receive, period.carrying(send))
