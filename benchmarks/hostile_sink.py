"""A server that throws away whatever it is sent: what the senders alone cost a machine that they share."""

from __future__ import annotations

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 1 << 20


class Sink(BaseHTTPRequestHandler):
    """Answers 202 once a body is there, and keeps nothing of it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        left = int(self.headers["content-length"])
        while left > 0 and (read := len(self.rfile.read(min(left, PIECE)))):
            left -= read
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    os.nice(10)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
