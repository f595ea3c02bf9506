"""The process of the followers beside a real server: killed, orphaned, refused, paused, made again."""

import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from benchmarks.serving import RINGFENCE, Process
from tests.api.conftest import NDJSON, NOW_MS, lines, payment
from tests.waiting import until

from ringfence.adapters.finder import Finder, disk
from ringfence.adapters.lake import LakeFollower
from ringfence.adapters.sqlite import Store
from ringfence.adapters.watchbook import WatchBook
from ringfence.compose.messaging.messages import delivery
from ringfence.decisions.index import Wanted
from ringfence.ports import DECISIONS, EVENTS

pytestmark = pytest.mark.slow
DAY_MS = 86_400_000


def follower_of(folder, but=None):
    """Pid of the process that follows, as its lock tells."""

    def look():
        try:
            pid = int((folder / "followers.lock").read_text())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid if pid != but else None

    return until(look)


def is_over(pid):
    """Whether a process has ended; one whose parent has not looked yet counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def send(url, first, count, **fields):
    body = lines([payment(f"t{number}", **fields) for number in range(first, first + count)])
    httpx.post(f"{url}/v1/decisions/batch", content=body, headers=NDJSON, timeout=60).raise_for_status()


def told(folder, *arguments):
    ended = subprocess.run(
        [RINGFENCE, *arguments, "--data", str(folder)], capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture
def server(tmp_path):
    process = Process(tmp_path / "data")
    process.folder = tmp_path / "data"
    yield process
    if process._process.poll() is None:
        assert process.end() == 0


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Data folder of one server for the tests that are refused, and change nothing."""
    folder = tmp_path_factory.mktemp("asked") / "data"
    process = Process(folder)
    yield folder
    assert process.end() == 0


def test_a_killed_follower_is_started_again_and_the_index_comes_right(server):
    """9,000 decisions make a short piece of 8,192 and more; kills fall in between."""
    url, folder = server.url, server.folder
    pid = follower_of(folder)
    for number in range(3):
        send(url, number * 3000, 3000)
        os.kill(pid, signal.SIGKILL)
        pid = follower_of(folder, but=pid)
    until(lambda: disk.spans(folder / "index"))
    ready = httpx.get(f"{url}/readyz").json()
    assert ready["status"] == "ready"
    assert {one["name"] for one in ready["followers"]} == {"audit", "cases", "index", "lake", "outbox"}
    metrics = httpx.get(f"{url}/metrics").text
    assert 'ringfence_follower_lag_records{follower="lake"}' in metrics
    assert "ringfence_follower_process_up 1.0" in metrics
    assert "ringfence_follower_process_restarts_total 3.0" in metrics
    with Store.open(folder, read_only=True) as store:
        finder = Finder(store.log, folder / "index", store.meta.hash_seed)
        found = finder.find(Wanted(), 20_000)
        assert sorted(row["transaction_id"] for row in found.rows) == sorted(f"t{n}" for n in range(9000))
    page = httpx.get(f"{url}/system").text
    assert "Followers" in page
    assert "running" in page


def test_a_server_that_ends_takes_its_follower_along_however_it_ends(tmp_path):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        process = Process(tmp_path / "data")
        pid = follower_of(tmp_path / "data")
        code = process.end(number)
        assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        until(lambda pid=pid: is_over(pid))


def test_a_server_measures_its_model_by_itself_once_that_is_due(server):
    book = WatchBook(server.folder)
    until(book.due)  # the timetable runs, and has said when
    assert book.standing() is None
    book.set_due({"watching the models": 1})
    assert until(book.standing).model == ""  # none decides here
    assert book.due()["watching the models"] > 1


def test_a_second_follower_is_refused_with_the_pid_of_the_first(asked):
    pid = follower_of(asked)
    code, said = told(asked, "follow")
    assert code == 3
    assert f"process {pid} runs the followers" in said
    assert "RINGFENCE_SERVE_FOLLOW" in said


def test_an_unknown_follower_is_refused_with_those_that_there_are(asked):
    follower_of(asked)
    code, said = told(asked, "followers", "pause", "ledger")
    assert code == 2
    assert "no follower 'ledger': audit, cases, index, lake, outbox" in said


def test_a_paused_follower_takes_nothing_and_trim_keeps_its_records(server):
    """The index is paused before there is anything to take; the tables are not."""
    url, folder = server.url, server.folder
    follower_of(folder)
    assert told(folder, "followers", "pause", "index")[0] == 0
    until(lambda: states(url)["index"]["state"] == "paused")
    send(url, 0, 9000, event_time=NOW_MS - 10 * DAY_MS)
    send(url, 9000, 1)
    assert states(url)["index"]["lag_records"] == 9001
    assert not disk.spans(folder / "index")
    assert server.end() == 0
    for starts in ((0, 0), (9000, 9000)):
        code, said = told(folder, "trim", "--keep", "1d")
        assert code == 0, said
        with Store.open(folder, read_only=True) as store:
            assert (store.log.start_offset(EVENTS), store.log.start_offset(DECISIONS)) == starts
            assert LakeFollower(store.log, store.tables).positions()[EVENTS] == 9001
        assert told(folder, "followers", "resume", "index")[0] == 0
    with Store.open(folder, read_only=True) as store:
        assert Finder(store.log, folder / "index", store.meta.hash_seed, 0).find(Wanted(), 1).total == 9001
    again = Process(folder)
    send(again.url, 9001, 9000)
    until(lambda: states(again.url)["index"]["state"] == "running")
    assert told(folder, "followers", "rebuild", "index")[0] == 0
    until(lambda: [first for first, _ in disk.spans(folder / "index")] == [9000])  # as the log begins
    code, said = told(folder, "followers", "list", "--json")
    assert code == 0
    assert '"follower":"index"' in said
    assert again.end() == 0


def states(url):
    return {one["name"]: one for one in httpx.get(f"{url}/readyz").json()["followers"]}


def test_followers_run_apart_where_a_server_is_told_so(tmp_path):
    folder = tmp_path / "data"
    process = Process(folder, RINGFENCE_SERVE_FOLLOW="false")
    apart = subprocess.Popen([RINGFENCE, "follow", "--data", str(folder)], stderr=subprocess.DEVNULL)
    assert follower_of(folder) == apart.pid
    send(process.url, 0, 9000)
    until(lambda: disk.spans(folder / "index"))
    assert states(process.url)["index"]["state"] == "running"
    assert "ringfence_follower_process_up" not in httpx.get(f"{process.url}/metrics").text
    apart.send_signal(signal.SIGTERM)
    assert apart.wait(60) == 0
    assert process.end() == 0


def test_messages_that_cannot_be_made_are_told_where_a_server_is_watched(tmp_path):
    """Their process ends each time that it starts: another one has its lock."""
    folder = tmp_path / "data"
    with Store.open(folder):
        pass
    with delivery(folder):
        process = Process(folder)
        until(lambda: states(process.url)["outbox"]["state"] == "failing")
        (told,) = [one for one in httpx.get(f"{process.url}/readyz").json()["warnings"] if "outbox" in one]
        assert "process of the messages has ended with exit code 3" in told
        restarts = 'ringfence_follower_restarts_total{follower="outbox"}'
        metrics = httpx.get(f"{process.url}/metrics").text
        assert float(metrics.partition(restarts)[2].split()[0]) >= 1
    until(lambda: states(process.url)["outbox"]["state"] == "running")
    assert process.end() == 0
