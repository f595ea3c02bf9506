"""Peers that hold, flood or starve connections, while a caller pays: what it costs him, and the server.

python -m benchmarks.fuzz_connections

One kind after the other: heads without end, many headers, tiny chunks, silent and slow connections, rows of
requests, streams and answers that nobody reads, slow uploads in every place. All of the caller's payments
have to be decided. Shown are the caller's times beside those of a quiet server, and what the server's memory
grew by.
"""

from __future__ import annotations

import argparse
import socket
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import numpy as np

from benchmarks.api_load import payments, resident_mib
from benchmarks.report import machine, show, versions
from benchmarks.serving import Process

MIB = 1 << 20
HOST = b"host: localhost\r\n"
GET = b"GET /v1/decisions/x HTTP/1.1\r\n" + HOST
BATCH = b"POST /v1/decisions/batch HTTP/1.1\r\n" + HOST + b"content-type: application/x-ndjson\r\n"
POST = b"POST /v1/decisions HTTP/1.1\r\n" + HOST + b"content-type: application/json\r\n"
KINDS = {
    "quiet": (0, b""),
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


def pay(url: str, name: str, seconds: float) -> list[float]:
    """Milliseconds of each payment of a caller who sends one after the other, all of them decided."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    with httpx.Client(base_url=url, timeout=30, headers={"content-type": "application/json"}) as http:
        for body in payments(100_000, name):
            begin = time.perf_counter()
            answer = http.post("/v1/decisions", content=body)
            assert answer.status_code == 200, (name, answer.text)
            assert "deadline" not in answer.json()["degraded"], name
            taken.append((time.perf_counter() - begin) * 1000)
            if time.perf_counter() > end:
                break
    return taken


def run(folder: Path, kinds: list[str], seconds: float, **settings: str) -> list[list[str]]:
    """A row for each kind of attack."""
    process = Process(folder, **settings)
    host, port = process.url.removeprefix("http://").split(":")
    rows, quiet = [], 0.0
    try:
        pay(process.url, "warm", seconds)
        began = resident_mib(process.pid)
        for kind in kinds:
            count, sent = KINDS[kind]
            until = threading.Event()
            attacker = threading.Thread(target=attack, args=((host, int(port)), count, sent, until))
            attacker.start()
            taken = pay(process.url, kind.replace(" ", "-"), seconds)
            grown = resident_mib(process.pid) - began
            until.set()
            attacker.join()
            p99 = float(np.quantile(taken, 0.99))
            quiet = quiet or p99
            rows.append(
                [
                    kind,
                    f"{count:,}",
                    f"{len(taken):,}",
                    f"{p99:.1f}",
                    f"{p99 / quiet:.1f}",
                    f"{max(taken):.0f}",
                    f"{grown:+.0f}",
                ]
            )
    finally:
        code = process.end()
    assert code == 0, f"the server ended with {code}"
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--kind", action="append", choices=list(KINDS)[1:])
    options = parser.parse_args()
    kinds = ["quiet", *(options.kind or list(KINDS)[1:])]
    with tempfile.TemporaryDirectory() as scratch:
        rows = run(Path(scratch), kinds, options.seconds)
    columns = ("kind", "connections", "decided", "p99 ms", "to quiet", "longest ms", "memory MiB")
    show(f"{machine()}; {versions('ringfence', 'uvicorn')}", columns, rows)


if __name__ == "__main__":
    main()
