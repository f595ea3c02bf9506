"""`ringfence backup` beside a server, and `ringfence restore` elsewhere: nothing lost, nothing half."""

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import httpx
import pytest
from benchmarks.serving import ALONE, Process
from tests import artifacts
from tests.cases.desk import payment as case_payment

from ringfence.access.principal import Role
from ringfence.access.views import NewView
from ringfence.adapters.access.keys import ApiKeys
from ringfence.adapters.access.views import SqliteViews
from ringfence.adapters.audit.trail import SqliteTrail
from ringfence.adapters.backup import back_up
from ringfence.adapters.backup.manifest import sum_of
from ringfence.adapters.cases import SqliteCases
from ringfence.adapters.sqlite import Store
from ringfence.audit import Act
from ringfence.cases.actions import take_payment
from ringfence.cases.book import CaseQuery
from ringfence.cases.policy import CasePolicy
from ringfence.ports import EVENTS

from .conftest import payment, write_ndjson


@pytest.fixture
def served(ringfence, project, payments):
    """A store of eight payments, with a key and a model in force; none of its files is left out below."""
    ringfence("run", payments)
    digest = artifacts.make(project / "model")
    assert ringfence("models", "import", project / "model").code == 0
    assert ringfence("models", "promote", digest).code == 0
    with closing(ApiKeys(project / "ringfence-data")) as keys:
        keys.create("one", frozenset({Role.ADMIN}), 0)
    with closing(SqliteViews(project / "ringfence-data")) as views:
        views.save(NewView(name="declined", path="/decisions", shared=True), "one", 0)
    return project / "ringfence-data"


def test_a_backup_restored_elsewhere_goes_on_where_it_was(ringfence, project, served, payments):
    ended = ringfence("backup", "copy", "--json")
    assert (ended.code, ended.json["topics"]["decisions"]) == (0, 8)
    assert ringfence("restore", "copy", "--data", "elsewhere").code == 0
    one = ringfence("decisions", "--json", "--limit", "50")
    assert ringfence("decisions", "--json", "--limit", "50", "--data", "elsewhere").out == one.out
    verified = ringfence("replay", "--verify", "--json", "--data", "elsewhere")
    assert (verified.code, verified.json["compared"], verified.json["differing"]) == (0, 8, 0)
    again = ringfence("run", payments, "--data", "elsewhere", "--json")
    assert (again.json["transactions"], again.json["duplicates"]) == (0, 8)
    with closing(ApiKeys(project / "elsewhere")) as keys:
        assert [key.name for key in keys.all()] == ["one"]
    with closing(SqliteViews(project / "elsewhere")) as views:
        assert [one.name for one in views.of("two", "/decisions", with_shared=True)] == ["declined"]


def test_a_backup_is_as_private_as_its_store(ringfence, project, served):
    ringfence("backup", "copy")
    assert (project / "copy").stat().st_mode & 0o77 == 0
    for path in (project / "copy").rglob("*.db"):
        assert path.stat().st_mode & 0o77 == 0


def test_while_payments_are_decided_every_answered_one_is_in_the_copy(ringfence, project):
    """The server is never waited for by the copy, nor the copy by the server."""
    folder = project / "live"
    process = Process(folder, **ALONE)
    answered, stop = [], threading.Event()

    def send():
        with httpx.Client(base_url=process.url, timeout=60) as client:
            while not stop.is_set():
                row = payment(len(answered) % 50, transaction_id=f"live-{len(answered)}")
                assert client.post("/v1/decisions", json=row).status_code == 200
                answered.append(row["transaction_id"])

    thread = threading.Thread(target=send)
    thread.start()
    try:
        copies = []
        while len(copies) < 3:
            enough = len(answered) + 20
            while len(answered) < enough and thread.is_alive():
                time.sleep(0.01)
            before = list(answered)
            assert ringfence("backup", f"copy-{len(copies)}", "--data", folder).code == 0
            copies.append(before)
    finally:
        stop.set()
        thread.join()
        assert process.end() == 0
    for number, before in enumerate(copies):
        assert ringfence("restore", f"copy-{number}", "--data", f"back-{number}").code == 0
        verified = ringfence("replay", "--verify", "--json", "--data", f"back-{number}")
        assert (verified.code, verified.json["differing"], verified.json["undecided"]) == (0, 0, 0)
        found = ringfence(
            "sql", "SELECT transaction_id FROM decisions", "--format", "json", "--data", f"back-{number}"
        )
        assert {row["transaction_id"] for row in found.json_lines} >= set(before)


def test_cases_and_audit_trail_of_the_copy_are_not_ahead_of_its_log(project, served):
    """What is committed once the log has been copied is in the next backup."""

    def commit(number):
        with closing(SqliteCases(served)) as book, book.work() as work:
            take_payment(work, CasePolicy(), case_payment(number))
        with closing(SqliteTrail(served)) as trail:
            return trail.write([Act(actor="user:ada", channel="command", action="looked")], number)

    head, late = commit(1), []

    def tell(_done, _total, what):
        if what == "checking the copy" and not late:
            late.append(commit(2))

    back_up(served, project / "copy", tell)
    assert late
    with closing(SqliteCases(project / "copy")) as book, closing(SqliteTrail(project / "copy")) as trail:
        assert [case.id for case in book.cases(CaseQuery(), 0)] == ["C-1"]
        assert trail.head() == head


def test_a_log_that_was_trimmed_takes_its_snapshot_along(ringfence, project, served):
    late = [
        payment(n, event_time=f"2024-06-{n:02}T12:00:00Z", transaction_id=f"late-{n}") for n in range(1, 9)
    ]
    ringfence("run", write_ndjson(project / "late.ndjson", late), "--batch-rows", "1")
    for path in sorted((served / "snapshots").iterdir())[:-1]:
        path.unlink()
    assert ringfence("trim", "--keep", "2d").code == 0
    assert ringfence("backup", "copy").code == 0
    assert ringfence("restore", "copy", "--data", "elsewhere").code == 0
    more = write_ndjson(
        project / "more.ndjson", [payment(1, transaction_id="more", event_time="2024-06-10T00:00:00Z")]
    )
    assert ringfence("run", more, "--data", "elsewhere").code == 0
    for path in (served / "snapshots").iterdir():
        path.unlink()
    refused = ringfence("backup", "other")
    assert (refused.code, "back up again" in refused.err) == (3, True)
    assert not (project / "other").exists()


@pytest.mark.parametrize(
    "make", [lambda path: path.mkdir(), lambda path: path.write_text(""), lambda path: path.symlink_to("x")]
)
def test_nothing_is_overwritten(ringfence, project, served, make):
    make(project / "copy")
    ended = ringfence("backup", "copy")
    assert (ended.code, "nothing is overwritten" in ended.err) == (2, True)
    assert ringfence("backup", served / "copy").code == 2
    ringfence("backup", "sound")
    assert "nothing is overwritten" in ringfence("restore", "sound").err


def test_a_damaged_store_is_not_copied_and_nothing_is_left(ringfence, project, served):
    with Store.open(served) as store, store.log.transaction() as connection:
        connection.execute("UPDATE batch SET payload = zeroblob(length(payload)) WHERE base_offset = 0")
    ended = ringfence("backup", "copy")
    assert (ended.code, "checksum" in ended.err) == (3, True)
    assert [path.name for path in project.glob("*copy*")] == []


def test_a_backup_that_was_changed_is_not_restored(ringfence, project, served):
    ringfence("backup", "copy")
    for name in json.loads((project / "copy" / "backup.json").read_text())["files"]:
        path = project / "copy" / name
        sound = path.read_bytes()
        for content in (sound[:-1], bytes([sound[0] ^ 1]) + sound[1:], b""):
            path.write_bytes(content)
            ended = ringfence("restore", "copy", "--data", "elsewhere")
            assert (ended.code, "checksum" in ended.err) == (3, True)
            assert list((project / "elsewhere").iterdir()) == []
        path.unlink()
        assert ringfence("restore", "copy", "--data", "elsewhere").code == 3
        path.write_bytes(sound)
    assert ringfence("restore", "copy", "--data", "elsewhere").code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no backup"),
        ("{}", "damaged"),
        ("\x00", "damaged"),
        ('{"format": 2}', "damaged"),
        ('{"format": 2, "ringfence": "9.1", "parts": []}', "use the Ringfence that wrote it (9.1)"),
    ],
)
def test_what_is_no_backup_is_named(ringfence, project, served, text, said):
    (project / "copy").mkdir()
    if text is not None:
        (project / "copy" / "backup.json").write_text(text)
    ended = ringfence("restore", "copy", "--data", "elsewhere")
    assert ended.code in (2, 3)
    assert said in ended.err


@pytest.mark.parametrize("name", ["ringfence.db", "audit.db"])
def test_a_backup_with_a_newer_file_is_refused_by_verifying_as_by_restoring(ringfence, project, served, name):
    ringfence("backup", "copy")
    with closing(sqlite3.connect(project / "copy" / name)) as newer:
        newer.execute("PRAGMA user_version = 999")
    told = json.loads((project / "copy" / "backup.json").read_text())
    told["files"][name] = sum_of(project / "copy" / name)
    (project / "copy" / "backup.json").write_text(json.dumps(told))
    for asked in (["verify-backup", "copy"], ["restore", "copy", "--data", "elsewhere"]):
        ended = ringfence(*asked)
        assert (ended.code, "has format 999" in ended.err, f"copy/{name}" in ended.err) == (3, True, True)


@pytest.mark.parametrize("end", [0, 10_000_000])
def test_a_manifest_that_tells_of_another_log_is_not_believed(ringfence, project, served, end):
    """Followers would go on behind records that were lost."""
    ringfence("backup", "copy")
    told = json.loads((project / "copy" / "backup.json").read_text())
    told["topics"]["events"] = [0, end]
    (project / "copy" / "backup.json").write_text(json.dumps(told))
    ended = ringfence("restore", "copy", "--data", "elsewhere")
    assert (ended.code, "backup.json" in ended.err) == (3, True)
    assert list((project / "elsewhere").iterdir()) == []


def test_a_backup_that_names_files_outside_of_it_writes_nothing_there(ringfence, project, served):
    ringfence("backup", "copy")
    told = json.loads((project / "copy" / "backup.json").read_text())
    told["files"]["../outside"] = told["files"]["ringfence.db"]
    (project / "copy" / "backup.json").write_text(json.dumps(told))
    shutil.copy(project / "copy" / "ringfence.db", project / "outside")
    assert ringfence("restore", "copy", "--data", "in/side").code == 3
    assert not (project / "in").exists()


def test_an_interrupted_backup_leaves_nothing(project, served):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(served, project / "copy", interrupt)
    assert [path.name for path in project.glob("*copy*")] == []


def test_a_full_disk_leaves_nothing_and_says_so(project, served):
    """A limit on the size of a file stands for the disk: the kernel refuses to write on."""
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from ringfence.adapters.backup import back_up\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: back_up(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except Exception as error: print(type(error).__mro__, error)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, served, project / "copy"], capture_output=True, text=True, check=True
    )
    assert "StoreError" in ended.stdout
    assert [path.name for path in project.glob("*copy*")] == []


def test_the_copy_is_whole_where_the_store_is_new_or_has_only_started(ringfence, project):
    assert ringfence("backup", "copy").code == 3
    Store.open(project / "ringfence-data").close()
    assert ringfence("backup", "copy").code == 0
    assert ringfence("restore", "copy", "--data", "elsewhere").code == 0
    with Store.open(project / "elsewhere") as one, Store.open(project / "ringfence-data") as other:
        assert one.meta == other.meta
        assert one.log.end_offset(EVENTS) == 0
