"""What dispositions are worth: a scripted analyst works twenty days of cases, and a model is trained.

    python -m benchmarks.analyst            # some minutes
    python -m benchmarks.analyst --quick --customers 800

        day 0 ──── history ──── 50 ── worked, day by day ── 70 ──── measured ──── 90 ──── labels come ──── 135
                                                           trained here

The same history is decided by rules in two folders. In one, an analyst closes every case on the day that it
opens, by the truth, and the labels go into the log. Both models learn what was known on day 70, and then
decide the twenty days after, where they are measured against the truth. Chargebacks come as late as in life:
without an analyst, the last weeks before day 70 cannot be learned from.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from msgspec.structs import replace

from benchmarks.report import show
from benchmarks.simulate_detection import average_precision, decided, export, run, typologies
from ringfence.adapters.cases import CaseFollower, SqliteCases
from ringfence.cases import wire
from ringfence.cases.book import CaseQuery
from ringfence.cases.model import LIVE, CaseState, Disposition
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.follow import catch_up
from ringfence.rulebook.desk import Who
from ringfence.saving import Snapshotting

if TYPE_CHECKING:
    import numpy as np

HISTORY_DAYS, LATER_DAYS, LABELS_DAYS = 70, 20, 45
START = datetime(2025, 1, 1, tzinfo=UTC)  # of a simulated world
MOST = 1000  # cases asked for at once


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--worked", type=int, default=20, help="days of cases, the last ones before day 70")
    parser.add_argument("--quick", action="store_true", help="train the models in seconds")
    given = parser.parse_args()
    lesson = ("--quick",) if given.quick else ("--search-seconds", "0")
    world = ("--fraud", "0.008", "--seed", str(given.seed), "--customers", str(given.customers))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        simulated("history", 0, HISTORY_DAYS, world)
        simulated("after", HISTORY_DAYS, LATER_DAYS + LABELS_DAYS, world)
        begin = HISTORY_DAYS - given.worked
        cut("history", "begin", 0, begin)
        cut("after", "later", HISTORY_DAYS, LATER_DAYS)
        decide("begin", "without")
        shutil.copytree("without", "with")
        cases = labels = 0
        for day in range(begin, HISTORY_DAYS):
            cut("history", "day", day, 1)
            for name in ("without", "with"):
                decide("day", name)
            worked = work(Path("with"), *(int(moment(one).timestamp() * 1000) for one in (begin, day + 1)))
            cases, labels = cases + worked[0], labels + worked[1]
        ids = duckdb.sql(
            "SELECT transaction_id FROM 'later.parquet' WHERE kind = 'transaction' ORDER BY 1"
        ).fetchnumpy()["transaction_id"]
        fraud = typologies(ids, "after") != ""
        rows = {name: measured(name, lesson, ids, fraud) for name in ("without", "with")}
    print(f"{cases:,} cases of {given.worked} days closed, {labels:,} labels; {len(fraud):,} later payments")
    show(
        "Average precision on the days after",
        ["dispositions", "payments learned from", "frauds among them", "average precision"],
        [(name, f"{one[0]:,}", f"{one[1]:,}", f"{one[2]:.3f}") for name, one in rows.items()],
    )
    print(f"with dispositions: {rows['with'][2] - rows['without'][2]:+.3f}")


def simulated(name: str, first_day: int, days: int, world: tuple[str, ...]) -> None:
    """A file of the world, and the truth beside it."""
    span = ("--first-day", str(first_day), "--days", str(days))
    run("simulate", f"{name}.parquet", *span, "--truth", f"{name}-truth.parquet", *world)


def moment(day: int) -> datetime:
    return START + timedelta(days=day)


def cut(source: str, target: str, first_day: int, days: int) -> None:
    """Some days of a file, in its order."""
    span = f"event_time >= '{moment(first_day)}' AND event_time < '{moment(first_day + days)}'"
    duckdb.sql(f"COPY (SELECT * FROM '{source}.parquet' WHERE {span}) TO '{target}.parquet'")


def decide(name: str, folder: str) -> None:
    run("run", f"{name}.parquet", "--mapping", "canonical", "--data", folder)


def measured(
    name: str, lesson: tuple[str, ...], ids: np.ndarray, fraud: np.ndarray
) -> tuple[int, int, float]:
    """Payments and frauds that a model learned from, and its average precision on the days after."""
    shutil.copytree(name, f"{name}-told")
    decide("after", f"{name}-told")  # the test's labels: training looks at them when it is done
    begins = ("--test-from", f"{moment(HISTORY_DAYS):%Y-%m-%d}")
    run("train", "--data", f"{name}-told", "--out", f"m-{name}", "--name", name, *begins, *lesson)
    run("models", "import", f"m-{name}", "--data", name)
    run("models", "promote", name, "--data", name, "--yes", "--force")
    decide("later", name)
    export(name)
    learned = json.loads(Path(f"m-{name}/manifest.json").read_text())["spans"]["train"]
    found = average_precision(decided(name, "probability", ids), fraud)
    return learned["rows"], learned["frauds"], found


def work(folder: Path, since_ms: int, now_ms: int) -> tuple[int, int]:
    """Close every case with a payment since a time by the truth; how many cases and labels."""
    truth = duckdb.sql("SELECT transaction_id FROM 'history-truth.parquet'").fetchnumpy()["transaction_id"]
    known = set(truth.tolist())
    with open_session(folder, load_definitions(None, None), Snapshotting()) as session:
        book = SqliteCases(folder)
        desk = replace_policy(session.case_desk(book))
        catch_up(session.store.log, CaseFollower(session.store.log, folder, desk.policy))
        done = 0
        closed = [None]
        while closed:
            closed = [
                close(desk, case, known, now_ms)
                for case in book.cases(CaseQuery(states=LIVE, order="changed", limit=MOST), now_ms)
                if max(one.event_time_ms for one in book.payments(case.id)) >= since_ms
            ]
            done += len(closed)
        labels = session.deliver(desk)
        book.close()
    return done, labels


def replace_policy(desk):
    """One analyst is enough here."""
    return type(desk)(desk.book, replace(desk.policy, four_eyes_above=None), desk.guard)


def close(desk, case, known: set[str], now_ms: int) -> CaseState:
    payments = [one.transaction_id for one in desk.book.payments(case.id)]
    frauds = [one for one in payments if one in known]
    found = Disposition.CONFIRMED_FRAUD if frauds else Disposition.FALSE_POSITIVE
    asked = wire.Close(version=case.version, disposition=found, payments=frauds or None)
    return desk.act(case.id, asked, Who("scripted analyst", now_ms)).state


if __name__ == "__main__":
    main()
