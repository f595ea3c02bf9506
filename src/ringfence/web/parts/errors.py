"""What is shown when something cannot be shown; and static files."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ringfence.api.handlers.wording import of_parameter
from ringfence.api.http.problems import Refusal
from ringfence.errors import CatchingUpError, InputError, RingfenceError, RuleError, SpecError
from ringfence.masking import lettered
from ringfence.web.parts.rendering import asset, render

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

_LOGGER: Final = logging.getLogger(__name__)
_TITLES: Final = {
    400: "Bad request",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Changed in the meantime",
    422: "Invalid input",
    500: "Something went wrong",
    503: "Unavailable",
}
_TEXTS: Final = {
    404: "There is no page at this address. Check the spelling; what it showed may also be gone.",
    405: "This address only works from a page, not by itself.",
}
_CATCHING_UP: Final = "The analysis tables are catching up with the log. Nothing is lost."
_CATCHING_UP_SECONDS: Final = "5"


class Stop(Exception):  # noqa: N818 (an answer, not a failure)
    """Raised by a page that cannot be shown; `text` says why and what to do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def install(app: FastAPI) -> None:
    """Handlers of everything that a page may raise, and the static files."""
    app.add_exception_handler(Stop, _stop)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(RingfenceError, _ours)
    app.add_exception_handler(Exception, _unexpected)
    app.add_route("/static/{path:path}", _static)
    app.add_route("/favicon.ico", _favicon)


def _page(request: Request, status: int, text: str, again: str = "") -> Response:
    """`again` is after how many seconds it may be asked again: a page that only looks does so by itself."""
    part = "hx-request" in request.headers
    template = "parts/problem.html" if part else "error.html"
    values = {"title": _TITLES.get(status, "Problem"), "text": text}
    values["again"] = again if request.method == "GET" else ""
    return render(request, template, values, status, **({"retry_after": again} if again else {}))


async def _stop(request: Request, error: Exception) -> Response:
    assert isinstance(error, Stop)
    return _page(request, error.status, error.text)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = _TEXTS.get(error.status_code, "The server could not read this request.")
    return _page(request, error.status_code, text)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place, *names = first["loc"]
    named = "" if place == "path" else f"{'.'.join(map(str, names))}: "  # an address has no names to look for
    return _page(request, 422, named + of_parameter(first))


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    again = dict(error.headers).get(b"retry-after", b"").decode()
    return _page(request, error.status, error.problem.detail, again)


async def _ours(request: Request, error: Exception) -> Response:
    if isinstance(error, InputError | RuleError | SpecError):
        return _page(request, 422, str(error))
    if isinstance(error, CatchingUpError):
        return _page(request, 503, _CATCHING_UP, _CATCHING_UP_SECONDS)
    return _page(request, 503, "The store cannot answer right now. The server's log says why.")


async def _unexpected(request: Request, error: Exception) -> Response:
    number = lettered(secrets.token_hex(4))
    _LOGGER.error("Error %s on %s", number, request.url.path, exc_info=error)
    return _page(request, 500, f"Error ID {number}: the server's log has the details. Nothing was changed.")


async def _static(request: Request) -> Response:
    try:
        content, kind, digest = asset(request.path_params["path"])
    except KeyError:
        return Response("not found", 404, media_type="text/plain")
    current = request.query_params.get("v") == digest
    caching = "public, max-age=31536000, immutable" if current else "no-cache"
    return Response(content, media_type=kind, headers={"cache-control": caching, "etag": f'"{digest}"'})


async def _favicon(_request: Request) -> Response:
    content, kind, _ = asset("mark.svg")
    return Response(content, media_type=kind, headers={"cache-control": "public, max-age=86400"})
