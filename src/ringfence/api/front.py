"""The door of every request: who asks, how often, what became of it, and the shortest way for payments."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from ringfence.access.authoriser import BusyError
from ringfence.access.roles import Permission
from ringfence.api.http.bodies import JSON, ClientGoneError, content_type, header, read_body
from ringfence.api.http.callers import owner_of
from ringfence.api.http.hosts import HostNames
from ringfence.api.http.problems import TYPE, Refusal, check_permission, traced, unavailable
from ringfence.api.http.proxies import scheme_of
from ringfence.masking import names_card

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.access.principal import Principal
    from ringfence.api.hot.outcomes import Result
    from ringfence.api.http.access_log import AccessLog
    from ringfence.api.services import FrontServices
    from ringfence.ports.tracing import RequestTrace

HOT_PATH: Final = "/v1/decisions"
_DECIDING: Final = frozenset({HOT_PATH, f"{HOT_PATH}/batch"})
_KEYED: Final = ("/v1/", "/metrics")  # whose caller has to be known
_NO_ROOM: Final = 503  # misuse only of a caller who has taken more than its share: others may have the room
_MISUSE: Final = frozenset({400, 413, 415, 422, _NO_ROOM})
"""What a body gets that nobody can use, or that came when there was no room."""
_MISUSE_OF_PAYMENTS: Final = frozenset({413, 415})  # the others may be one till's of many behind a connection
REPLAYED: Final = (b"idempotency-replayed", b"true")
_JSON: Final = (b"content-type", b"application/json")
_PROBLEM: Final = (b"content-type", TYPE)


class Front:
    """The outermost ASGI application; `app` answers everything but single payments."""

    def __init__(self, services: FrontServices, app: Any, log: AccessLog) -> None:
        self.services = services
        self._limit = services.settings.body_bytes
        self._app = app
        self.log = log
        self._unread = 0  # payments refused since the loop's last turn
        settings = services.settings
        self.names = HostNames(
            settings.public_names, settings.cors_origins, is_open=services.authoriser.is_open
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, replayed = time.perf_counter(), False
        trace = scope["ringfence.trace"] = self.trace(header(scope["headers"], b"traceparent"))
        self._believe_proxy(scope)
        try:
            self.names.check(scope["headers"], scope["method"], scope["path"])
        except Refusal as refusal:
            status = await self._refuse(send, refusal, trace)
            self.note(scope["method"], "unmatched", status, begin, None, trace)
            return
        if scope["method"] == "POST" and scope["path"] == HOT_PATH:
            route, (status, replayed) = HOT_PATH, await self._decide(scope, receive, send)
        else:
            try:
                status = await self._pass_on(scope, receive, send)
            except Exception:
                if trace is not None:
                    trace.end(scope["method"], _route(scope), 500)
                raise
            route = _route(scope)
        caller = scope.get("ringfence.caller")
        self.note(scope["method"], route, status, begin, caller, trace, replayed=replayed)

    def trace(self, traceparent: bytes) -> RequestTrace | None:
        """A request begins, in that trace if it is one; None where requests are not traced."""
        tracing = self.services.tracing
        return None if tracing is None else tracing.request(traceparent)

    def _believe_proxy(self, scope: Any) -> None:
        """A trusted proxy knows where its caller came from, and whether over TLS."""
        client = scope.get("client")
        if not (client and self.services.proxies.trust(client[0])):
            return
        if scheme := scheme_of(scope["headers"]):
            scope["scheme"] = scheme
        caller = self.client_of(client[0], scope["headers"])
        if caller != client[0]:
            scope["client"] = (caller, 0)

    def client_of(self, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """Address of whoever asks: the peer's, or what a trusted proxy says of its caller."""
        proxies = self.services.proxies
        return (proxies.caller_of(headers) if proxies.trust(peer) else None) or peer

    def note(
        self,
        method: str,
        route: str,
        status: int,
        begin: float,
        caller: Principal | None,
        trace: RequestTrace | None = None,
        *,
        replayed: bool = False,
    ) -> None:
        """Count a request that began then, log it and end its trace; status 0: the caller hung up first."""
        took = time.perf_counter() - begin
        if status:
            self.services.metrics.answered(route, status, took)
            if method == "POST" and route in _DECIDING:
                self.services.metrics.promised(status, took, is_single=route == HOT_PATH)
        if replayed:
            self.services.metrics.replayed.inc()
        trace_id = None if trace is None else trace.trace_id
        self.log.write(method, route, status, took, caller.name if caller else None, trace_id=trace_id)
        if trace is not None:
            trace.end(method, route, status)

    def count_refusal(self, refusal: Refusal) -> None:
        """Count what was refused because too much is waiting."""
        if refusal.status == 503:
            self.services.metrics.shed.inc()

    def refused_unread(self) -> None:
        """Note a payment that was refused unread; a row of them is counted and logged at once."""
        if not self._unread:
            asyncio.get_running_loop().call_soon(self._note_unread)
        self._unread += 1

    def _note_unread(self) -> None:
        count, self._unread = self._unread, 0
        self.services.metrics.refused_unread(HOT_PATH, count)
        self.log.write("POST", HOT_PATH, 503, 0.0, None, count)

    def lets_nobody_in(self, caller: str) -> bool:
        """Whether a further payment of a caller would wait too long at this moment."""
        return self.services.decider.lets_nobody_in(caller)

    def is_short(self, length: int) -> bool:
        """Whether a body of so many bytes may come."""
        return 0 < length <= self._limit

    def known(self, authorization: bytes, key: bytes) -> Principal | None:
        """The caller who sends these headers, where it is known without asking anybody."""
        return self.services.authoriser.remembered(_credential(authorization, key))

    def let_in(self, caller: Principal, owner: str, now: float) -> None:
        """Admit a payment, whichever way it came, before its body is read; `Refusal` 403, 429 or 503."""
        check_permission(caller, Permission.DECIDE)
        self.services.charge(caller, 1)
        self.services.decider.gate.check(1, now, owner)

    async def _decide(self, scope: Any, receive: Any, send: Any) -> tuple[int, bool]:
        trace = scope["ringfence.trace"]
        try:
            caller = await self._named(scope)
            self.let_in(caller, owner_of(scope), time.perf_counter())
            result = await self._asked(scope, receive)
        except Refusal as refusal:
            self._slow_down(scope, refusal.status, _MISUSE_OF_PAYMENTS)
            return await self._refuse(send, refusal, trace), False
        except ClientGoneError:
            return 0, False
        kind, body = (_JSON, result.body) if result.status < 400 else (_PROBLEM, traced(result.body, trace))
        headers = [kind, (b"content-length", str(len(body)).encode())]
        if result.replayed:
            headers.append(REPLAYED)
        await send({"type": "http.response.start", "status": result.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return result.status, result.replayed

    async def _asked(self, scope: Any, receive: Any) -> Result:
        """The decision on the payment in the body, at the deadline at the latest; else `Refusal`."""
        headers = scope["headers"]
        if content_type(headers) != JSON:
            raise Refusal(415, "unsupported_media_type", "send the payment as application/json")
        body = await read_body(headers, receive, self._limit)
        future: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        owner, trace = owner_of(scope), scope["ringfence.trace"]
        self.services.hot.submit(body, future.set_result, future.set_exception, trace, owner)
        return (await future)[0]

    async def _pass_on(self, scope: Any, receive: Any, send: Any) -> int:
        status = 0

        async def note(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._slow_down(scope, status)
            await send(message)

        try:
            if scope["path"].startswith(_KEYED):
                self.services.charge(await self._named(scope), 1)
                _check_address(scope)
            await self._app(scope, receive, note)
        except Refusal as refusal:
            self._slow_down(scope, refusal.status)
            return await self._refuse(send, refusal, scope["ringfence.trace"])
        except ClientGoneError:
            return 0
        return status

    def _slow_down(self, scope: Any, status: int, misuse: frozenset[int] = _MISUSE) -> None:
        """Before the answer: a caller who sends what has to be refused waits, while somebody else pays."""
        line = scope.get("ringfence.line")
        if status not in misuse or line is None or scope.get("ringfence.caller") is None:
            return
        shares, owner, now = self.services.decider.shares, owner_of(scope), time.perf_counter()
        if shares.others_pay(owner, now) and (status != _NO_ROOM or shares.owed(owner, now) > 0):
            line.doubt()

    async def _named(self, scope: Any) -> Principal:
        """Who asks, who is put into the scope; `Refusal` 401."""
        caller, line = await self._caller(scope), scope.get("ringfence.line")
        if caller is None:
            if line:
                line.doubt()
            raise Refusal(
                401,
                "unauthenticated",
                "send a key that is in force: Authorization: Bearer rf_... (ringfence keys create)",
                headers=[(b"www-authenticate", b'Bearer realm="ringfence"')],
            )
        scope["ringfence.caller"] = caller
        if line:
            line.know()
        return caller

    async def _caller(self, scope: Any) -> Principal | None:
        authoriser = self.services.authoriser
        if authoriser.is_open:
            return authoriser.remembered(None)
        headers = scope["headers"]
        try:
            return await authoriser.find(
                _credential(header(headers, b"authorization"), header(headers, b"x-api-key"))
            )
        except BusyError as error:
            raise unavailable(str(error)) from error

    async def _refuse(self, send: Any, refusal: Refusal, trace: RequestTrace | None) -> int:
        self.count_refusal(refusal)
        body = traced(refusal.body, trace)
        headers = [_PROBLEM, (b"content-length", str(len(body)).encode()), *refusal.headers]
        await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return refusal.status


def _route(scope: Any) -> str:
    """The pattern of the route that a request came to."""
    return getattr(scope.get("route"), "path", "unmatched")


def _check_address(scope: Any) -> None:
    """`Refusal` of an address that names a card by its number: proxies and browsers keep addresses.

    A payment may be asked for by an id that only looks like one.
    """
    path, query = scope["path"], scope["query_string"].decode("latin-1")
    if names_card("" if path.startswith(f"{HOT_PATH}/") else path, query):
        raise Refusal(422, "card_number", "a card is asked for by its token (card_id), never by its number")


def _credential(authorization: bytes, key: bytes) -> bytes | None:
    scheme, _, credential = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        credential = key
    return credential.strip() or None
