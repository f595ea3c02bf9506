"""What stands before every page: headers, who asks, and whether the request comes from a page of ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from ringfence.access.authoriser import BusyError
from ringfence.access.sessions import COOKIE, LONGEST_SECONDS, SignedIn
from ringfence.api.http.bodies import read_body
from ringfence.api.http.problems import Refusal
from ringfence.masking import names_card

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.access.authoriser import Authoriser
    from ringfence.access.principal import Principal
    from ringfence.access.roles import Permission
    from ringfence.access.sessions import Sessions

CSRF_HEADER: Final = "x-csrf-token"
CSRF_FIELD: Final = "csrf"
BODY_LIMIT: Final = 4 << 20
STRANGERS_LIMIT: Final = 32 << 10
"""Bytes of a form before the sign-in: a key or a token, and where to go from there."""

_FILTERED: Final = "/decisions"  # which has a word for each of its fields
CALLBACK: Final = "/sign-in/callback"  # a provider's code is chance
_MOST_ESCAPES: Final = 150_000  # of a form, which is read on the event loop: each is a piece of its own
_MOST_FIELDS: Final = 100
_TOKEN: Final = re.compile(rb"(?:^|&)" + CSRF_FIELD.encode() + rb"=([^&]{0,400})")
_SAFE: Final = frozenset({"GET", "HEAD"})
_OPEN_PATHS: Final = frozenset({"static", "sign-in", "session", "answer", "favicon.ico"})  # first parts
HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


@dataclass(slots=True)
class Visit:
    """A session and who stands behind it; nobody before the sign-in."""

    session: SignedIn
    caller: Principal | None
    open_server: bool  # no sign-in: everybody on this machine may do everything

    def may(self, permission: Permission) -> bool:
        """Whether one of the caller's roles permits this."""
        return self.caller is not None and self.caller.may(permission)


class Shield:
    """The outermost application of the dashboard."""

    def __init__(
        self,
        app: Any,
        sessions: Sessions,
        authoriser: Authoriser,
        outdated: Mapping[str, Callable[[], Response]],
    ) -> None:
        """`outdated` are answers to forms that are no longer valid, by path, in place of a plain line."""
        self._app = app
        self._outdated = outdated
        self._sessions = sessions
        self._authoriser = authoriser

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = Headers(scope=scope)
        session = self._sessions.find(cookie_parser(headers.get("cookie", "")).get(COOKIE, ""))
        try:
            visit = None if session is None else await self._visit(session)
            fresh = visit is None
            if visit is None:
                new = self._sessions.begin() if _wants_session(scope) else SignedIn("", None, 0, 0)
                visit = Visit(new, self._authoriser.remembered(None), self._authoriser.is_open)
        except BusyError as error:
            await PlainTextResponse(str(error), 503, {"retry-after": "2"})(scope, receive, send)
            return
        scope["ringfence.visit"], session = visit, visit.session
        scope["ringfence.caller"] = visit.caller
        if visit.caller is not None and (line := scope.get("ringfence.line")):
            line.know()

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                told = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in HEADERS.items():
                    told.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    told.setdefault("cache-control", "no-store")
                if fresh and session.id and not _sets_session(told):
                    told.append("set-cookie", cookie(scope, session))
            await send(message)

        try:
            receive = await self._checked(scope, receive, headers, visit)
        except _Stopped as stopped:
            await stopped.answer(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    async def _visit(self, session: SignedIn) -> Visit | None:
        """None where the session has ended: the key was revoked, or permits other things than it did."""
        if self._authoriser.is_open:
            return Visit(session, self._authoriser.remembered(None), open_server=True)
        caller = session.caller
        if session.credential is not None:
            caller = await self._authoriser.find(session.credential)
        if not session.is_still(caller):
            self._sessions.end(session)
            return None
        return Visit(session, caller, open_server=False)

    async def _checked(self, scope: Any, receive: Any, headers: Headers, visit: Visit) -> Any:
        """`receive` for the application; `_Stopped` where the request goes no further."""
        path, method = scope["path"], scope["method"]
        query = "" if path in (_FILTERED, CALLBACK) else scope["query_string"].decode("latin-1")
        if names_card(path, query):
            raise _Stopped(
                PlainTextResponse(
                    "An address may not hold a card number, because browsers keep addresses. The search box "
                    "takes a number, and forgets it.",
                    422,
                )
            )
        if method not in _SAFE:
            try:
                receive = await _own_form(scope, receive, headers, visit)
            except _OutdatedFormError:
                raise _Stopped(self._outdated.get(path, _no_form)()) from None
        if path.removeprefix("/").partition("/")[0] in _OPEN_PATHS:
            return receive
        if visit.caller is None:
            raise _Stopped(_sign_in_first(scope, headers))
        return receive


class _Stopped(Exception):  # noqa: N818 (an answer, not a failure)
    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class _OutdatedFormError(Exception):
    """No page of this session sent it."""


async def _own_form(scope: Any, receive: Any, headers: Headers, visit: Visit) -> Any:
    """The body again, once it has proved that a page of this session sent it."""
    session = visit.session
    site = headers.get("sec-fetch-site", "same-origin")
    if not session.id or site not in ("same-origin", "none"):
        raise _OutdatedFormError  # without a look at the body
    token = headers.get(CSRF_HEADER, "")
    if token and not session.proves(token):
        raise _OutdatedFormError
    try:
        limit = STRANGERS_LIMIT if visit.caller is None else BODY_LIMIT
        body = await read_body(scope["headers"], receive, limit)
    except Refusal as refusal:
        raise _Stopped(PlainTextResponse(str(refusal), refusal.status)) from None
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        if body.count(b"%") > _MOST_ESCAPES or body.count(b"&") > _MOST_FIELDS:
            raise _Stopped(PlainTextResponse("This form holds more than can be read at once.", 413))
        found = _TOKEN.search(body)
        token = token or (found[1].decode("latin-1") if found else "")
    if not session.proves(token):
        raise _OutdatedFormError
    told = False

    async def again() -> Any:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _no_form() -> Response:
    return PlainTextResponse(
        "This form is no longer valid; nothing was changed. Load the page again, then send again.", 403
    )


def _sign_in_first(scope: Any, headers: Headers) -> Response:
    query = scope["query_string"].decode("latin-1")
    here = scope["path"] + (f"?{query}" if query else "")
    if names_card(scope["path"], query):  # a filter takes one, and browsers keep where they are sent
        here = "/" if names_card(scope["path"]) else scope["path"]
    if (
        scope["method"] == "GET"
        and "hx-request" not in headers
        and headers.get("accept") != "text/event-stream"
    ):
        return RedirectResponse(f"/sign-in?next={quote(here, safe='')}", 303)
    return PlainTextResponse("Your session has ended: sign in again.", 401)


def _wants_session(scope: Any) -> bool:
    return scope["method"] in _SAFE and not scope["path"].startswith(("/static/", "/favicon"))


def _sets_session(headers: MutableHeaders) -> bool:
    """Whether an answer has a session of its own, as after signing in: another cookie is none."""
    return any(one.startswith(f"{COOKIE}=") for one in headers.getlist("set-cookie"))


def address_of(scope: Any) -> str:
    """Where a request comes from, empty where that is not known."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def cookie(scope: Any, session: SignedIn) -> str:
    """The header that gives a browser its session."""
    secure = "; Secure" if scope.get("scheme") == "https" else ""
    return f"{COOKIE}={session.id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={LONGEST_SECONDS:.0f}{secure}"


def no_cookie(scope: Any) -> str:
    """The header that takes it back."""
    secure = "; Secure" if scope.get("scheme") == "https" else ""
    return f"{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}"


def local_path(wanted: str) -> str:
    r"""Where to go on this site; the start page for anything that could lead elsewhere.

    >>> local_path("/decisions?outcome=review"), local_path("//evil.example"), local_path("https://evil.example")
    ('/decisions?outcome=review', '/', '/')
    >>> local_path("/\\evil.example"), local_path("/\t/evil.example")
    ('/', '/')
    """
    if not wanted.startswith("/") or wanted.startswith("//") or "\\" in wanted:
        return "/"
    return wanted if wanted.isprintable() and wanted.isascii() else "/"
