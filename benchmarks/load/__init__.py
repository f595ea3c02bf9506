"""An open-loop HTTP client in C: both cores are for the server, and a pause of the client is no latency.


Latency counts from the moment at which a request was meant to be sent, whether or not it could be.
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

OPEN_CONNECTIONS = 512
CLOSED_CONNECTIONS = 128


@dataclass
class Outcome:
    """What came back of one run: seconds of all, HTTP status and milliseconds of each request."""

    seconds: float
    status: np.ndarray
    ms: np.ndarray

    @property
    def accepted_ms(self) -> np.ndarray:
        return self.ms[self.status == 200]

    @property
    def refused(self) -> int:
        return int((self.status == 503).sum())

    @property
    def failed(self) -> int:
        return int(((self.status != 200) & (self.status != 503)).sum())

    @property
    def rate(self) -> float:
        """Accepted a second."""
        return len(self.accepted_ms) / self.seconds

    def quantile(self, q: float) -> str:
        return f"{np.quantile(self.accepted_ms, q):.1f}" if len(self.accepted_ms) else "-"


def send(port: int, path: str, bodies: list[bytes], rate: float) -> Outcome:
    """POST each body as JSON: `rate` a second whatever comes back (with rate 0: as fast as answers come)."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: "
    gaps = np.random.default_rng(7).exponential(1 / rate, len(bodies)) if rate else np.zeros(len(bodies))
    with tempfile.TemporaryDirectory() as folder:
        requests, answers = Path(folder) / "requests", Path(folder) / "answers"
        with requests.open("wb") as out:
            for at, body in zip(np.cumsum(gaps).tolist(), bodies, strict=True):
                request = f"{head}{len(body)}\r\n\r\n".encode() + body
                out.write(struct.pack("<dI", at, len(request)) + request)
        # Each is used once a second or so: the server hangs up on one that has sent nothing for a while.
        most = min(OPEN_CONNECTIONS, max(1, int(rate))) if rate else CLOSED_CONNECTIONS
        connections = min(len(bodies), most)
        how = "open" if rate else "closed"
        subprocess.run([_client(), str(port), str(connections), how, requests, answers], check=True)
        found = np.fromfile(answers)
    status, seconds = found[:-1].reshape(-1, 2).T
    return Outcome(float(found[-1]), status, seconds * 1000)


@cache
def _client() -> str:
    source, folder = Path(__file__).with_name("client.c"), _BUILT.name
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", str(source), "-o", f"{folder}/client"], check=True)
    return f"{folder}/client"


_BUILT = tempfile.TemporaryDirectory(prefix="ringfence-load-")
