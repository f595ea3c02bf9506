"""A run that was interrupted goes on where it was: its place in the files is kept with the decisions."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ringfence.adapters.sqlite import Store
from ringfence.decisions.decision import DecisionBatch
from ringfence.ports import DECISIONS
from ringfence.runner import Runner

from .conftest import payment, write_ndjson


def interrupt_after(monkeypatch, batches):
    """Ctrl-C once so many batches have been decided; undone by the returned function."""
    run = Runner.run

    def interrupted(self, source, progress):
        count = 0

        def press_ctrl_c(arrival, totals):
            nonlocal count
            progress(arrival, totals)
            count += 1
            if count == batches:
                raise KeyboardInterrupt

        return run(self, source, press_ctrl_c)

    monkeypatch.setattr(Runner, "run", interrupted)
    return lambda: monkeypatch.setattr(Runner, "run", run)


def decided(folder):
    """All decisions in order, without what the wall clock says."""
    with Store.open(folder, read_only=True) as store:
        batches = [DecisionBatch.decode(item.payload).table for item in store.log.read(DECISIONS)]
    return [
        row for table in batches for row in table.drop_columns(["decided_at_ms", "latency_us"]).to_pylist()
    ]


@pytest.mark.parametrize("order", ["auto", "time"])
def test_nothing_that_was_decided_is_read_again_as_a_duplicate(ringfence, project, monkeypatch, order):
    rows = write_ndjson(project / "rows.ndjson", [payment(n) for n in range(300)])
    undo = interrupt_after(monkeypatch, 2)
    assert ringfence("run", rows, "--batch-rows", "100").code == 130
    undo()
    again = ringfence("run", rows, "--batch-rows", "100", "--json")
    assert "Going on after 200 records" in again.err
    assert (again.json["transactions"], again.json["duplicates"]) == (100, 0)
    calm = ringfence("run", rows, "--batch-rows", "100", "--data", "calm")
    assert calm.code == 0
    assert str(decided(project / "ringfence-data")) == str(decided(project / "calm"))


def test_a_run_that_came_to_its_end_begins_anew(ringfence, payments):
    assert ringfence("run", payments).code == 0
    again = ringfence("run", payments, "--json")
    assert "Going on" not in again.err
    assert again.json["duplicates"] == 8


def test_a_file_that_has_changed_is_read_from_its_beginning(ringfence, project, monkeypatch):
    every = [payment(n) for n in range(300)]
    rows = write_ndjson(project / "rows.ndjson", every)
    undo = interrupt_after(monkeypatch, 2)
    ringfence("run", rows, "--batch-rows", "100")
    undo()
    write_ndjson(rows, [payment(700), *every])
    again = ringfence("run", rows, "--batch-rows", "100", "--order", "arrival", "--json")
    assert "Going on" not in again.err
    assert (again.json["transactions"], again.json["duplicates"]) == (101, 200)


def test_labels_that_were_not_due_yet_are_not_lost(ringfence, project, monkeypatch):
    """The mapping has a label column; labels of the first half become known in the second."""
    (project / "own.toml").write_text(
        """
name = "own"
title = "Payments with a label column"
about = "Labels become known three hours later."

[[records]]
kind = "transaction"
label = { column = "fraud", delay = "3h" }

[records.fields]
transaction_id = "id"
event_time = "at"
amount = "amount"
currency = { constant = "EUR" }
card_id = "card"
"""
    )
    lines = ["id,at,amount,card,fraud"]
    lines += [f"t{n},2024-05-01T{n // 60:02}:{n % 60:02}:00Z,5.00,c{n % 3},{n % 2}" for n in range(600)]
    (project / "own.csv").write_text("\n".join(lines) + "\n")
    asked = ("run", "own.csv", "--mapping", "own.toml", "--batch-rows", "100", "--json")
    undo = interrupt_after(monkeypatch, 2)
    ringfence(*asked)
    undo()
    again = ringfence(*asked)
    assert again.json["transactions"] == 400
    calm = ringfence(*asked, "--data", "calm").json
    with Store.open(project / "ringfence-data", read_only=True) as one:
        first = one.log.end_offset("events"), one.schedule() is None
    with Store.open(project / "calm", read_only=True) as other:
        second = other.log.end_offset("events"), other.schedule() is None
    assert first == second
    assert calm["events"] == first[0]
    assert str(decided(project / "ringfence-data")) == str(decided(project / "calm"))


@pytest.mark.slow
@pytest.mark.parametrize("order", ["arrival", "time"])
def test_killed_again_and_again_it_ends_as_if_nothing_had_happened(ringfence, project, order):
    rows = write_ndjson(
        project / "rows.ndjson", [payment(n % 500, transaction_id=f"t{n}") for n in range(6000)]
    )
    asked = ["run", str(rows), "--batch-rows", "100", "--order", order, "--json"]
    command = [Path(sys.executable).parent / "ringfence", *asked]
    for _ in range(2):
        before = _ends(project)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            while running.poll() is None and _ends(project) < before + 1000:
                time.sleep(0.01)
            os.kill(running.pid, signal.SIGKILL)
    assert 0 < _ends(project) < 6000
    last = ringfence(*asked)
    assert "Going on after" in last.err
    assert last.json["duplicates"] == 0
    ringfence(*asked, "--data", "calm")
    assert str(decided(project / "ringfence-data")) == str(decided(project / "calm"))


def _ends(project):
    try:
        with Store.open(project / "ringfence-data", read_only=True) as store:
            return store.log.end_offset(DECISIONS)
    except Exception:  # noqa: BLE001 (not there yet)
        return 0
