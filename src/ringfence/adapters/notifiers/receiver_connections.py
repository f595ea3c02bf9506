"""Connections of webhooks: to an address that was looked up once and may be reached, within a deadline."""

from __future__ import annotations

import select
import socket
import ssl
import time
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

import httptools

from ringfence.adapters.notifiers.addresses import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.adapters.notifiers.addresses import Network

SAID_BYTES: Final = 300
"""Of an answer, to be told. Where fewer came before it broke off, there is no answer."""

_PIECE_BYTES: Final = 16_384
_READ_BYTES: Final = 65_536  # of an answer, to its end, so that the connection may be used again
_HEADER_BYTES: Final = 65_536
_MOST_BYTES: Final = (
    _HEADER_BYTES + _READ_BYTES
)  # of all that an answer has, also between and behind its body
_IDLE_SECONDS: Final = 4.0  # less than the five after which common servers hang up
_MOST_IDLE: Final = 64


class LookUpError(Exception):
    """A name leads nowhere."""


class BrokenConnectionError(Exception):
    """The receiver hung up, or said what is no HTTP."""


class ReceiverAnswer(NamedTuple):
    """What a receiver said: the header Retry-After as it came, and the beginning of the body."""

    status: int
    reason: str
    retry_after: str
    body: bytes


class ReceiverPlace(NamedTuple):
    """Whom a connection is for. One to the same address under another name is another place."""

    scheme: str
    host: str
    port: int


class AttemptDeadline:
    """The end of one attempt."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def left(self, seconds: float) -> float:
        """For how long one step may wait, `seconds` at most; `TimeoutError` once time is up."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, seconds)


class ReceiverConnection:
    """HTTP/1.1 to one place, for one attempt at a time.

    Attributes:
        has_said: something has come from the receiver in the latest attempt.
        is_good: another request may follow.
    """

    def __init__(self, place: ReceiverPlace, opened: socket.socket) -> None:
        self.place = place
        self.has_said = False
        self.is_good = False
        self.idle_since = 0.0
        self._socket = opened

    def ask(self, request: bytes, deadline: AttemptDeadline, seconds: float) -> ReceiverAnswer:
        """Send a request and read its answer; each step may take so many seconds.

        `TimeoutError`, `OSError` and `BrokenConnectionError` where none comes; what has a status is an answer
        also where the rest takes too long.
        """
        self.has_said = self.is_good = False
        for begin in range(0, len(request), _PIECE_BYTES):
            self._socket.settimeout(deadline.left(seconds))
            self._socket.sendall(request[begin : begin + _PIECE_BYTES])
        reading = _Reading()
        while not reading.is_whole and reading.taken_bytes < _MOST_BYTES:
            try:
                self._socket.settimeout(deadline.left(seconds))
                data = self._socket.recv(_READ_BYTES)
            except TimeoutError:
                if reading.has_head:
                    return reading.answer()
                raise
            self.has_said = self.has_said or bool(data)
            if not reading.take(data):
                break
        self.is_good = reading.may_go_on
        return reading.answer()

    def is_quiet(self) -> bool:
        """Whether nothing waits to be read: neither the end nor what would pass for the next answer."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


class ReceiverConnections:
    """Opens connections, and keeps those that are idle for a few seconds. Any thread may use it.

    Args:
        allowed: private networks that may be reached.
        trusted: which certificates are trusted.
    """

    def __init__(self, allowed: Sequence[Network], trusted: ssl.SSLContext) -> None:
        self._allowed = list(allowed)
        self._trusted = trusted
        self._lock = Lock()
        self._idle: list[ReceiverConnection] = []

    def idle(self, place: ReceiverPlace) -> ReceiverConnection | None:
        """One that is open to a place and on which nothing waits to be read, if there is one."""
        while (found := self._take(place)) is not None:
            if found.is_quiet():
                return found
            found.close()
        return None

    def _take(self, place: ReceiverPlace) -> ReceiverConnection | None:
        now = time.monotonic()
        with self._lock:
            old = [one for one in self._idle if now - one.idle_since > _IDLE_SECONDS]
            found = next((one for one in reversed(self._idle) if one.place == place and one not in old), None)
            if old or found is not None:
                self._idle = [one for one in self._idle if one is not found and one not in old]
        for one in old:
            one.close()
        return found

    def open(self, place: ReceiverPlace, deadline: AttemptDeadline, seconds: float) -> ReceiverConnection:
        """A new one: a name is looked up once, and what was checked is what is connected to.

        `PrivateAddressError`, `LookUpError`, `TimeoutError`, or `OSError` as the system has it.
        """
        try:
            address = resolve(place.host, place.port, self._allowed)
        except OSError as error:
            raise LookUpError(f"{place.host} cannot be looked up: {error.strerror or error}") from None
        opened = socket.create_connection((address, place.port), deadline.left(seconds))
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if place.scheme == "https":
                opened.settimeout(deadline.left(seconds))
                opened = self._trusted.wrap_socket(opened, server_hostname=place.host)
        except BaseException:
            opened.close()
            raise
        return ReceiverConnection(place, opened)

    def put(self, connection: ReceiverConnection) -> None:
        """An attempt has ended: keep the connection where another request may follow, or close it."""
        with self._lock:
            if connection.is_good and len(self._idle) < _MOST_IDLE:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Hang up all that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for one in idle:
            one.close()


class _Reading:
    """An answer as it comes, in the words of httptools' parser; what 1xx announces is not it yet.

    Lines may end without CR, and a length may stand beside chunks: one question at a time is open on a
    connection, so neither can make part of an answer pass for another. Whatever follows a whole answer
    changes nothing about it.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(lenient_chunked_length=True, lenient_optional_cr_before_lf=True)
        self._reason = self._retry_after = b""
        self._framed_by: set[bytes] = set()  # headers that tell its end; without them it is the connection's
        self._has_more = False  # something follows that nobody has asked for
        self._stays_open = False
        self._whole: ReceiverAnswer | None = None
        self.has_head = False
        self.taken_bytes = 0
        self.body = b""

    @property
    def is_whole(self) -> bool:
        """Whether it has come to its end."""
        return self._whole is not None

    @property
    def may_go_on(self) -> bool:
        """Whether another answer may follow on the connection."""
        return self.is_whole and not self._has_more and self._stays_open and len(self._framed_by) < 2

    def take(self, data: bytes) -> bool:
        """Read on; False at the end of the connection, where that is an end of the answer, too."""
        if not data:
            if not self.has_head or (self._framed_by and len(self.body) < SAID_BYTES):
                raise BrokenConnectionError("the receiver hung up before its answer was whole")
            return False
        self.taken_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end()
            self._has_more = True
        except httptools.HttpParserError as error:
            if not self.is_whole:
                raise BrokenConnectionError(f"what the receiver said is no HTTP: {error}") from None
            self._has_more = True
        if not self.has_head and self.taken_bytes > _HEADER_BYTES:
            raise BrokenConnectionError(f"the headers of the answer are longer than {_HEADER_BYTES:,} bytes")
        return True

    def answer(self) -> ReceiverAnswer:
        """All of it, or what was said so far."""
        return self._whole or ReceiverAnswer(
            self._parser.get_status_code(),
            self._reason.decode(errors="replace"),
            self._retry_after.decode("ascii", "replace"),
            self.body[:SAID_BYTES],
        )

    def on_message_begin(self) -> None:
        self._has_more = self.is_whole
        if not self.is_whole:
            self._reason = self._retry_after = b""
            self._framed_by = set()

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.has_head:  # a trailer
            return
        known = name.lower()
        if known == b"retry-after":
            self._retry_after = value
        if known in (b"content-length", b"transfer-encoding"):
            self._framed_by.add(known)

    def on_headers_complete(self) -> None:
        if not self.is_whole:
            self.has_head = self._parser.get_status_code() >= 200
            self._stays_open = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        if not self.is_whole:
            self.body += body

    def on_message_complete(self) -> None:
        if self.has_head and not self.is_whole:
            self._end()

    def _end(self) -> None:
        self.has_head = True
        self._whole = self.answer()
