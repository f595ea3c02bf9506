"""`ringfence simulate`: what it writes, `ringfence run` decides; live traffic reaches a server."""

import json
from datetime import UTC, datetime
from functools import partial

import pyarrow.parquet as pq
import pytest

from ringfence.cli.setup.simulate import _Account

SMALL = ("--days", "3", "--customers", "60")


@pytest.mark.parametrize("name", ["p.parquet", "p.csv", "p.ndjson", "p.csv.gz", "p.ndjson.zst"])
def test_every_format_is_read_back_whole(ringfence, project, name):
    assert ringfence("simulate", name, *SMALL).code == 0
    done = ringfence("run", name, "--mapping", "canonical", "--json")
    assert (done.code, done.json["quarantined"]) == (0, {})
    ringfence("simulate", "again.parquet", *SMALL)
    kinds = pq.read_table(project / "again.parquet", columns=["kind"])["kind"].to_pylist()
    assert done.json["transactions"] == kinds.count("transaction") > 200
    assert done.json["events"] == len(kinds)


def test_all_formats_lead_to_the_same_decisions(ringfence, project):
    told = []
    for name in ("a.parquet", "a.csv", "a.ndjson"):
        ringfence("simulate", name, *SMALL)
        ringfence("run", name, "--mapping", "canonical", "--data", name + ".data")
        question = "SELECT transaction_id, outcome, score FROM decisions ORDER BY 1"
        told.append(ringfence("sql", question, "--format", "json", "--data", name + ".data").out)
    assert told[0] == told[1] == told[2]


def test_standard_output_is_ndjson(ringfence):
    lines = ringfence("simulate", "-", *SMALL).json_lines
    assert {line["kind"] for line in lines} >= {"transaction", "profile"}


def test_the_truth_names_frauds_that_the_events_do_not(ringfence, project):
    ringfence("simulate", "p.ndjson", "--days", "20", "--customers", "200", "--truth", "truth.parquet")
    truth = pq.read_table(project / "truth.parquet").to_pylist()
    ids = {json.loads(line).get("transaction_id") for line in (project / "p.ndjson").read_text().splitlines()}
    assert {row["transaction_id"] for row in truth} <= ids
    assert truth


def test_flagged_accounts_are_read_by_their_mapping(ringfence):
    assert ringfence("simulate", "s.ndjson", "--schema", "flagged-accounts", *SMALL).code == 0
    done = ringfence("run", "s.ndjson", "--json")
    assert (done.code, done.json["quarantined"]) == (0, {})
    assert "flagged-accounts" in done.err


def test_transactions_and_flags_may_go_to_a_file_each(ringfence, project):
    where = ("t.csv", "--flags", "f.csv", "--schema", "flagged-accounts")
    assert ringfence("simulate", *where, "--days", "10", "--customers", "300").code == 0
    flags = len((project / "f.csv").read_text().splitlines()) - 1
    done = ringfence("run", "f.csv", "t.csv", "--mapping", "flagged-accounts", "--json").json
    assert done["quarantined"] == {}
    assert done["events"] + done["duplicates"] - done["transactions"] >= flags > 5
    assert done["outcomes"]["review"] > 0


def test_only_the_ring_of_eleven_moves_large_sums(ringfence):
    ringfence("simulate", "ring.ndjson", "--schema", "micro-macro", "--days", "1")
    assert ringfence("run", "ring.ndjson", "--mapping", "micro-macro").code == 0
    question = (
        "SELECT DISTINCT account_id FROM transactions JOIN decisions USING (transaction_id) "
        "WHERE list_contains(rules, 'account_large_sum')"
    )
    found = {row["account_id"] for row in ringfence("sql", question, "--format", "json").json_lines}
    assert found
    assert found <= {f"1234-5678-{number}" for number in range(20, 31)}


def test_what_is_written_lies_between_two_times_and_is_that_of_the_whole_world(ringfence, project):
    world = ("--days", "9", "--customers", "200", "--fraud", "0.05")
    ringfence("simulate", "all.parquet", *world, "--truth", "truth.parquet")
    times = ("--since", "2025-01-04T06:30:00", "--until", "2025-01-07T10:00:00+02:00")
    assert ringfence("simulate", "some.parquet", *world, *times, "--truth", "told.parquet").code == 0
    begin, end = datetime(2025, 1, 4, 6, 30, tzinfo=UTC), datetime(2025, 1, 7, 8, tzinfo=UTC)
    every, some = (pq.read_table(project / name).to_pylist() for name in ("all.parquet", "some.parquet"))
    assert some == [row for row in every if begin <= row["event_time"] < end]
    ids = {row["transaction_id"] for row in some if row["kind"] == "transaction"}
    frauds, told = (pq.read_table(project / name).to_pylist() for name in ("truth.parquet", "told.parquet"))
    assert told == [row for row in frauds if row["transaction_id"] in ids]
    assert told


class Clock:
    """A clock that only sleeping and working move."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_a_rate_is_kept_by_a_sender_that_works_and_catches_up():
    """60 events a second: 10 events are due every sixth of a second, whatever sending them costs."""
    clock = Clock()
    account = _Account(None, lambda *_: None, 60, 1, clock=clock, sleep=clock.sleep)
    went_out = []
    for cost in [0.0, 0.1, 0.5, 0.0, 0.0, 0.0, 0.0]:  # the third piece is late; the next ones do not wait
        clock.now += cost
        account.add(10)
        went_out.append(round(6 * (clock.now - 100), 3))
    assert went_out == [1, 2, 5, 5, 5, 6, 7]
    assert "60/s asked for" not in account.said("-")


def test_the_rate_is_what_the_command_waits_by(ringfence, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(
        "ringfence.cli.setup.simulate._Account", partial(_Account, clock=clock, sleep=clock.sleep)
    )
    ended = ringfence("simulate", "-", "--days", "1", "--customers", "20", "--rate", "60")
    assert clock.now - 100 == pytest.approx(len(ended.out.splitlines()) / 60)


def test_no_file_is_there_before_it_is_whole(ringfence, project):
    ringfence("simulate", "no/such/folder.parquet", *SMALL)
    assert list(project.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say where it goes"),
        (["p.csv", "--to", "http://127.0.0.1:1"], "say where it goes"),
        (["p.xlsx"], ".parquet, .ndjson or .csv"),
        (["p.parquet.gz"], ".parquet, .ndjson or .csv"),
        (["no/such/p.ndjson"], "its folder does not exist"),
        (["p.csv", "--start", "soon"], "--start"),
        (["p.csv", "--schema", "flagged-accounts"], "--flags"),
        (["p.csv", "--flags", "f.csv"], "--schema flagged-accounts"),
        (["p.csv", "--truth", "t.parquet", "--schema", "micro-macro"], "--truth"),
        (["--to", "http://127.0.0.1:1", "--schema", "micro-macro"], "--to sends schema canonical"),
        (["p.ndjson", "--since", "soon"], "--since"),
        (["p.ndjson", "--schema", "micro-macro", "--until", "2025-01-02"], "--first-day"),
    ],
)
def test_what_does_not_go_together_is_told_with_a_remedy(ringfence, words, said):
    ended = ringfence("simulate", *words, "--days", "1", "--customers", "20")
    assert ended.code == 2
    assert said in ended.err
