"""Memory of a server over the payments of half an hour at 1,000 a second, in a minute or two.

    python -m benchmarks.soak                       # with and without the dashboard
    python -m benchmarks.soak --payments 6000000

The same people pay over and over, mostly through the batch route, so that the state has the size of its
longest window; event time runs so fast that this window passes several times. What may grow is what is
remembered of every payment for ever: its id, 20 to 31 bytes of it. Reported are memory, how much of it the
ids are by the server's own account, and the slope over the second half of the rest, which is to be flat.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from benchmarks.api_load import free_port
from benchmarks.report import machine, show, versions
from benchmarks.serving import RINGFENCE

DAYS = 150  # of event time, of which the longest window is 30
STEPS = 30
BATCH = 10_000
SINGLE = 20  # payments asked for one by one, of each batch
DAY_MS = 86_400_000
BARE = """
import sys
from pathlib import Path
from ringfence.access.authoriser import Authoriser
from ringfence.api.serving import serve
from ringfence.api.settings import ServeSettings
from ringfence.compose import load_definitions, open_session
from ringfence.saving import Snapshotting
with open_session(Path(sys.argv[1]), load_definitions(None, None), Snapshotting()) as session:
    serve(session, ServeSettings(port=int(sys.argv[2]), access_log=False), Authoriser())
"""


@contextmanager
def server(folder: Path, port: int, *, dashboard: bool):
    command = [RINGFENCE, "serve", "--data", str(folder), "--port", str(port)]
    if not dashboard:
        command = [sys.executable, "-c", BARE, str(folder), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(900):
            try:
                httpx.get(f"http://127.0.0.1:{port}/readyz").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def payments(first: int, count: int, begin_ms: int, step_ms: float, people: int = 5000) -> list[str]:
    chance = random.Random(first)
    lines = []
    for number in range(first, first + count):
        who = chance.randrange(people)
        lines.append(
            f'{{"transaction_id":"s{number}","event_time":{begin_ms + int(number * step_ms)},'
            f'"amount":"{chance.uniform(1, 300):.2f}","currency":"EUR",'
            f'"card_number":"{who * 10 + 4 * 10**15}",'
            f'"customer_id":"c{who}","merchant_id":"m{chance.randrange(500)}","device_id":"d{who}",'
            f'"ip":"10.0.{who // 250}.{who % 250}","country":"DE","lat":52.5,"lon":13.4,"channel":"online"}}'
        )
    return lines


def memory_mib(pid: int) -> float:
    """What the process has for itself, without pages of files."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no figures of process {pid}")


def ids_mib(port: int) -> float:
    """Memory of the ids seen so far."""
    for line in httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines():
        if line.startswith("ringfence_seen_ids_bytes "):
            return float(line.split()[1]) / 2**20
    raise RuntimeError("the server does not tell the memory of the ids")


def soak(total: int, *, dashboard: bool, scratch: Path) -> tuple[list[tuple[int, float, float]], float]:
    """Memory, and that of the ids alone, by payments decided; and payments a second."""
    port, step_ms = free_port(), DAYS * DAY_MS / total
    begin_ms = time.time_ns() // 1_000_000 - (DAYS + 1) * DAY_MS
    url, kind = f"http://127.0.0.1:{port}/v1/decisions", {"content-type": "application/x-ndjson"}
    seen = []
    with (
        server(scratch, port, dashboard=dashboard) as process,
        httpx.Client(timeout=120) as http,
    ):
        begin = time.perf_counter()
        for first in range(0, total, BATCH):
            lines = payments(first, BATCH, begin_ms, step_ms)
            answer = http.post(f"{url}/batch", content="\n".join(lines[SINGLE:]), headers=kind)
            assert answer.content.count(b'"status":200') == BATCH - SINGLE, answer.text[:500]
            for line in lines[:SINGLE]:
                http.post(url, content=line, headers={"content-type": "application/json"}).raise_for_status()
            if first % (total // STEPS) < BATCH:
                seen.append((first + BATCH, memory_mib(process.pid), ids_mib(port)))
        took = time.perf_counter() - begin
    return seen, total / took


def slope(seen: list[tuple[int, float, float]]) -> float:
    """MiB for each million payments over the second half, without the ids."""
    count, memory, ids = np.array(seen[len(seen) // 2 :]).T
    return float(np.polyfit(count / 1e6, memory - ids, 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--payments", type=int, default=1_800_000)
    parser.add_argument("--only", choices=("with", "without"))
    options = parser.parse_args()
    rows = []
    for name in ("with", "without") if options.only is None else (options.only,):
        with tempfile.TemporaryDirectory() as scratch:
            seen, rate = soak(options.payments, dashboard=name == "with", scratch=Path(scratch))
        rows += [(name, f"{count:,}", f"{mib:,.0f}", f"{mib - ids:,.0f}") for count, mib, ids in seen]
        print(f"{name} the dashboard: {rate:,.0f}/s, {slope(seen):+.1f} MiB for each million payments")
    show(f"{machine()}; {versions('ringfence')}", ("dashboard", "payments", "MiB", "without ids"), rows)


if __name__ == "__main__":
    main()
