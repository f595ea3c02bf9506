"""Connections of webhooks: to an address that was looked up once and may be reached, within a deadline."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import httpcore

from ringfence.adapters.notifiers.addresses import resolve

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Sequence

    from ringfence.adapters.notifiers.addresses import Network

_PIECE_BYTES: Final = 16_384


class LookUpError(Exception):
    """A name leads nowhere."""


class Attempt(threading.local):
    """The attempt of this thread.

    Attributes:
        has_answer: whether what breaks tells of the receiver: the attempt has opened its connection itself,
            or has had a byte on one that was there.
    """

    def __init__(self) -> None:
        self.has_answer = False
        self._until = math.inf

    def begin(self, seconds: float) -> None:
        """A new attempt, which may take so long in all."""
        self.has_answer = False
        self._until = time.monotonic() + seconds

    def left(self, seconds: float | None) -> float:
        """For how long one step may wait, `seconds` at most; `httpcore.ReadTimeout` once time is up."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left if seconds is None else min(left, seconds)


class PinnedBackend(httpcore.NetworkBackend):
    """Opens connections to addresses that are public, or allowed.

    A name is looked up once for each connection, and what was checked is what is connected to. Raises
    `PrivateAddressError` and `LookUpError`.
    """

    def __init__(self, allowed: Sequence[Network], attempt: Attempt) -> None:
        self._allowed = list(allowed)
        self._attempt = attempt
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """See `httpcore.NetworkBackend.connect_tcp`."""
        try:
            address = resolve(host, port, self._allowed)
        except OSError as error:
            raise LookUpError(f"{host} cannot be looked up: {error.strerror or error}") from None
        self._attempt.has_answer = True
        inner = self._plain.connect_tcp(
            address, port, self._attempt.left(timeout), local_address, socket_options
        )
        return _TimedStream(inner, self._attempt)


class _TimedStream(httpcore.NetworkStream):
    """A stream on which the attempt that uses it does not wait for longer than it may."""

    def __init__(self, inner: httpcore.NetworkStream, attempt: Attempt) -> None:
        self._inner = inner
        self._attempt = attempt

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        found = self._inner.read(max_bytes, self._attempt.left(timeout))
        self._attempt.has_answer = self._attempt.has_answer or bool(found)
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for begin in range(0, len(buffer), _PIECE_BYTES):
            self._inner.write(buffer[begin : begin + _PIECE_BYTES], self._attempt.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._attempt.left(timeout))
        return _TimedStream(inner, self._attempt)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
