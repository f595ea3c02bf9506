"""The door of every request: who asks, how often, what became of it, and the shortest way for payments."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ringfence.access.principal import Role
from ringfence.api.bodies import ClientGoneError, header
from ringfence.api.hot import decide
from ringfence.api.problems import TYPE, Refusal

if TYPE_CHECKING:
    from ringfence.access.principal import Principal
    from ringfence.api.access_log import AccessLog
    from ringfence.api.server import Server

HOT_PATH: Final = "/v1/decisions"
_OF_ANALYSTS: Final = ("/v1/rules", "/v1/lists")  # what they own, and may change
REPLAYED: Final = (b"idempotency-replayed", b"true")
_JSON: Final = (b"content-type", b"application/json")
_PROBLEM: Final = (b"content-type", TYPE)


class Front:
    """The outermost ASGI application; `app` answers everything but single payments."""

    def __init__(self, server: Server, app: Any, log: AccessLog) -> None:
        self._server = server
        self._app = app
        self.log = log
        self._hot_seconds = server.metrics.seconds.labels(HOT_PATH)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        if scope["method"] == "POST" and scope["path"] == HOT_PATH:
            route, status = HOT_PATH, await self._decide(scope, receive, send)
        else:
            status = await self._pass_on(scope, receive, send)
            route = getattr(scope.get("route"), "path", "unmatched")
        took = time.perf_counter() - begin
        if status:
            self._server.metrics.requests.labels(route, status).inc()
            seconds = self._hot_seconds if route is HOT_PATH else self._server.metrics.seconds.labels(route)
            seconds.observe(took)
        caller = scope.get("ringfence.caller")
        self.log.write(scope["method"], route, status, took, caller.name if caller else None)

    async def _decide(self, scope: Any, receive: Any, send: Any) -> int:
        try:
            await self._admit(scope, (Role.DECIDE,))
            result = await decide(self._server, scope, receive)
        except Refusal as refusal:
            return await self._refuse(send, refusal)
        except ClientGoneError:
            return 0
        kind = _JSON if result.status < 400 else _PROBLEM
        headers = [kind, (b"content-length", str(len(result.body)).encode())]
        if result.replayed:
            headers.append(REPLAYED)
            self._server.metrics.replayed.inc()
        await send({"type": "http.response.start", "status": result.status, "headers": headers})
        await send({"type": "http.response.body", "body": result.body})
        return result.status

    async def _pass_on(self, scope: Any, receive: Any, send: Any) -> int:
        roles = _needed(scope["method"], scope["path"])
        status = 0

        async def note(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if roles:
                await self._admit(scope, roles)
            await self._app(scope, receive, note)
        except Refusal as refusal:
            return await self._refuse(send, refusal)
        except ClientGoneError:
            return 0
        return status

    async def _admit(self, scope: Any, roles: tuple[Role, ...]) -> None:
        """Put the caller into the scope; `Refusal` 401, 403 or 429."""
        caller = await self._caller(scope)
        if caller is None:
            raise Refusal(
                401,
                "unauthenticated",
                "send a key that is in force: Authorization: Bearer rf_... (ringfence keys create)",
                headers=[(b"www-authenticate", b'Bearer realm="ringfence"')],
            )
        scope["ringfence.caller"] = caller
        if not caller.may(*roles):
            needed = " or ".join(roles)
            raise Refusal(403, "forbidden", f"this needs the role {needed}: ask for a key that has it")
        self._server.charge(caller, 1)

    async def _caller(self, scope: Any) -> Principal | None:
        authoriser = self._server.authoriser
        if authoriser.is_open:
            return authoriser.remembered(None)
        given = header(scope["headers"], b"authorization")
        scheme, _, credential = given.partition(b" ")
        if scheme.lower() != b"bearer":
            credential = header(scope["headers"], b"x-api-key")
        return await authoriser.find(credential.strip() or None)

    async def _refuse(self, send: Any, refusal: Refusal) -> int:
        if refusal.status == 503:
            self._server.metrics.shed.inc()
        body = refusal.body
        headers = [_PROBLEM, (b"content-length", str(len(body)).encode()), *refusal.headers]
        await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return refusal.status


def _needed(method: str, path: str) -> tuple[Role, ...]:
    """Roles of which a caller needs one; none where anybody may."""
    if path == "/metrics":
        return (Role.ANALYST,)
    if not path.startswith("/v1/"):
        return ()
    if method in ("GET", "HEAD"):
        return (Role.ANALYST,)
    if path.startswith(_OF_ANALYSTS):
        return (Role.ANALYST,)
    return (Role.DECIDE,) if path.startswith(HOT_PATH) else (Role.INGEST,)
