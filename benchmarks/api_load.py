"""Open-loop load on the decision API: latency counts from the moment at which a request was meant to be sent.

    python -m benchmarks.api_load                 # rate, overload, batch, and a route that only echoes
    python -m benchmarks.api_load --rate 3000     # one rate

The server runs in a process of its own, the client in this one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import uvloop

from benchmarks.report import machine, show, versions

CONNECTIONS = 512


@dataclass
class Outcome:
    """What came back of one run."""

    seconds: float = 0.0
    accepted_ms: list[float] = field(default_factory=list)
    refused: int = 0
    failed: int = 0

    @property
    def rate(self) -> float:
        return len(self.accepted_ms) / self.seconds

    def quantile(self, q: float) -> str:
        return f"{np.quantile(self.accepted_ms, q):.1f}" if self.accepted_ms else "-"


class Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request under way."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.intended = 0.0
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.load.idle.append(self)

    def send(self, request: bytes, intended: float) -> None:
        self.intended = intended
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().index(b"content-length:") + 15
        length = int(head[at : head.find(b"\r\n", at) if head.find(b"\r\n", at) > 0 else None])
        if len(body) >= length:
            self.buffer = b""
            self.load.done(self, int(head[9:12]))

    def connection_lost(self, _error: Exception | None) -> None:
        self.load.outcome.failed += self.load.left > 0


class Load:
    """Sends `rate` requests a second whatever comes back."""

    def __init__(self, port: int, path: str, bodies: list[bytes], rate: float) -> None:
        self.port = port
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: "
        self.requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
        self.rate = rate
        self.idle: deque[Connection] = deque()
        self.waiting: deque[tuple[bytes, float]] = deque()
        self.outcome = Outcome()
        self.left = len(bodies)

    async def run(self) -> Outcome:
        loop = asyncio.get_running_loop()
        self.finished = loop.create_future()
        for _ in range(CONNECTIONS):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.port)
        begin = loop.time() + 0.1
        chance = np.random.default_rng(7)
        at = begin + np.cumsum(chance.exponential(1 / self.rate, len(self.requests)))
        for request, intended in zip(self.requests, at.tolist(), strict=True):
            early = intended - loop.time()
            if early > 0:
                await asyncio.sleep(early)
            self.dispatch(request, intended)
        await asyncio.wait_for(self.finished, 60)
        self.outcome.seconds = loop.time() - begin
        for connection in self.idle:
            connection.transport.abort()
        return self.outcome

    def dispatch(self, request: bytes, intended: float) -> None:
        if self.idle:
            self.idle.popleft().send(request, intended)
        else:
            self.waiting.append((request, intended))

    def done(self, connection: Connection, status: int) -> None:
        now = asyncio.get_running_loop().time()
        if status == 200:
            self.outcome.accepted_ms.append((now - connection.intended) * 1000)
        elif status == 503:
            self.outcome.refused += 1
        else:
            self.outcome.failed += 1
        self.left -= 1
        if not self.left:
            self.finished.set_result(None)
        if self.waiting:
            connection.send(*self.waiting.popleft())
        else:
            self.idle.append(connection)


def payments(count: int, name: str, seed: int = 1) -> list[bytes]:
    """Bodies of that many payments."""
    chance = random.Random(seed)
    now_ms = time.time_ns() // 1_000_000
    return [
        (
            f'{{"transaction_id":"{name}-{i}","event_time":{now_ms + i // 4},'
            f'"amount":"{chance.uniform(1, 300):.2f}",'
            f'"currency":"EUR","card_number":"{chance.randrange(5000) * 10 + 4 * 10**15}",'
            f'"customer_id":"c{chance.randrange(5000)}","merchant_id":"m{chance.randrange(500)}",'
            f'"device_id":"d{chance.randrange(5000)}","ip":"10.0.{chance.randrange(255)}.{chance.randrange(255)}",'
            f'"country":"DE","lat":52.5,"lon":13.4,"channel":"online"}}'
        ).encode()
        for i in range(count)
    ]


@contextmanager
def server(*command: str, port: int):
    """A server in a process of its own, ready."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def drive(port: int, path: str, name: str, rate: float, seconds: float) -> Outcome:
    bodies = payments(int(rate * seconds), name)
    return uvloop.run(Load(port, path, bodies, rate).run())


def batch_rate(port: int, count: int = 50_000) -> float:
    body = b"\n".join(payments(count, "batch"))
    begin = time.perf_counter()
    headers = {"content-type": "application/x-ndjson"}
    answer = httpx.post(
        f"http://127.0.0.1:{port}/v1/decisions/batch", content=body, headers=headers, timeout=60
    )
    took = time.perf_counter() - begin
    assert answer.text.count('"status":200') == count
    return count / took


def row(name: str, wanted: float, found: Outcome) -> list[str]:
    return [
        name,
        f"{wanted:,.0f}",
        f"{found.rate:,.0f}",
        *(found.quantile(q) for q in (0.5, 0.95, 0.99, 0.999)),
        f"{found.refused:,}",
        f"{found.failed:,}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, action="append")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        port = free_port()
        folder = options.data or Path(scratch)
        command = [
            str(Path(sys.executable).with_name("ringfence")),
            "serve",
            "--data",
            str(folder),
            "--port",
            str(port),
        ]
        with server(*command, port=port):
            drive(port, "/v1/decisions", "warm", 500, 2)
            rows += [
                row("decide", rate, drive(port, "/v1/decisions", f"run{number}", rate, options.seconds))
                for number, rate in enumerate(options.rate or (1000, 2000, 3000, 6000))
            ]
            if options.rate is None:
                print(f"batch route: {batch_rate(port):,.0f} payments/s")
        if options.rate is None:
            port = free_port()
            echo = [sys.executable, "-m", "benchmarks.echo", str(port)]
            with server(*echo, port=port):
                for rate in (6000, 9000):
                    rows.append(
                        row("echo", rate, drive(port, "/v1/decisions", "echo", rate, options.seconds))
                    )
    columns = ("route", "sent/s", "answered/s", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "refused", "failed")
    show(f"{machine()}; {versions('ringfence', 'uvicorn')}; cpus {os.cpu_count()}", columns, rows)


if __name__ == "__main__":
    main()
