"""How long the dashboard's pages take over a store of millions, alone and while payments are decided.

python -m benchmarks.dashboard                  simulates and decides two million payments first
python -m benchmarks.dashboard --data DIR       on a store that is there
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
import threading
import time
from html import unescape
from pathlib import Path

import httpx
import numpy as np

from benchmarks.serving import RINGFENCE, Process

ASKED = 40
LIVE_SECONDS = 10
LIVE_RATE = 1000


def made(folder, customers):
    """A store of two months of simulated payments, about a hundred of each customer."""
    file, data = folder / "payments.parquet", folder / "data"
    world = ["--customers", str(customers), "--days", "60"]
    subprocess.run([RINGFENCE, "simulate", str(file), *world], check=True)
    subprocess.run([RINGFENCE, "run", str(file), "--data", str(data)], check=True)
    file.unlink()
    return data


def ready(client):
    """Seconds until the index has taken in the whole log."""
    begin = time.perf_counter()
    while "up to date" not in client.get("/system").text:
        time.sleep(1)
    return time.perf_counter() - begin


def links(client, path, pattern):
    """Addresses on a page."""
    found = dict.fromkeys(re.findall(f'href="({pattern})"', unescape(client.get(path).text)))
    return list(found)


def addresses(client):
    """Pages by kind, each with different ids, as an analyst would go through them."""
    lists = [f"/decisions?outcome={outcome}" for outcome in ("decline", "review", "challenge", "approve")]
    seen = [page for path in lists for page in links(client, path, r"/decisions/[^\"?]+")]
    entities = {
        kind: [page for path in lists for page in links(client, path, rf"/entities/{kind}/[^\"?]+")]
        for kind in ("card", "customer", "merchant")
    }
    days = [f"/decisions?since=2025-01-{day:02}&until=2025-02-{day:02}" for day in range(1, 28)]
    return {
        "live": ["/"],
        "decisions, by outcome": lists,
        "decisions, by rule": [
            f"/decisions?rule={rule}" for rule in ("card_testing", "new_device", "watched")
        ],
        "decisions, by time": days,
        "decisions, by score and amount": [
            f"/decisions?min_score={score}&min_amount={amount}"
            for score in (20, 50, 80)
            for amount in (50, 500)
        ],
        "decisions, of a card by outcome": [
            f"/decisions?entity=card&entity_id={page.rsplit('/', 1)[1]}&outcome=review"
            for page in entities["card"]
        ],
        "one decision": seen,
        "one decision, taken apart": [page.replace("/decisions/", "/explained/") for page in seen],
        "labels of a payment": [page.replace("/decisions/", "/labels/") for page in seen],
        **{f"entity, {kind}": pages for kind, pages in entities.items()},
        **{
            f"neighbours of a {kind}": [page.replace("/entities/", "/neighbours/") for page in pages]
            for kind, pages in entities.items()
        },
        "rules": ["/rules"],
        "rules, editor": ["/rules/edit"],
        "rules, history": ["/rules/versions"],
        "rules, shadow": ["/rules/shadow"],
        "lists": ["/lists"],
        "models": ["/models", "/models/live"],
        "one model": [
            address
            for page in links(client, "/models", r"/models/[^\"?/]+")
            for address in (page, f"{page}/watched")
        ],
        "streams": ["/streams"],
        "messages, by offset": [f"/streams/events?offset={offset}" for offset in range(0, 1_000_000, 25_000)],
        "messages, by key": [f"/streams/decisions?key={page.rsplit('/', 1)[1]}" for page in seen],
        "quarantine": ["/quarantine"],
        "system": ["/system"],
        "sign-in": ["/sign-in"],
    }


def measure(client, pages):
    """Milliseconds of each of some requests, the first left out."""
    times = []
    for number in range(ASKED + 1):
        begin = time.perf_counter()
        client.get(pages[number % len(pages)], follow_redirects=True).raise_for_status()
        times.append(1000 * (time.perf_counter() - begin))
    return np.array(times[1:])


def beat(client, url):
    """Milliseconds between frames of the live page while a thousand payments a second are decided."""
    stop = threading.Event()

    def pay():
        begin, number = time.time(), 0
        with httpx.Client(base_url=url, timeout=30) as sender:
            while not stop.is_set():
                due = int((time.time() - begin) * LIVE_RATE) - number
                lines = [
                    {
                        "transaction_id": f"live-{begin}-{number + row}",
                        "event_time": int(time.time() * 1000),
                        "amount": 10 + row,
                        "currency": "EUR",
                        "card_id": f"card-{(number + row) % 997}",
                        "merchant_id": f"shop-{row % 50}",
                    }
                    for row in range(due)
                ]
                number += due
                if lines:
                    sender.post("/v1/decisions/batch", json=lines).raise_for_status()
                time.sleep(0.05)

    thread = threading.Thread(target=pay)
    thread.start()
    gaps, seen, shown, last = [], 0, 0, None
    end = time.perf_counter() + LIVE_SECONDS
    with client.stream("GET", "/live/stream") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                now = time.perf_counter()
                frame = json.loads(line[6:])
                seen, shown = seen + frame["seen"], shown + len(frame["rows"])
                gaps += [] if last is None else [1000 * (now - last)]
                last = now
                if now > end:
                    break
    pages = measure(client, ["/decisions", "/decisions?outcome=decline"])
    stop.set()
    thread.join()
    return np.array(gaps), seen / LIVE_SECONDS, shown / LIVE_SECONDS, pages


def row(name, times):
    """One line of the table."""
    p50, p95 = np.percentile(times, [50, 95])
    print(f"{name:32} {p50:8.1f} {p95:8.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--customers", type=int, default=20_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = given.data or made(Path(folder), given.customers)
        process = Process(data)
        try:
            with httpx.Client(base_url=process.url, timeout=120) as client:
                print(f"index up to date after {ready(client):.0f} s\n")
                print(f"{'page, ms':32} {'p50':>8} {'p95':>8}")
                for name, pages in addresses(client).items():
                    if pages:
                        row(name, measure(client, pages))
                gaps, seen, shown, pages = beat(client, process.url)
                row("frames of the live page", gaps)
                row(f"decisions, at {seen:,.0f}/s", pages)
                print(f"{shown:.0f} of {seen:,.0f} decisions a second shown")
        finally:
            process.end()


if __name__ == "__main__":
    main()
