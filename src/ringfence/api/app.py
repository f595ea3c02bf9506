"""The application: routes, errors in one shape, and the document that describes both."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from ringfence.api.assembly import services_for
from ringfence.api.audited import ACTIONS, Audited
from ringfence.api.front import Front
from ringfence.api.handlers import wording
from ringfence.api.handlers.address_tokens import KeptAddresses
from ringfence.api.handlers.requests import permitted
from ringfence.api.http.access_log import AccessLog
from ringfence.api.http.lazy_routes import add_routes
from ringfence.api.http.problems import TYPE, FieldError, Refusal, traced, unavailable
from ringfence.api.openapi import asyncapi, document
from ringfence.api.routes import (
    access,
    audit,
    bus,
    cases,
    drift,
    events,
    graph,
    health,
    lists,
    models,
    mutes,
    outbox,
    privacy,
    quarantine,
    read,
    rules,
    slack,
    trials,
    views,
)
from ringfence.api.services import FrontServices, Surroundings, services_of
from ringfence.errors import InputError, RingfenceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import BinaryIO

    from starlette.requests import Request

    from ringfence.api.server import Server

_OF_API = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json", "/asyncapi.json", "/v1", slack.PATH})
UNTOLD: Final = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)
"""FastAPI's own spans and logs have paths and messages of errors, which may name a person."""

_ROUTES: Final = (
    events,
    trials,  # before a path that takes any id
    read,
    rules,
    lists,
    access,
    audit,
    bus,
    mutes,
    outbox,
    slack,
    views,
    cases,
    graph,
    privacy,
    models,
    quarantine,
    drift,
    health,
)
_CODES = {404: "not_found", 405: "method_not_allowed"}
_DETAILS = {
    404: "there is nothing here: /openapi.json lists every route",
}


class ServedPages(Protocol):
    """Pages for people: an ASGI application that lives as long as the server does."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def start(self) -> None:
        """The server decides from now on."""
        ...

    async def stop(self) -> None:
        """The server is about to stop."""
        ...


def build(server: Server, log: BinaryIO | None = None, site: ServedPages | None = None) -> Any:
    """The ASGI application of a server; its access log goes to `log`, what is no API's path to the site."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        server.start()
        if site is not None:
            site.start()
        try:
            yield
        finally:
            if site is not None:
                await site.stop()
            await server.stop()
            requests.flush()

    services = services_for(server)
    app = _routed(lifespan)
    app.state.services = services
    _complete(app)
    requests = AccessLog(log)
    now_ms, clean = server.clock.now_ms, server.session.tokenizer.clean
    recorded = Audited(app, server.trail, ACTIONS, "api", now_ms, clean)
    inside: Any = recorded if site is None else _Switch(recorded, site)
    personal = server.session.tokenizer.personal
    if personal is not None:
        inside = KeptAddresses(inside, personal)
    front: Any = Front(services[FrontServices], inside, requests)
    if server.settings.cors_origins:
        front = CORSMiddleware(
            front,
            allow_origins=server.settings.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("authorization", "content-type", "x-api-key"),
            expose_headers=("idempotency-replayed", "retry-after"),
        )
    return front


def _routed(lifespan: Any = None) -> FastAPI:
    app = FastAPI(
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry=UNTOLD,
    )
    add_routes(app, (module.router for module in _ROUTES), permitted)
    return app


@cache
def _openapi() -> bytes:
    return document.document(_routed())


@cache
def _asyncapi() -> bytes:
    return msgspec.json.encode(asyncapi.document(version("ringfence")))


_DOCUMENTS: Final = {"/openapi.json": _openapi, "/asyncapi.json": _asyncapi}
"""Paths of the documents with what makes them, the same for every application of a process."""


def _complete(app: FastAPI) -> None:
    """What it says of itself, and what becomes of errors."""
    for path, describe in _DOCUMENTS.items():
        app.add_route(path, _as_it_is(describe))
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(RingfenceError, _ours)
    app.add_exception_handler(Exception, _unexpected)


class _Switch:
    """Hands the API its paths, and the site all others."""

    def __init__(self, app: Any, site: ServedPages) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        of_api = scope["type"] != "http" or path in _OF_API or path.startswith("/v1/")
        await (self._app if of_api else self._site)(scope, receive, send)


def _answer(request: Request, refusal: Refusal) -> Response:
    """The refusal, with a token for each card number that it repeats from the request."""
    headers = {name.decode(): value.decode() for name, value in refusal.headers}
    tokenizer = services_of(request, Surroundings).tokenizer
    body = tokenizer.guard_text(refusal.body.decode(), counted=False)
    body_in_trace = traced(body.encode(), request.scope.get("ringfence.trace"))
    return Response(body_in_trace, refusal.status, headers, TYPE.decode())


def _as_it_is(describe: Callable[[], bytes]) -> Callable[[Request], Awaitable[Response]]:
    """Answers with a document: the first is made beside the loop, and later ones cost less than a thread."""
    made: list[bytes] = []

    async def answer(request: Request) -> Response:
        if not made:
            made.append(await services_of(request, Surroundings).pools.reading.run(describe))
        return Response(made[0], media_type="application/json")

    return answer


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _answer(request, error)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    detail = _DETAILS.get(status, "the request cannot be understood")
    headers = []
    if status == 405:
        methods = (
            ", ".join(document.allowed_methods(request.url.path)) or "GET"
        )  # of the documents themselves
        headers = [(b"allow", methods.encode())]
        detail = f"this route takes {methods} and no other method: /openapi.json lists every route"
        bare = request.url.path.rstrip("/")
        if bare != request.url.path and request.method in document.allowed_methods(bare):
            detail = f"{request.method} goes to {bare}, without the slash at the end"
    return _answer(request, Refusal(status, _CODES.get(status, "bad_request"), detail, headers=headers))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(found["loc"][0] == "path" for found in error.errors()) and document.is_route(request.url.path):
        return await _http(request, HTTPException(405))  # no bad id, but the name of another route
    errors = [
        FieldError(".".join(map(str, found["loc"][1:])), found["type"], wording.of_parameter(found))
        for found in error.errors()
    ]
    detail = "; ".join(f"{found.field}: {found.problem}" for found in errors)
    return _answer(request, Refusal(422, "invalid_parameter", detail, errors=errors))


async def _ours(request: Request, error: Exception) -> Response:
    if isinstance(error, InputError):
        return _answer(request, Refusal(422, "invalid_parameter", str(error)))
    return _answer(request, unavailable("the store cannot answer at the moment; the server's log says why"))


async def _unexpected(request: Request, _error: Exception) -> Response:
    return _answer(
        request, Refusal(500, "internal", "something went wrong; the server's log has the details")
    )
