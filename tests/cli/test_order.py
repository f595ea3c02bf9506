"""`ringfence run` on files in any order, and on a pipe that goes on for long."""

import io
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ringfence.adapters.sqlite import Store
from ringfence.errors import StoreError
from ringfence.ports import DECISIONS

from .conftest import payment

FILES = Path(__file__).parents[1] / "exports"


def decided(ringfence, data):
    question = "SELECT transaction_id, outcome, score FROM decisions ORDER BY 1"
    return ringfence("sql", question, "--format", "json", "--data", data).out


@pytest.mark.parametrize("pair", [("newest_first", "oldest_first"), ("day_new", "day_old")])
def test_a_newest_first_export_is_decided_like_the_same_rows_in_order(ringfence, pair):
    """A burst of card testing: in the file's order each payment would be the first of its card."""
    for name in pair:
        assert ringfence("run", FILES / "07-newest-first" / f"{name}.csv", "--data", name).code == 0
    new, old = (decided(ringfence, name) for name in pair)
    assert '"decline"' in old
    assert new == old


def test_a_row_dated_a_year_ahead_makes_no_other_row_late(ringfence):
    done = ringfence("run", FILES / "09-future-clock" / "typo.csv", "--json").json
    assert done["degraded"] == 0
    clean = ringfence("run", FILES / "09-future-clock" / "clean.csv", "--data", "clean", "--json").json
    assert done["outcomes"]["decline"] == clean["outcomes"]["decline"] == 4


@pytest.mark.parametrize("names", [("payments", "labels"), ("labels", "payments")])
def test_labels_in_a_file_of_their_own_meet_their_payments(ringfence, names):
    folder = FILES / "38-labels-file"
    assert ringfence("run", folder / "merged.ndjson", "--data", "merged").code == 0
    assert ringfence("run", *(folder / f"{name}.ndjson" for name in names), "--data", "two").code == 0
    assert decided(ringfence, "two") == decided(ringfence, "merged")


def test_arrival_takes_the_rows_as_they_stand(ringfence):
    done = ringfence("run", FILES / "07-newest-first" / "newest_first.csv", "--order", "arrival", "--json")
    assert done.json["outcomes"] == {"approve": 23}


def test_a_sorted_run_that_was_killed_goes_on_where_it_was(ringfence, project):
    """What was decided before is recognised, and the folder of its runs is swept away."""
    source = shutil.copy(FILES / "07-newest-first" / "newest_first.csv", project)
    assert ringfence("run", source).code == 0
    left = project / "ringfence-data" / "sorting-killed"
    left.mkdir()
    again = ringfence("run", source, "--json").json
    assert (again["transactions"], again["duplicates"]) == (0, 23)
    assert not left.exists()


def test_a_live_pipe_is_decided_as_it_comes(project):
    """The second payment is written only once the first has been decided."""
    command = [Path(sys.executable).parent / "ringfence", "run", "-"]
    with subprocess.Popen(command, cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        for number in range(3):
            running.stdin.write(json.dumps(payment(number)).encode() + b"\n")
            running.stdin.flush()
            while stored(project) <= number:
                assert running.poll() is None
                time.sleep(0.05)
        running.stdin.close()
        assert running.wait(60) == 0


@pytest.mark.parametrize("place", [0, 3])
def test_a_row_dated_ahead_on_a_pipe_makes_none_late_and_is_named(ringfence, monkeypatch, place):
    records = [payment(number, card_id=f"c{number}") for number in range(8)]
    records.insert(place, payment(99, transaction_id="typo", event_time="2025-05-01T12:00:00Z"))
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(lines))))
    done = ringfence("run", "-", "--json").json
    assert (done["transactions"], done["degraded"]) == (9, 0)
    assert done["ahead_of_time"] == (["typo"] if place else [])


def stored(project):
    try:
        with Store.open(project / "ringfence-data", read_only=True) as store:
            return store.log.end_offset(DECISIONS)
    except StoreError:  # being made
        return 0
