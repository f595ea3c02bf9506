"""How long the workplace takes: a case of 500 payments, the next case, queues of many cases, homes.

    python -m benchmarks.workplace --customers 400 --cases 20000     # a minute or two
    python -m benchmarks.workplace                                   # 2 M payments, 200,000 cases
    python -m benchmarks.workplace --data DIR                        # on a store that was made before

Three quarters of the cases wait, a quarter is closed. Cases beside the large one are of payments that the
store does not have: the queue does not ask for them. Between requests a loop of a fixed length is timed:
`busy` is how many times longer than its processor time it took, 1.0 on a quiet machine. `cpu ms` is what the
server's process used for a request, whoever else wanted the cores.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
import time
from functools import partial
from html import unescape
from pathlib import Path

import httpx
import numpy as np

from benchmarks.report import show
from benchmarks.serving import RINGFENCE, Process
from ringfence.adapters.cases import CaseFollower
from ringfence.cases.actions import close, take_payment
from ringfence.cases.book import CaseQuery
from ringfence.cases.model import CaseState, Disposition, Payment, Proposed, Subject
from ringfence.cases.policy import CasePolicy
from ringfence.compose.folder.cases import open_cases
from ringfence.compose.folder.store import open_store
from ringfence.compose.folder.tables import open_tables
from ringfence.follow import catch_up
from ringfence.scoring.rulesets.outcomes import Outcome

ASKED = 40
LARGE = 500
COUNTS = "SELECT outcome, count(*) FROM decisions GROUP BY ALL"
BARS = {"case of 500 payments": 150, "next case": 50}  # ms, p95; every other page 200
AT_ONCE = 2000
ANALYSTS = ("local", "anna", "berta", "carl", "dora")
SPIN = 20_000  # rounds of the loop, about a millisecond


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=20_000, help="a hundred payments each")
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--data", type=Path, help="a store, or where to make one that stays")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file, data = Path(folder) / "payments.parquet", given.data or Path(folder) / "data"
        if not (data / "ringfence.db").exists():
            world = ["--customers", str(given.customers), "--days", "60"]
            subprocess.run([RINGFENCE, "simulate", str(file), *world], check=True)
            subprocess.run([RINGFENCE, "run", str(file), "--data", str(data)], check=True)
        large = filled(data, given.cases)
        process = Process(data)
        try:
            with httpx.Client(base_url=process.url, timeout=120) as client:
                rows = measured(client, large, process.pid)
        finally:
            process.end()
    show("Pages, alone", ["page", "p50 ms", "p95 ms", "bar", "", "busy", "cpu ms"], rows)


def filled(data: Path, cases: int) -> str:
    """The cases of the store's payments, one large one, and many small ones; the id of the large one."""
    policy = CasePolicy()
    with open_store(data, read_only=True) as store:
        lake = open_tables(store)
        text = (
            'SELECT t.transaction_id, t."offset" AS at, t.event_time_ms AS ms, t.customer_id, t.card_id '
            f"FROM transactions t ORDER BY t.event_time_ms DESC LIMIT {LARGE}"
        )
        found = lake.sql(text).to_pylist()
        lake.close()
        catch_up(store.log, CaseFollower(store.log, data, policy))
    now_ms, book = time.time_ns() // 1_000_000, open_cases(data)
    whose = Subject("customer", found[0]["customer_id"])
    known = [one for one in book.cases(CaseQuery(subject=whose), now_ms) if one.totals.payments >= LARGE // 2]
    large = known[0] if known else None
    with book.work() as work:
        for row in found if large is None else ():
            entities = {"customer": whose.entity_id, "card": row["card_id"]}
            one = payment(row["transaction_id"], row["at"], row["ms"], now_ms, entities)
            large = take_payment(work, policy, one) or large
    there = book.count(CaseQuery(states=tuple(CaseState)), now_ms)
    begun = time.process_time()
    for begin in range(there, cases, AT_ONCE):
        with book.work() as work:
            for number in range(begin, min(begin + AT_ONCE, cases)):
                who = {"customer": f"nobody-{number}"}
                at_ms = now_ms - number % 420 * 60_000  # due in one to eight hours
                one = take_payment(work, policy, payment(f"none-{number}", number, at_ms, at_ms, who))
                if one is not None and number % 4 == 0:
                    kind = Disposition.INCONCLUSIVE if number % 400 else Disposition.FALSE_POSITIVE
                    by = ANALYSTS[number // 4 % len(ANALYSTS)]
                    close(work, policy, one, Proposed(disposition=kind), by, now_ms)
    book.close()
    if made := max(0, cases - there):
        took = time.process_time() - begun
        print(f"{made:,} cases made in {took:.1f} s of processor time, {1000 * took / made:.2f} ms each")
    assert large is not None
    return large.id


def payment(identity: str, offset: int, time_ms: int, decided_ms: int, entities: dict[str, str]) -> Payment:
    return Payment(
        transaction_id=identity,
        offset=offset,
        event_time_ms=time_ms,
        decided_at_ms=decided_ms,
        outcome=Outcome.REVIEW,
        score=50.0,
        loss=1.0 + offset % 1000,
        amount=100.0,
        currency="EUR",
        reasons=("BENCHMARK",),
        entities={kind: name for kind, name in entities.items() if name},
    )


def measured(client: httpx.Client, large: str, pid: int) -> list[tuple[str, ...]]:
    while "up to date" not in client.get("/system").text:
        time.sleep(0.5)
    client.get("/sign-in")
    csrf = {"x-csrf-token": client.get("/session").json()["csrf"]}
    decided = re.search(r'href="(/decisions/[^"?]+)"', client.get("/decisions").text)
    assert decided is not None
    while "data-counting" in (seen := client.get("/performance").text):
        time.sleep(0.1)
    parts = [unescape(one) for one in re.findall(r'hx-get="(/performance/[^"]+)"', seen)]
    pages = {
        "case of 500 payments": lambda: client.get(f"/cases/{large}"),
        "next case": lambda: client.post("/cases/next", headers=csrf),
        "queue": lambda: client.get("/cases"),
        "queue, page 100": lambda: client.get("/cases?skip=5000"),
        "queue, by opening": lambda: client.get("/cases?order=opened"),
        "queue, by amount": lambda: client.get("/cases?order=loss"),
        "queue, by last change": lambda: client.get("/cases?order=changed"),
        "queue, closed": lambda: client.get("/cases?view=closed"),
        "queue, found by an id": lambda: client.get("/cases?q=nobody-77"),
        "its linked entities": lambda: client.get(f"/cases/{large}/linked"),
        "its payments": lambda: client.get(f"/cases/{large}/payments"),
        "preview": lambda: client.get(f"/cases/{large}/preview"),
        "home, analyst": lambda: client.get("/home?as=analyst"),
        "home, manager": lambda: client.get("/home?as=manager"),
        "home, engineer": lambda: client.get("/home?as=engineer"),
        "notifications": lambda: client.get("/notifications/count"),
        "payments": lambda: client.get("/decisions"),
        "one payment": lambda: client.get(decided[1]),
        "a customer": lambda: client.get("/entities/customer/cus-00017"),
        "rules": lambda: client.get("/rules"),
        "one rule": lambda: client.get("/rule/card_testing"),
        "its figures": lambda: client.get("/rule/card_testing/figures"),
        "rule lab": lambda: client.get("/rules/lab?template=amount"),
        "performance": lambda: client.get("/performance"),
        **{f"figures: {one.split('?')[0].rpartition('/')[2]}": partial(client.get, one) for one in parts},
        "SQL": lambda: client.post("/sql", data={"statement": COUNTS}, headers=csrf),
        "streams, events": lambda: client.get("/streams/events"),
        "find an id": lambda: client.post("/find", data={"q": "C-1"}, headers=csrf),
        "find the beginning of an id": lambda: client.post("/find", data={"q": "tx-00001"}, headers=csrf),
        "find what is not there": lambda: client.post("/find", data={"q": "nothing"}, headers=csrf),
    }
    rows = []
    for name, ask in pages.items():
        ask()
        times, busy, before = [], [], used(pid)
        for _ in range(ASKED):
            busy.append(slowed())
            begin = time.perf_counter()
            answer = ask()
            times.append(1000 * (time.perf_counter() - begin))
            assert answer.status_code in (200, 303), (name, answer.status_code)
        p50, p95 = np.percentile(times, [50, 95])
        bar = BARS.get(name, 200)
        passed = "PASS" if p95 <= bar else "FAIL"
        cpu = f"{(used(pid) - before) / ASKED:.0f}"
        rows.append((name, f"{p50:.0f}", f"{p95:.0f}", str(bar), passed, f"{np.mean(busy):.1f}", cpu))
    return rows


def used(pid: int) -> float:
    """Milliseconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def slowed() -> float:
    """How many times longer than its processor time a loop takes."""
    begin, used = time.perf_counter(), time.process_time()
    for _ in range(SPIN):
        pass
    return (time.perf_counter() - begin) / max(time.process_time() - used, 1e-9)


if __name__ == "__main__":
    main()
