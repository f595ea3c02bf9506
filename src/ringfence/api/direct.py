"""A single payment from the socket to the decider and back, without a task, a scope or a message in between.

Half of what a small request costs is the machinery that carries any request. A plain `POST /v1/decisions`
needs none of it: its head is enough to refuse it, its body is handed over as it is, and the answer is written
when it is there. Everything else, and every caller who is not known yet, goes through the application.
"""

from __future__ import annotations

import re
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from ringfence.api.front import HOT_PATH, REPLAYED
from ringfence.api.http.bodies import JSON
from ringfence.api.http.callers import name_of
from ringfence.api.http.connections import BODY
from ringfence.api.http.problems import TYPE, Refusal, overloaded, traced
from ringfence.api.http.responses import lines, response
from ringfence.api.http.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.access.principal import Principal
    from ringfence.api.front import Front
    from ringfence.api.hot.outcomes import Result
    from ringfence.ports.tracing import RequestTrace

_PATH: Final = HOT_PATH.encode()
_NOT_PLAIN: Final = frozenset(
    {b"content-encoding", b"transfer-encoding", b"origin", b"expect", b"sec-fetch-site"}
)


_OVERLOADED: Final = overloaded()
_SHED: Final = response(_OVERLOADED.status, TYPE, _OVERLOADED.body, lines(_OVERLOADED.headers))
_START: Final = b"POST %b HTTP/1.1\r\n" % _PATH
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]{1,9})\r\n", re.IGNORECASE)
_NAMES: Final = rb"transfer-encoding|expect|connection|upgrade|origin"
_MORE_TO_IT: Final = re.compile(rb"\r\n(" + _NAMES + rb") *:", re.IGNORECASE)
_LONGEST_HEAD: Final = 2048  # of a request that is refused without being parsed


def is_one_payment(data: bytes) -> bool:
    """Whether these bytes are one whole plain request for a decision, and nothing else."""
    end = data.find(b"\r\n\r\n", 0, _LONGEST_HEAD)
    return end >= 0 and _body_of(data[:end]) == len(data) - end - 4


@lru_cache(maxsize=1024)
def _body_of(head: bytes) -> int:
    """Bytes of the body that such a head announces, -1 where it is not plain.

    The head of a connection's next request is that of its last one, or differs in the length.
    """
    lengths = _LENGTH.findall(head + b"\r\n")
    if not head.startswith(_START) or len(lengths) != 1 or _MORE_TO_IT.search(head):
        return -1
    return int(lengths[0])


class DirectProtocol(Wire):
    """One connection. What is not plain is left to uvicorn, request by request."""

    def __init__(self, front: Front, **more: Any) -> None:
        super().__init__(front.services.connections, **more)
        self.front = front
        self.payer = ""  # who has sent the latest payment

    def data_received(self, data: bytes) -> None:
        """Bytes are there. While nobody is let in, a payment is refused without a closer look."""
        if self.has_nothing and self.front.lets_nobody_in(self.payer) and is_one_payment(data):
            self.transport.write(_SHED)
            self.since = self.among.beat
            self.server_state.total_requests += 1
            self.front.refused_unread()
        else:
            super().data_received(data)

    def begin(self) -> None:
        """Begin to answer the request whose head is there."""
        payment = self._plain()
        if payment is None:
            super().begin()
            return
        cycle: Any = payment  # stands where uvicorn keeps its own
        self.cycle = cycle
        payment.begin()

    def on_body(self, body: bytes) -> None:
        """A piece of the body is there."""
        cycle: Any = self.cycle
        if isinstance(cycle, _Payment):
            self.received += len(body)
            cycle.pieces.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request is there."""
        cycle: Any = self.cycle
        if isinstance(cycle, _Payment) and self.stage == BODY:
            self.complete()
            cycle.submit()
        else:
            super().on_message_complete()

    def _plain(self) -> _Payment | None:
        """The payment that this request asks about, None where it is not to be answered here."""
        busy = self.cycle is not None and not self.cycle.response_complete
        if self.url != _PATH or busy or self.parser.get_method() != b"POST" or self.root_path:
            return None
        headers = dict(self.headers)
        if len(headers) < len(self.headers) or not _NOT_PLAIN.isdisjoint(headers):
            return None
        length = headers.get(b"content-length", b"")
        if (
            headers.get(b"content-type") != JSON
            or not length.isdigit()
            or not self.front.is_short(int(length))
        ):
            return None
        if not self.front.names.allow(headers.get(b"host", b"")) or self.parser.get_http_version() != "1.1":
            return None
        caller = self.front.known(headers.get(b"authorization", b""), headers.get(b"x-api-key", b""))
        if caller is None:
            return None
        self.know()
        peer = self.client[0] if self.client else ""
        self.payer = name_of(caller, self.front.client_of(peer, self.headers))
        trace = self.front.trace(headers.get(b"traceparent", b""))
        return _Payment(self, caller, trace, keep_alive=self.parser.should_keep_alive())


class _NoEvent:
    """Nobody waits for what uvicorn announces by an event."""

    def set(self) -> None: ...


class _Payment:
    """One request: what uvicorn wants to know of it, and what becomes of it."""

    __slots__ = (
        "begun",
        "caller",
        "disconnected",
        "keep_alive",
        "pieces",
        "protocol",
        "response_complete",
        "trace",
    )
    message_event: Final = _NoEvent()
    response_started: Final = False  # it is written whole

    def __init__(
        self, protocol: DirectProtocol, caller: Principal, trace: RequestTrace | None, *, keep_alive: bool
    ) -> None:
        self.protocol = protocol
        self.caller = caller
        self.trace = trace
        self.keep_alive = keep_alive
        self.pieces: list[bytes] = []
        self.response_complete = False
        self.disconnected = False
        self.begun = perf_counter()

    def begin(self) -> None:
        """Refuse it right away where that is known from the head."""
        try:
            self.protocol.front.let_in(self.caller, self.protocol.payer, self.begun)
        except Refusal as refusal:
            self.refuse(refusal)

    def submit(self) -> None:
        """Ask for the decision."""
        if self.response_complete:  # refused already
            return
        body = b"".join(self.pieces)
        try:
            hot, payer = self.protocol.front.services.hot, self.protocol.payer
            hot.submit(body, self.give, self.refuse, self.trace, payer)
        except Refusal as refusal:
            self.refuse(refusal)

    def give(self, results: Sequence[Result]) -> None:
        """Answer."""
        [(status, body, replayed)] = results
        kind = JSON if status < 400 else TYPE
        self._send(status, kind, body, (REPLAYED,) if replayed else ())

    def refuse(self, refusal: Refusal) -> None:
        """Answer with a problem."""
        self.protocol.front.count_refusal(refusal)
        self._send(refusal.status, TYPE, refusal.body, refusal.headers)

    def _send(self, status: int, kind: bytes, body: bytes, headers: Any) -> None:
        self.response_complete = True
        front, transport = self.protocol.front, self.protocol.transport
        gone = self.disconnected or transport.is_closing()
        replayed = REPLAYED in headers
        told = 0 if gone else status
        front.note("POST", HOT_PATH, told, self.begun, self.caller, self.trace, replayed=replayed)
        if gone:
            return
        if not self.keep_alive:
            headers = (*headers, (b"connection", b"close"))
        more = lines(headers) if headers else b""
        body = body if status < 400 else traced(body, self.trace)
        transport.write(response(status, kind, body, more))
        if not self.keep_alive:
            transport.close()
        self.protocol.on_response_complete()
