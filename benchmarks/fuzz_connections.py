"""Peers that hold, flood or starve connections, while a caller pays: what it costs him, and the server.

python -m benchmarks.fuzz_connections

One kind after the other: heads without end, many headers, tiny chunks, silent and slow connections, rows of
requests, streams and answers that nobody reads, slow uploads in every place. What the others notice, and the
bars, are those of `benchmarks.hostile`; so is the exit code.
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from benchmarks.hostile import Figures, Others, report
from benchmarks.report import machine, versions
from benchmarks.serving import Process

MIB = 1 << 20
HOST = b"host: localhost\r\n"
GET = b"GET /v1/decisions/x HTTP/1.1\r\n" + HOST
BATCH = b"POST /v1/decisions/batch HTTP/1.1\r\n" + HOST + b"content-type: application/x-ndjson\r\n"
POST = b"POST /v1/decisions HTTP/1.1\r\n" + HOST + b"content-type: application/json\r\n"
KINDS = {
    "a header of 96 MB": (4, GET + b"x: " + b"a" * (96 * MIB)),
    "160 MB of headers": (2, GET + b"name: value\r\n" * (160 * MIB // 13)),
    "tiny chunks": (4, BATCH + b"transfer-encoding: chunked\r\n\r\n" + b"1\r\n\n\r\n" * MIB),
    "a chunk's extension": (4, BATCH + b"transfer-encoding: chunked\r\n\r\n1;" + b"a=b;" * (8 * MIB)),
    "trailers": (4, BATCH + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * (4 * MIB)),
    "silent connections": (2000, b""),
    "slow heads": (1000, b"GET / HTTP/1.1\r\nx"),
    "slow bodies": (200, POST + b"content-length: 1000000\r\n\r\n" + b" " * 300_000),
    "slow uploads": (8, BATCH + b"content-length: 60000000\r\n\r\n{"),
    "rows of requests": (4, (b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n") * 50_000),
    "unread answers": (50, (b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n") * 1000),
    "unread streams": (120, b"GET /v1/stream HTTP/1.1\r\n" + HOST + b"\r\n"),
    "forms before a session": (
        100,
        b"POST /sign-in HTTP/1.1\r\n" + HOST + b"content-length: 4000000\r\n\r\n" + b"x" * MIB,
    ),
}


def attack(address: tuple[str, int], count: int, sent: bytes, until: threading.Event) -> None:
    """So many connections that each send this and read nothing."""
    with ExitStack() as stack:
        peers = []
        for _ in range(count):
            with suppress(OSError):
                peers.append(stack.enter_context(socket.create_connection(address, timeout=5)))
        for peer in peers:
            peer.settimeout(0.5)
            with suppress(OSError):
                peer.sendall(sent)
            if until.is_set():
                return
        until.wait()


def run(folder: Path, kinds: list[str], seconds: float) -> dict[str, Figures]:
    """What the others notice, `quiet` first, then by kind of attack."""
    process = Process(folder)
    host, port = process.url.removeprefix("http://").split(":")
    figures: dict[str, Figures] = {}
    try:
        others = Others(process, "none", "none", ())  # an open server, which asks for no key
        with others.going_on():
            time.sleep(seconds)  # the first of everything
        for kind in ["quiet", *kinds]:
            count, sent = KINDS.get(kind, (0, b""))
            until = threading.Event()
            attacker = threading.Thread(target=attack, args=((host, int(port)), count, sent, until))
            with others.going_on() as figures[kind]:
                attacker.start()
                time.sleep(seconds)
            until.set()
            attacker.join()
    finally:
        code = process.end()
    assert code == 0, f"the server ended with {code}"
    return figures


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--kind", action="append", choices=list(KINDS))
    options = parser.parse_args()
    print(machine(), versions("ringfence", "uvicorn"), sep="\n")
    with tempfile.TemporaryDirectory() as scratch:
        figures = run(Path(scratch), options.kind or list(KINDS), options.seconds)
    told = list(report(figures, {}))
    print(*told, sep="\n")
    return int(told[-1].startswith("FAIL"))


if __name__ == "__main__":
    sys.exit(main())
