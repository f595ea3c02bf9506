"""What dispositions are worth: a scripted analyst works twenty days of cases, and the model is trained again.

    python -m benchmarks.analyst            # some minutes
    python -m benchmarks.analyst --quick --customers 800

The same history is decided by rules in two folders. In one, an analyst closes every case of the last twenty
days by the truth, within the day, and the labels go into the log. Models of both are measured on the days
after, against the truth. Chargebacks come as late as in life; `--maturity` says which payments training
leaves out because their labels may still be on their way.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import duckdb
from msgspec.structs import replace

from benchmarks.report import show
from benchmarks.simulate_detection import average_precision, decided, export, run, typologies
from ringfence.adapters.cases import CaseFollower, SqliteCases
from ringfence.cases import wire
from ringfence.cases.book import CaseQuery
from ringfence.cases.model import LIVE, CaseState, Disposition
from ringfence.compose.definitions import load_definitions
from ringfence.compose.session import open_session
from ringfence.follow import catch_up
from ringfence.rulebook.desk import Who
from ringfence.saving import Snapshotting

HISTORY_DAYS, WORKED_DAYS, LATER_DAYS = 70, 20, 20
DAY_MS = 86_400_000
MOST = 1000  # cases asked for at once


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="train the models in seconds")
    given = parser.parse_args()
    lesson = ("--quick",) if given.quick else ("--search-seconds", "0")
    world = ("--fraud", "0.008", "--seed", str(given.seed), "--customers", str(given.customers))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        run(
            "simulate",
            "history.parquet",
            "--days",
            str(HISTORY_DAYS),
            "--truth",
            "history-truth.parquet",
            *world,
        )
        first = ("--first-day", str(HISTORY_DAYS), "--days", str(LATER_DAYS))
        run("simulate", "later.parquet", *first, "--truth", "later-truth.parquet", *world)
        run("run", "history.parquet", "--mapping", "canonical", "--data", "without")
        shutil.copytree("without", "with")
        cases, labels = worked(Path("with"))
        ids = duckdb.sql(
            "SELECT transaction_id FROM 'later.parquet' WHERE kind = 'transaction' ORDER BY 1"
        ).fetchnumpy()["transaction_id"]
        fraud = typologies(ids, "later") != ""
        rows = []
        for name, maturity in (("without", "28d"), ("without", "1d"), ("with", "1d")):
            here = f"{name}-{maturity}"
            shutil.copytree(name, here)
            run(
                "train", "--data", here, "--out", f"m-{here}", "--name", here, "--maturity", maturity, *lesson
            )
            run("models", "import", f"m-{here}", "--data", here)
            run("models", "promote", here, "--data", here, "--yes", "--force")
            run("run", "later.parquet", "--mapping", "canonical", "--data", here)
            export(here)
            rows.append((name, maturity, average_precision(decided(here, "probability", ids), fraud)))
    print(f"{cases:,} cases of {WORKED_DAYS} days closed, {labels:,} labels; {len(fraud):,} later payments")
    show(
        "Average precision on the days after",
        ["dispositions", "maturity", "average precision"],
        [(name, maturity, f"{value:.3f}") for name, maturity, value in rows],
    )
    best = max(value for name, _, value in rows if name == "without")
    print(f"with dispositions: {rows[-1][2] - best:+.3f} against the better one without")


def worked(folder: Path) -> tuple[int, int]:
    """Close every case of the last days by the truth; how many cases and labels."""
    truth = duckdb.sql("SELECT transaction_id FROM 'history-truth.parquet'").fetchnumpy()["transaction_id"]
    known = set(truth.tolist())
    with open_session(folder, load_definitions(None, None), Snapshotting()) as session:
        book = SqliteCases(folder)
        desk = session.case_desk(book)
        desk = replace_policy(desk)
        catch_up(session.store.log, CaseFollower(session.store.log, folder, desk.policy))
        newest_ms = duckdb.sql("SELECT epoch_ms(max(event_time)) AS at FROM 'history.parquet'")
        end_ms = int(newest_ms.fetchnumpy()["at"][0])
        done, closed = 0, True
        while closed:
            closed = [
                close(desk, case, known, end_ms)
                for case in book.cases(CaseQuery(states=LIVE, limit=MOST), end_ms)
                if case.changed_ms and newest(book, case.id) > end_ms - WORKED_DAYS * DAY_MS
            ]
            done += len(closed)
        labels = session.deliver(desk)
        book.close()
    return done, labels


def replace_policy(desk):
    """One analyst is enough here."""
    return type(desk)(desk.book, replace(desk.policy, four_eyes_above=None), desk.guard)


def newest(book: SqliteCases, case_id: str) -> int:
    return max(one.event_time_ms for one in book.payments(case_id))


def close(desk, case, known: set[str], now_ms: int) -> CaseState:
    payments = [one.transaction_id for one in desk.book.payments(case.id)]
    frauds = [one for one in payments if one in known]
    found = Disposition.CONFIRMED_FRAUD if frauds else Disposition.FALSE_POSITIVE
    asked = wire.Close(version=case.version, disposition=found, payments=frauds or None)
    return desk.act(case.id, asked, Who("scripted analyst", now_ms)).state


if __name__ == "__main__":
    main()
