"""One connection, bounded in whatever a peer may do with it.

This is the only file that knows uvicorn's `HttpToolsProtocol`, which is no public name of uvicorn's:
`tests/docs/test_libraries.py` says for which versions it holds. It decides what is fed to the parser and
when, and says no; requests are answered by uvicorn, or by `api/direct.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ringfence.api.http.connections import ANSWER, BODY, CLOSING, HEAD, IDLE, TOO_MANY
from ringfence.api.http.problems import Refusal
from ringfence.api.http.responses import lines, refused
from ringfence.api.http.sockets import network_of
from ringfence.api.http.turns import in_turn

if TYPE_CHECKING:
    import asyncio

    from ringfence.api.http.connections import Connections

_SLICE: Final = 8 << 10
"""Bytes that the parser gets at once: what is wrong in them is found before more is looked at."""

_OF_BODY: Final = 512
"""Bytes of a body that it gets at least: some may look like the end of a head."""

_END_OF_HEAD: Final = b"\r\n\r\n"
_MOST_WAITING: Final = 8  # requests of one connection; what comes after them is not looked at yet
_BURST: Final = 8  # requests that one connection has answered in a row while further ones wait
_REST_SECONDS: Final = 0.05
"""After a burst: the others' requests come first, and hardly any client sends before it has its answer."""

_LONGEST_REST_SECONDS: Final = (1.0, 0.2)  # of a stranger; of a caller, who may carry payments of others
_MOST_DOUBTS: Final = 8

_MOST_WASTE: Final = 64 << 10  # bytes around a body's chunks beyond as many as the body itself has
_MOST_IGNORED: Final = 64 << 20  # bytes of a body that was refused before it was there
_OF_UPGRADE: Final = frozenset({b"upgrade", b"http2-settings", b"connection"})

_BAD: Final = Refusal(400, "bad_request", "this is no HTTP/1.1 request that can be understood")
_LONG_HEAD: Final = Refusal(
    431, "head_too_large", "the request's head is too long: send fewer and shorter headers"
)
_MANY_HEADERS: Final = Refusal(431, "too_many_headers", "the request has too many headers: send fewer")
_WASTEFUL: Final = Refusal(400, "wasteful_chunks", "the body comes in too small chunks: send larger ones")
_NO_PROXY: Final = Refusal(405, "method_not_allowed", "this server is no proxy: CONNECT is not answered")


class _StopError(Exception):
    """Stops the parser; the reason stands in `Wire.why`."""


class _Flow(FlowControl):
    """Reads while neither uvicorn has enough, of a body or of requests, nor anything is held back here."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._enough = self._held = False

    def pause_reading(self) -> None:
        self._enough = True
        super().pause_reading()

    def resume_reading(self) -> None:
        self._enough = False
        self.hold(held=self._held)

    def hold(self, *, held: bool) -> None:
        """Read nothing, whoever resumes; or leave it to uvicorn again."""
        self._held = held
        if held:
            super().pause_reading()
        elif not self._enough:
            super().resume_reading()


class Wire(HttpToolsProtocol):
    """One connection: `ringfence.api.http.connections.Line` over uvicorn's protocol."""

    def __init__(self, open_connections: Connections, **more: Any) -> None:
        super().__init__(**more)
        self.among = open_connections
        self.address = ""
        self.stage = IDLE
        self.since = open_connections.beat
        self.received = self.seen = self.held = 0
        self.unread_since: int | None = None
        self.streamed = False  # the body is taken piece by piece, by somebody who bounds it
        self._known = False
        self._doubts = 0  # requests in a row that were in doubt
        self._in_doubt = self._rests = False  # the one under way is such; nothing is looked at for a while
        self._answering: Any = None  # where requests wait in a row, `cycle` is that of the last one
        self._in_a_row = 0  # answers while further requests waited
        self._head = self._waste = 0  # bytes of the head under way, or more; of the message that are no body
        self._back = b""  # came, and is held back
        self._ignored: int | None = None  # bytes that came after the last that matters; None before that
        self._why = _BAD
        self._last: Refusal | None = None  # what is said once everything before has been answered

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A peer has connected."""
        super().connection_made(transport)
        self.flow = self._flow = _Flow(transport)
        self.address = network_of(self.client[0] if self.client else "")
        if not self.among.admit(self):
            self.among.count(TOO_MANY.problem.code)
            self._ignored = 0
            transport.write(refused(TOO_MANY))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self.among.lose(self)
        self._back = b""
        self._lose()
        super().connection_lost(exc)

    @property
    def has_nothing(self) -> bool:
        """Whether no request is under way, waits for its turn or has begun to come."""
        return self.stage == IDLE and not (self._back or self.pipeline)

    def is_paused(self) -> bool:
        """Whether we ourselves have stopped reading."""
        return self.flow.read_paused

    def is_closing(self) -> bool:
        """Whether it closes as soon as what waits has been sent."""
        return bool(self.transport.is_closing())

    def know(self) -> None:
        """A caller we know has sent a request."""
        if not self._known:
            self._known = True
            self.among.know(self)

    def doubt(self) -> None:
        """The request under way proves nobody, or asks too much: the next one of this connection waits."""
        if not self.among.limits.unlimited(self.address):  # a proxy comes for many
            self._in_doubt = True

    def data_received(self, data: bytes) -> None:
        """Bytes are there."""
        if self._ignored is not None:
            self._ignore(len(data))
        elif self._back:
            self._hold_back(self._back + data)
        elif len(data) <= _SLICE and not self.pipeline and data.count(_END_OF_HEAD) <= 1:
            self._take(data)
        else:  # of all that is there for many connections, one's in each turn of the loop
            self._hold_back(data)
            in_turn(self.loop, self._take_back)

    def _take_slices(self, data: bytes) -> None:
        at, size = 0, len(data)
        while at < size and self._ignored is None:
            if len(self.pipeline) >= _MOST_WAITING:
                self._hold_back(data[at:])
                return
            end = at + _SLICE
            begin = at + _OF_BODY if self.stage == BODY else at
            if (head := data.find(_END_OF_HEAD, begin, end)) >= 0:
                end = head + len(_END_OF_HEAD)  # requests in a row: one by one, and few behind a body
            self._take(data[at:end])
            at = end

    def _take(self, data: bytes) -> None:
        if self.stage == IDLE:
            self._begin_head()
        stage, before, message = self.stage, self.received, self.scope
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.turn_away(self._why)
        else:
            if self.stage == HEAD:
                self._head += len(data)
                if self._head >= self.among.limits.head_bytes:
                    self.turn_away(_LONG_HEAD)
            elif self.stage == BODY:
                goes_on = stage == BODY and message is self.scope  # or else its body has begun in these bytes
                self._look_at_body(len(data), self.received - before * goes_on, from_body=goes_on)

    def _begin_head(self) -> None:
        self.stage, self.since, self._head = HEAD, self.among.beat, 0

    def _look_at_body(self, size: int, of_body: int, *, from_body: bool) -> None:
        """More is to come of a body."""
        if from_body:
            self._waste += size - of_body
            if self._waste > _MOST_WASTE + self.received:
                self.turn_away(_WASTEFUL)
                return
        if self.cycle is not None and self.cycle.response_complete:
            if self.received > _MOST_IGNORED:
                self.hang_up()
        elif not self.streamed:
            self.among.hold(self, of_body)

    def _go_on_without(self, rest: bytes) -> None:
        """Serve a request that asks for another protocol as what it is as well: HTTP/1.1."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.turn_away(_NO_PROXY)
            return
        kept = [header for header in self.headers if header[0] not in _OF_UPGRADE]
        tokens = b",".join(value for name, value in self.headers if name == b"connection").lower()
        if b"close" in [token.strip() for token in tokens.split(b",")]:
            kept.append((b"connection", b"close"))
        version = self.parser.get_http_version().encode()
        head = b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, lines(kept))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._begin_head()
        self._take(head)
        if self._ignored is None and rest:
            self._take(rest)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._begin_head()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is there; one behind the body counts for nothing."""
        if self.stage == BODY:
            return
        if len(self.headers) >= self.among.limits.most_headers:
            self._stop(_MANY_HEADERS)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there."""
        if self.parser.should_upgrade():
            return  # it comes again, without
        self.stage, self.since = BODY, self.among.beat
        self.received = self.seen = self._waste = 0
        self.streamed = False
        self.begin()

    def begin(self) -> None:
        """Begin to answer the request whose head is there."""
        super().on_headers_complete()
        self.scope["ringfence.line"] = self  # type: ignore[typeddict-unknown-key]

    def on_body(self, body: bytes) -> None:
        """A piece of the body is there."""
        self.received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request is there."""
        if self.stage == HEAD:
            return  # it comes again, without the upgrade
        self.complete()
        super().on_message_complete()

    def complete(self) -> None:
        """Note that the whole request is there."""
        if self.held:
            self.among.release(self)
        if self.cycle is not None and self.cycle.response_complete:
            self.stage, self.since = IDLE, self.among.beat
        else:
            self.stage = ANSWER

    def on_response_complete(self) -> None:
        """The answer has been written."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.stage == ANSWER and not self.pipeline:
            self.stage, self.since = IDLE, self.among.beat
        if self._last is not None and not self.pipeline:
            self.turn_away(self._last)
            return
        if self._in_doubt:
            self._rest()
            return
        self._doubts = 0 if self._known else self._doubts
        if not self.pipeline:
            self._in_a_row = 0
            self._answer_next()
            return
        self._in_a_row += 1
        if self._in_a_row % _BURST == 0:
            self.loop.call_later(_REST_SECONDS, in_turn, self.loop, self._answer_next)
        else:
            in_turn(self.loop, self._answer_next)

    def _answer_next(self) -> None:
        """Go on with the request that waits longest, and with bytes that were held back."""
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        if not self.pipeline:
            self.flow.resume_reading()
        if self._back and len(self.pipeline) < _MOST_WAITING:
            self.loop.call_soon(self._take_back)

    def _rest(self) -> None:
        """Look at nothing that this peer sends for a while, which doubles with each request in doubt."""
        self._in_doubt, self._rests = False, True
        seconds = min(_REST_SECONDS * 2**self._doubts, _LONGEST_REST_SECONDS[self._known])
        self._doubts = min(self._doubts + 1, _MOST_DOUBTS)
        self._flow.hold(held=True)
        self.loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._rests = False
        if not self._back:
            self._flow.hold(held=False)
        self._answer_next()

    def pause_writing(self) -> None:
        """The peer does not read what has been written."""
        self.unread_since = self.among.beat
        super().pause_writing()

    def resume_writing(self) -> None:
        """The peer has read most of it."""
        self.unread_since = None
        super().resume_writing()

    def turn_away(self, refusal: Refusal) -> None:
        """Answer, unless the request under way has its answer; close once the peer has stopped sending."""
        self._ignored = 0
        self._back = b""
        cycle: Any = self.cycle
        busy = cycle is not None and not cycle.response_complete
        if busy and self.stage == HEAD:  # those before it are answered first
            self._last = refusal
            return
        if busy and (cycle.response_started or self.pipeline):
            self.hang_up()
            return
        if busy:
            cycle.disconnected = True
            cycle.message_event.set()
        is_answered = not busy and self.stage == BODY  # a second answer would be taken for the next one's
        self.stage, self.since = CLOSING, self.among.beat
        self.among.release(self)
        if self.transport.is_closing():
            return
        if not is_answered:
            self.transport.write(refused(refusal))
        self.transport.write_eof()
        self._flow.hold(held=False)
        self.flow.resume_reading()

    def hang_up(self) -> None:
        """Close at once; nothing more is written, also by whoever does not know it yet."""
        self._ignored = 0
        self._lose()
        self.transport.abort()

    def _lose(self) -> None:
        """Have whoever is answering know that nobody listens: uvicorn tells the last request alone."""
        self.pipeline.clear()
        for cycle in (self.cycle, self._answering):
            if cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _stop(self, why: Refusal) -> None:
        self._why = why
        raise _StopError

    def _hold_back(self, data: bytes) -> None:
        self._back = data
        self._flow.hold(held=True)

    def _take_back(self) -> None:
        if self._rests:  # afterwards
            return
        data, self._back = self._back, b""
        if data and self._ignored is None and not self.transport.is_closing():
            self._take_slices(data)
        if not self._back:
            self._flow.hold(held=False)

    def _ignore(self, size: int) -> None:
        assert self._ignored is not None
        self._ignored += size
        if self._ignored > _MOST_IGNORED:
            self.hang_up()
