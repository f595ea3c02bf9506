"""What is shown when something cannot be shown; and static files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ringfence.api.problems import Refusal
from ringfence.errors import InputError, RingfenceError, RuleError, SpecError
from ringfence.web.rendering import asset, render

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

_TITLES: Final = {
    400: "This cannot be understood",
    403: "Not with your role",
    404: "Not found",
    405: "Not this way",
    409: "Somebody was faster",
    422: "This cannot be used",
    500: "Our fault",
    503: "Not at the moment",
}
_TEXTS: Final = {
    404: "There is nothing under this address. It may have been mistyped, or is no longer kept.",
    405: "This address is reached from a page, not by itself.",
}


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


def _page(request: Request, status: int, text: str) -> Response:
    part = "hx-request" in request.headers
    template = "parts/problem.html" if part else "error.html"
    return render(request, template, {"title": _TITLES.get(status, "Problem"), "text": text}, status)


async def _stop(request: Request, error: Exception) -> Response:
    assert isinstance(error, Stop)
    return _page(request, error.status, error.text)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _page(request, error.status_code, _TEXTS.get(error.status_code, "The request is not understood."))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return _page(request, 422, f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}")


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _page(request, error.status, error.problem.detail)


async def _ours(request: Request, error: Exception) -> Response:
    if isinstance(error, InputError | RuleError | SpecError):
        return _page(request, 422, str(error))
    return _page(request, 503, "The store cannot answer at the moment; the server's log says why.")


async def _unexpected(request: Request, _error: Exception) -> Response:
    return _page(request, 500, "The server's log says what happened. Nothing was changed by this page.")


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
