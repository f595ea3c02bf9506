"""Receivers of webhooks that behave as they are told."""

import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BROKEN = {"half": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n", "hang up": b""}


def on_a_free_port(make):
    """A mail server that `make` gives for a port, started; another program may be faster at a port."""
    for _ in range(20):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            controller = make(free.getsockname()[1])
        with contextlib.suppress(OSError):
            controller.start()
            return controller
    raise AssertionError("no port is free")


class Receiver:
    """An HTTP server on loopback. `script` has one entry a request, the last one for all that follow.

    An entry is a status, `(status, headers)`, "hang" (says nothing for a while), "drip" and
    "drip body" (a byte now and then, without an end), "half" (closes in the middle of its answer),
    "hang up" (closes without one), or bytes: an answer word for word, after which it closes.
    """

    def __init__(self, *script, tls=None):
        self.script = list(script) or [204]
        self.requests = []
        self.peers = []  # whom each request came from
        self.answered = []  # bodies to which it said that all is well
        self.body = b""
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with receiver._lock:
                    what = receiver.script.pop(0) if len(receiver.script) > 1 else receiver.script[0]
                    receiver.requests.append((dict(self.headers), body))
                    receiver.peers.append(self.client_address)
                if what == "hang":
                    time.sleep(60)
                    what = 204
                if what in ("drip", "drip body"):
                    head = (
                        b"HTTP/1.1 204 OK\r\n"
                        if what == "drip"
                        else b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
                    )
                    self.close_connection = True
                    with contextlib.suppress(OSError):
                        self.wfile.write(head)
                        for _ in range(600):
                            time.sleep(0.1)
                            self.wfile.write(b"x")
                    return
                if isinstance(what, bytes) or (isinstance(what, str) and what in BROKEN):
                    self.wfile.write(BROKEN.get(what, what))
                    self.close_connection = True
                    return
                status, headers = what if isinstance(what, tuple) else (what, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                said = receiver.body if status < 300 and status != 204 else b""
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)
                if status < 300:
                    receiver.answered.append(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self):
        """Of the messages that came, in order."""
        return [headers["webhook-id"] for headers, _ in self.requests]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def stopping(thing):
    thing.start()
    try:
        yield thing
    finally:
        thing.stop()
