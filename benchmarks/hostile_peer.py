"""A model service that answers with far too much, and a store that asks it."""

from __future__ import annotations

import gzip
import itertools
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.api_load import payments
from benchmarks.model import write_model
from benchmarks.serving import RINGFENCE

MIB = 1 << 20


class Peer(BaseHTTPRequestHandler):
    """A model service that answers with far too much, compressed or dripping."""

    huge = gzip.compress(b'{"model":"x","probabilities":[' + b"0.5," * (16 * MIB) + b"0.5]}", 1)
    turn = itertools.count()

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        try:
            turn = next(self.turn) % 3
            if turn == 0:
                self.send_header("content-encoding", "gzip")
                self.end_headers()
                self.wfile.write(self.huge)
            elif turn == 1:
                self.end_headers()
                for _ in range(1000):
                    self.wfile.write(b" " * MIB)
            else:
                self.end_headers()
                for _ in range(100):
                    self.wfile.write(b" ")
                    time.sleep(0.02)
        except OSError:
            pass

    def log_message(self, *_):
        pass


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """The client hung up, as it should."""


def with_peer(folder):
    """A model that answers elsewhere is put in force; the process that answers there."""
    command = [sys.executable, "-m", "benchmarks.hostile_peer"]
    peer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    port = peer.stdout.readline().strip()
    write_model(folder / "model", 3, payments(2000, "train"))
    url = f"http://127.0.0.1:{port}/invocations"
    command = [RINGFENCE, "models"]
    data = ["--data", str(folder / "data")]
    for step in (
        ["import", str(folder / "model")],
        ["remote", url, "--serves", "benchmark", "--name", "elsewhere"],
        ["promote", "elsewhere", "--force"],
    ):
        subprocess.run([*command, *step, *data], check=True, capture_output=True)
    return peer


if __name__ == "__main__":
    os.nice(10)
    server = Quiet(("127.0.0.1", 0), Peer)
    print(server.server_port, flush=True)
    server.serve_forever()
