"""How long the workplace takes: a case of 500 payments, the next case, queues of many cases, homes.

    python -m benchmarks.workplace --customers 400 --cases 20000     # a minute or two
    python -m benchmarks.workplace                                   # 2 M payments, 200,000 cases

Cases beside the large one are of payments that the store does not have: the queue does not ask for them.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

from benchmarks.report import show
from benchmarks.serving import RINGFENCE, Process
from ringfence.cases.actions import take_payment
from ringfence.cases.model import Payment
from ringfence.cases.policy import CasePolicy
from ringfence.compose.cases import open_cases
from ringfence.compose.store import open_store
from ringfence.compose.tables import open_tables
from ringfence.scoring.rulesets.outcomes import Outcome

ASKED = 40
LARGE = 500
BARS = {"case of 500 payments": 150, "next case": 50}  # ms, p95; every other page 200
AT_ONCE = 2000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=20_000, help="a hundred payments each")
    parser.add_argument("--cases", type=int, default=200_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file, data = Path(folder) / "payments.parquet", Path(folder) / "data"
        world = ["--customers", str(given.customers), "--days", "60"]
        subprocess.run([RINGFENCE, "simulate", str(file), *world], check=True)
        subprocess.run([RINGFENCE, "run", str(file), "--data", str(data)], check=True)
        large = filled(data, given.cases)
        process = Process(data)
        try:
            with httpx.Client(base_url=process.url, timeout=120) as client:
                rows = measured(client, large)
        finally:
            process.end()
    show("Pages, alone", ["page", "p50 ms", "p95 ms", "bar", ""], rows)


def filled(data: Path, cases: int) -> str:
    """One case of many payments of the store, and many small ones; the id of the large one."""
    with open_store(data, read_only=True) as store:
        lake = open_tables(store)
        text = (
            'SELECT t.transaction_id, t."offset" AS at, t.event_time_ms AS ms, t.amount, t.currency, '
            f"t.customer_id, t.card_id FROM transactions t ORDER BY t.event_time_ms DESC LIMIT {LARGE}"
        )
        found = lake.sql(text).to_pylist()
        lake.close()
    newest = found[0]["ms"]
    book, policy = open_cases(data), CasePolicy()
    with book.work() as work:
        for row in found:
            entities = {"customer": found[0]["customer_id"], "card": row["card_id"]}
            case = take_payment(work, policy, payment(row["transaction_id"], row["at"], row["ms"], entities))
    for begin in range(0, cases, AT_ONCE):
        with book.work() as work:
            for number in range(begin, min(begin + AT_ONCE, cases)):
                who = {"customer": f"nobody-{number}"}
                take_payment(work, policy, payment(f"none-{number}", number, newest - number, who))
    book.close()
    assert case is not None
    return case.id


def payment(identity: str, offset: int, time_ms: int, entities: dict[str, str]) -> Payment:
    return Payment(
        transaction_id=identity,
        offset=offset,
        event_time_ms=time_ms,
        decided_at_ms=time_ms,
        outcome=Outcome.REVIEW,
        score=50.0,
        loss=1.0 + offset % 1000,
        amount=100.0,
        currency="EUR",
        reasons=("BENCHMARK",),
        entities={kind: name for kind, name in entities.items() if name},
    )


def measured(client: httpx.Client, large: str) -> list[tuple[str, ...]]:
    while "up to date" not in client.get("/system").text:
        time.sleep(0.5)
    client.get("/sign-in")
    csrf = {"x-csrf-token": client.get("/session").json()["csrf"]}
    decided = re.search(r'href="(/decisions/[^"?]+)"', client.get("/decisions").text)
    assert decided is not None
    pages = {
        "case of 500 payments": lambda: client.get(f"/cases/{large}"),
        "next case": lambda: client.post("/cases/next", headers=csrf),
        "queue": lambda: client.get("/cases"),
        "queue, closed": lambda: client.get("/cases?view=closed"),
        "home, analyst": lambda: client.get("/home?as=analyst"),
        "home, engineer": lambda: client.get("/home?as=engineer"),
        "payments": lambda: client.get("/decisions"),
        "one payment": lambda: client.get(decided[1]),
        "rules": lambda: client.get("/rules"),
        "find an id": lambda: client.post("/find", data={"q": "C-1"}, headers=csrf),
    }
    rows = []
    for name, ask in pages.items():
        ask()
        times = []
        for _ in range(ASKED):
            begin = time.perf_counter()
            answer = ask()
            times.append(1000 * (time.perf_counter() - begin))
            assert answer.status_code in (200, 303), (name, answer.status_code)
        p50, p95 = np.percentile(times, [50, 95])
        bar = BARS.get(name, 200)
        rows.append((name, f"{p50:.0f}", f"{p95:.0f}", str(bar), "PASS" if p95 <= bar else "FAIL"))
    return rows


if __name__ == "__main__":
    main()
