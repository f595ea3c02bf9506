"""Whether the live page stays smooth while payments arrive, and whether it slows the server down.

python -m benchmarks.live_page                  a thousand payments a second, for a minute, in a real browser
python -m benchmarks.live_page --rate 2000 --seconds 30

Payments come from a process of their own that keeps to the clock. Printed are frames, long tasks and memory
of the page, the share that it says it shows, and what decisions cost the server with and without it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import runpy
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks.serving import Process

ROOT = Path(__file__).parents[1]
WATCH = """
window.watched = {long: [], gaps: []};
new PerformanceObserver((list) => { for (const one of list.getEntries()) watched.long.push(one.duration); })
  .observe({type: "longtask", buffered: true});
let last = performance.now();
const frame = (now) => { watched.gaps.push(now - last); last = now; requestAnimationFrame(frame); };
requestAnimationFrame(frame);
"""


def cpu_seconds(pid):
    """What a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def decided(client):
    """Decisions so far."""
    text = client.get("/metrics").text
    return sum(
        float(line.split()[-1]) for line in text.splitlines() if line.startswith("ringfence_decisions_total")
    )


def pay(url, rate):
    """Payments at this rate, by the clock and not by the answers, twenty in a request."""
    number, begun = 0, time.monotonic()
    with httpx.Client(base_url=url, timeout=30) as client:
        while True:
            lines = [payment(number + row) for row in range(20)]
            client.post("/v1/decisions/batch", json=lines).raise_for_status()
            number += len(lines)
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))


def payment(number):
    """One of a thousand cards."""
    chance = (number * 2654435761) % 2**32
    return {
        "transaction_id": f"live-{number}",
        "event_time": int(time.time() * 1000),
        "amount": round(5 + (chance % 1000) ** 2 / 5000, 2),
        "currency": "EUR",
        "card_id": f"card-{chance % 1009}",
        "customer_id": f"customer-{chance % 1009}",
        "merchant_id": f"shop-{chance % 61}",
        "country": ("DE", "FR", "AT")[chance % 3],
    }


class Span:
    """Decisions of a time, and the server's work for them."""

    def __init__(self, client, pid):
        self._client, self._pid = client, pid
        self._begun = time.perf_counter(), decided(client), cpu_seconds(pid)

    def tell(self, name):
        """A line of what was."""
        at, count, cpu = self._begun
        seconds, made = time.perf_counter() - at, decided(self._client) - count
        used = cpu_seconds(self._pid) - cpu
        print(f"{name:24} {made / seconds:8,.0f} decisions/s {1e6 * used / max(made, 1):8.0f} µs of CPU each")


def heap(session):
    """Bytes that the page's script holds, once what it has let go of is collected."""
    session.send("HeapProfiler.collectGarbage")
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return found["JSHeapUsedSize"], found["Nodes"]


def look(url, seconds, span):
    """The live page for a time; what it was like."""
    path = runpy.run_path(str(ROOT / "scripts" / "browser.py"))["found"]()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        page.add_init_script(WATCH)
        page.goto(url)
        page.wait_for_timeout(5000)
        before = heap(session)
        page.evaluate("watched.long.length = watched.gaps.length = 0")
        watched = span()
        page.wait_for_timeout(1000 * seconds)
        found = page.evaluate("watched")
        watched.tell("with the live page")
        after, said = heap(session), page.locator("#sampled").inner_text()
        browser.close()
    gaps, long = np.array(found["gaps"]), np.array(found["long"])
    print(f"\nthe page says: {said}")
    print(f"frames a second          {1000 / gaps.mean():8.1f}")
    p50, p95, p99 = np.percentile(gaps, [50, 95, 99])
    print(f"between frames, ms       {p50:8.1f} p50 {p95:8.1f} p95 {p99:8.1f} p99 {gaps.max():8.1f} longest")
    print(f"tasks over 50 ms         {len(long):8} in {seconds} s, longest {long.max(initial=0):.0f} ms")
    print(f"memory, MB               {before[0] / 1e6:8.1f} after 5 s {after[0] / 1e6:8.1f} at the end")
    print(f"elements                 {before[1]:8,.0f} after 5 s {after[1]:8,.0f} at the end")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        process = Process(given.data or Path(folder))
        payer = multiprocessing.Process(target=pay, args=(process.url, given.rate), daemon=True)
        payer.start()
        try:
            with httpx.Client(base_url=process.url, timeout=30) as client:
                while not decided(client):
                    time.sleep(0.2)
                time.sleep(3)
                alone = Span(client, process.pid)
                time.sleep(max(given.seconds // 4, 2))
                alone.tell("without a page")
                look(process.url, given.seconds, lambda: Span(client, process.pid))
        finally:
            payer.terminate()
            payer.join(20)
            process.end()


if __name__ == "__main__":
    main()
