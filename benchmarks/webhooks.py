"""A receiver of webhooks that costs little: what it costs is not to be taken for what is measured."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from random import Random
from typing import TYPE_CHECKING

import httptools

if TYPE_CHECKING:
    from collections.abc import Callable


class Receiver:
    """Takes webhooks; remembers id, event as JSON and time of each. Refuses some, by chance, with 500.

    It listens on `held`, a socket that is bound, or on a port of its own. An event loop on one thread: what
    it costs is not to be taken for what is measured.
    """

    def __init__(self, seed: int = 0, refused: float = 0.0, held: socket.socket | None = None):
        self.taken: list[tuple[str, bytes, float]] = []
        self._chance, self._refused = Random(seed), refused
        self._loop = asyncio.new_event_loop()
        if held is None:
            held = socket.create_server(("127.0.0.1", 0))
        made = self._loop.create_server(lambda: _Webhooks(self._take), sock=held)
        self._server = self._loop.run_until_complete(made)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"

    def _take(self, identity: str, body: bytes) -> bool:
        is_taken = self._chance.random() >= self._refused
        if is_taken:
            self.taken.append((identity, body, time.time() * 1000))
        return is_taken

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._server.close()
        self._loop.close()


class _Webhooks(asyncio.Protocol):
    """One connection."""

    def __init__(self, take: Callable[[str, bytes], bool]):
        self._take = take
        self._parser = httptools.HttpRequestParser(self)
        self._identity, self._body = "", b""

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes):
        if name == b"webhook-id":
            self._identity = value.decode()

    def on_body(self, body: bytes):
        self._body += body

    def on_message_complete(self):
        told = b"204 Taken" if self._take(self._identity, self._body) else b"500 Refused"
        self._body = b""
        self._transport.write(b"HTTP/1.1 " + told + b"\r\ncontent-length: 0\r\n\r\n")
