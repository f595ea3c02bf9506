"""`ringfence backup` to S3 and back: whole or none, whatever fails on the way; and by the clock."""

import itertools
import json
import shutil
import subprocess
import threading
import time
from types import SimpleNamespace

import boto3
import httpx
import pytest
from benchmarks.serving import RINGFENCE, Process
from tests.adapters.aws import emulator
from tests.adapters.aws.proxy import AwsProxy
from tests.waiting import until

from ringfence.adapters.backup.bucket import BackupBucket
from ringfence.adapters.sqlite import Store
from ringfence.adapters.sqlite.lock import WriterLock
from ringfence.adapters.watchbook import WatchBook
from ringfence.api.backups import BackupWatcher
from ringfence.cli.setup.checks.aws import backups as checked
from ringfence.cli.setup.checks.check import State
from ringfence.compose.upkeep.scheduled_commands import timetable
from ringfence.errors import InputError

NAMES = (f"backups-{number}" for number in itertools.count())
HOUR_MS = 3_600_000


@pytest.fixture
def bucket(monkeypatch):
    """One of its own, and boto3's client for it."""
    emulator.environment(monkeypatch)
    client, name = boto3.client("s3"), next(NAMES)
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": emulator.REGION})
    told = SimpleNamespace(name=name, client=client, to=f"s3://{name}/ringfence")
    told.objects = lambda: [one["Key"] for one in client.list_objects_v2(Bucket=name).get("Contents", [])]
    return told


@pytest.fixture
def faulty(bucket, monkeypatch):
    """A proxy before the emulator, which has faults when it is told to."""
    made = AwsProxy(emulator.address())
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    yield made
    made.end()


def spooled(project):
    return [path for path in project.iterdir() if "backup" in path.name]


def decided(ringfence, folder):
    return ringfence("decisions", "--json", "--limit", "50", "--data", folder).out


def test_a_backup_comes_back_from_s3_by_name_and_as_the_newest(ringfence, project, payments, bucket):
    ringfence("run", payments)
    first = ringfence("backup", bucket.to, "--json").json
    assert (first["topics"]["decisions"], first["address"].startswith(f"{bucket.to}/20")) == (8, True)
    more = project / "more.ndjson"
    more.write_text((project / payments).read_text().replace('"p', '"q'))
    ringfence("run", more)
    second = ringfence("backup", f"{bucket.to}/", "--json", "--snapshot").json
    assert second["topics"]["decisions"] == 16
    assert spooled(project) == []
    for source, folder, count in ((bucket.to, "newest", 16), (first["address"], "first", 8)):
        verified = ringfence("verify-backup", source, "--json")
        assert (verified.code, verified.json["topics"]["decisions"]) == (0, count)
        ended = ringfence("restore", source, "--data", folder)
        assert (ended.code, f"{count} decisions" in ended.out, "UTC, restored to" in ended.out) == (
            0,
            True,
            True,
        )
        verified = ringfence("replay", "--verify", "--json", "--data", folder)
        assert (verified.json["compared"], verified.json["differing"]) == (count, 0)
    assert decided(ringfence, "newest") == decided(ringfence, "ringfence-data")
    assert any("/snapshots/" in key for key in bucket.objects())


def test_a_folder_is_verified_as_well(ringfence, project, payments):
    ringfence("run", payments)
    ringfence("backup", "copy")
    assert "every file of copy is what it was" in ringfence("verify-backup", "copy").out
    path = project / "copy" / "ringfence.db"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    ended = ringfence("verify-backup", "copy")
    assert (ended.code, "copy/ringfence.db fails its checksum" in ended.err) == (3, True)


def test_what_was_cut_off_is_no_backup_and_the_one_before_is_restored(
    ringfence, project, payments, bucket, faulty
):
    """Its manifest goes last: S3 refuses that one, as if the process had ended there."""
    ringfence("run", payments)
    whole = ringfence("backup", bucket.to, "--json").json["address"]
    told = "User: x is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::b"
    body = f"<Error><Code>AccessDenied</Code><Message>{told}</Message></Error>".encode()
    second = int(time.time())
    until(lambda: int(time.time()) > second)  # names begin with the second
    faulty.fault = lambda text: (403, {}, body) if '"store_id"' in text else None
    ended = ringfence("backup", bucket.to)
    assert (ended.code, "allow the action to the role" in ended.err) == (3, True)
    assert f"backups at {bucket.to}: s3:PutObject fails with AccessDenied" in ended.err
    faulty.fault = None
    assert spooled(project) == []
    half = next(key for key in bucket.objects() if whole.rpartition("/")[2] not in key).split("/")[1]
    ended = ringfence("restore", f"{bucket.to}/{half}", "--data", "none")
    assert (ended.code, "was interrupted" in ended.err) == (2, True)
    ended = ringfence("restore", bucket.to, "--data", "back")
    assert (ended.code, f"{half} is not whole" in ended.err) == (0, True)
    assert decided(ringfence, "back") == decided(ringfence, "ringfence-data")


def test_a_backup_that_is_told_to_end_takes_its_copy_away(ringfence, project, payments, bucket, faulty):
    """SIGTERM comes while S3 has the log's file and has not answered: as from a stop, or past its time."""
    ringfence("run", payments)
    arrived, answers = threading.Event(), threading.Event()

    def hold(text):
        if text.startswith("SQLite format 3"):
            arrived.set()
            assert answers.wait(240)

    faulty.fault = hold
    process = subprocess.Popen([RINGFENCE, "backup", bucket.to], stderr=subprocess.DEVNULL)
    try:
        assert arrived.wait(240)
        assert len(spooled(project)) == 1
        process.terminate()
    finally:
        answers.set()
        code = process.wait(240)
    assert code == 130
    assert spooled(project) == []
    assert not [key for key in bucket.objects() if key.endswith("backup.json")]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "is missing"), (b"short", "has 5 bytes, not"), ("flipped", "fails its checksum")],
)
def test_what_changed_on_s3_is_not_restored(ringfence, project, payments, bucket, content, said):
    ringfence("run", payments)
    address = ringfence("backup", bucket.to, "--json").json["address"]
    key = f"{address.removeprefix(f's3://{bucket.name}/')}/ringfence.db"
    if content == "flipped":
        sound = bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read()
        content = sound[:-1] + bytes([sound[-1] ^ 1])
    if content is None:
        bucket.client.delete_object(Bucket=bucket.name, Key=key)
    else:
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=content)
    for words in (("verify-backup", address), ("restore", address, "--data", "back")):
        ended = ringfence(*words)
        assert (ended.code, said in ended.err) == (3, True), ended.err
    assert not list((project / "back").glob("*"))
    ended = ringfence("restore", bucket.to, "--data", "back")
    assert ended.code == (3 if said == "fails its checksum" else 2)


def test_a_manifest_of_another_size_or_with_names_outside_is_refused(ringfence, project, payments, bucket):
    ringfence("run", payments)
    address = ringfence("backup", bucket.to, "--json").json["address"]
    key = f"{address.removeprefix(f's3://{bucket.name}/')}/backup.json"
    told = json.loads(bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read())
    told["files"]["../outside"] = told["files"]["ringfence.db"]
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=json.dumps(told).encode())
    assert "no backup has ('../outside')" in ringfence("restore", address, "--data", "back").err
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b" " * ((64 << 20) + 1))
    assert "backup.json has 67,108,865 bytes" in ringfence("restore", address, "--data", "back").err
    assert not (project / "outside").exists()


@pytest.mark.parametrize(
    "name",
    ["ringfence.toml", "watch/backup.json", "models", "models//x", "models/../../x", "models/x\0", "./x", ""],
)
def test_a_manifest_names_nothing_but_what_a_backup_writes(ringfence, project, payments, name):
    ringfence("run", payments)
    ringfence("backup", "copy")
    path = project / "copy" / "backup.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"files": told["files"] | {name: told["files"]["ringfence.db"]}}))
    ended = ringfence("restore", "copy", "--data", "back")
    assert (ended.code, "names a file that no backup has" in ended.err) == (3, True)
    del told["files"]["ringfence.db"]
    path.write_text(json.dumps(told))
    assert "has no ringfence.db" in ringfence("restore", "copy", "--data", "back").err
    path.write_text(json.dumps(told | {"created_ms": 10**15}))
    assert "damaged (created_ms)" in ringfence("restore", "copy", "--data", "back").err
    assert not (project / "back").exists()


def test_a_newest_that_cannot_be_read_is_passed_over_and_named(ringfence, project, payments, bucket):
    """Damaged, or of a version that is to come: the sound one before it is what somebody needs now."""
    ringfence("run", payments)
    whole = ringfence("backup", bucket.to, "--json").json["address"]
    mark = whole.rpartition("-")[2]
    for number, text in enumerate((b"{", b"{}", b"[1]")):
        key = f"ringfence/2999010{number + 1}T000000Z-{mark}/backup.json"
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=text)
    ended = ringfence("restore", bucket.to, "--data", "back", "--json")
    assert (ended.code, ended.json["address"]) == (0, whole)
    assert ended.err.count("is damaged") == 3


def test_backups_of_two_logs_at_one_place_are_told_apart(ringfence, project, payments, bucket, monkeypatch):
    ringfence("run", payments)
    mine = ringfence("backup", bucket.to, "--json").json
    ringfence("run", payments, "--data", "other")
    others = ringfence("backup", bucket.to, "--data", "other", "--json").json
    ended = ringfence("restore", bucket.to, "--data", "back")
    assert (ended.code, "has backups of 2 logs: name one of them" in ended.err) == (2, True)
    for one in (mine, others):
        assert one["address"].rpartition("/")[2] in ended.err
    assert (
        ringfence("restore", mine["address"], "--data", "back", "--json").json["store_id"] == mine["store_id"]
    )
    monkeypatch.setenv("RINGFENCE_BACKUP_TO", bucket.to)
    (finding,) = checked(project / "ringfence-data", mine["created_ms"])
    assert mine["address"] in finding.said


def test_a_clock_that_ran_ahead_hides_no_late_backup(ringfence, project, payments, bucket, monkeypatch):
    ringfence("run", payments)
    folder = project / "ringfence-data"
    monkeypatch.setenv("RINGFENCE_BACKUP_TO", bucket.to)
    with Store.open(folder, read_only=True) as store:
        now_ms = store.meta.created_ms + 25 * HOUR_MS
        WatchBook(folder).keep_backed_up(now_ms + 1)
        assert BackupWatcher(store, SimpleNamespace(now_ms=lambda: now_ms)).overdue_ms() == HOUR_MS
    WatchBook(folder).keep_backed_up(10**14)
    made = ringfence("backup", bucket.to, "--json").json
    assert WatchBook(folder).backed_up_ms() == made["created_ms"]


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("gs://b/x", "no place for backups"),
        ("s3://", "no name of a bucket"),
        ("s3://B/x", "no name of a bucket"),
        ("s3://u:p@b/x", "no name of a bucket"),
    ],
)
def test_what_is_no_place_is_refused(ringfence, payments, bucket, to, said):
    ringfence("run", payments)
    for words in (("backup", to), ("restore", to, "--data", "back"), ("verify-backup", to)):
        ended = ringfence(*words)
        assert (ended.code, said in ended.err) == (2, True), ended.err
    assert "no whole backup at" in ringfence("restore", bucket.to, "--data", "back").err


def test_a_copy_without_room_is_not_begun_and_says_where_to_put_it(
    ringfence, project, payments, bucket, monkeypatch
):
    ringfence("run", payments)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
    ended = ringfence("backup", bucket.to)
    assert (ended.code, "name a folder with more room (--spool, backup_spool)" in ended.err) == (3, True)
    monkeypatch.undo()
    emulator.environment(monkeypatch)
    monkeypatch.chdir(project)
    (project / "file").write_text("")
    assert ringfence("backup", bucket.to, "--spool", "file/x").code == 3
    assert bucket.objects() == []
    assert ringfence("backup", bucket.to, "--spool", "ringfence-data/spool").code == 0  # the volume itself
    assert list((project / "ringfence-data" / "spool").iterdir()) == []


def test_what_a_crash_left_is_cleared_and_two_do_not_meet(ringfence, project, payments, bucket, monkeypatch):
    ringfence("run", payments)
    left = []

    def crash(path, **_):
        left.append(path)

    with monkeypatch.context() as crashed:
        crashed.setattr(shutil, "rmtree", crash)
        ringfence("backup", bucket.to)
    assert len(spooled(project)) == 1
    assert left[-1].stat().st_mode & 0o77 == 0  # as secret as the data folder
    assert ringfence("backup", bucket.to).code == 0
    assert spooled(project) == []


def test_a_second_backup_at_the_same_time_is_refused(ringfence, project, payments, bucket):
    ringfence("run", payments)
    held = WriterLock(project / "ringfence-data" / "backup.lock")
    ended = ringfence("backup", bucket.to)
    held.release()
    assert (ended.code, "is backing up ringfence-data already" in ended.err) == (3, True)
    assert bucket.objects() == []


def test_what_the_settings_say_is_done_by_the_clock(ringfence, project, payments, bucket, monkeypatch):
    """The very command that the timetable has, as it starts it."""
    ringfence("run", payments)
    folder, now_ms = project / "ringfence-data", 10**13
    monkeypatch.setenv("RINGFENCE_WATCH_EVERY", "never")
    assert timetable(folder, lambda: now_ms).look() == []
    monkeypatch.setenv("RINGFENCE_BACKUP_TO", bucket.to)
    book = WatchBook(folder)
    table = timetable(folder, lambda: now_ms)
    assert table.look() == []
    assert [one.most_seconds for one in table._errands] == [24 * 3600.0]
    assert book.due() == {"backing up": now_ms + 600_000}
    now_ms += 600_000
    assert timetable(folder, lambda: now_ms).look() == ["backing up"]
    assert book.due() == {"backing up": now_ms + 24 * HOUR_MS}
    assert ringfence("verify-backup", bucket.to).code == 0
    monkeypatch.setenv("RINGFENCE_BACKUP_TO", "s3://not-there/x")
    now_ms += 24 * HOUR_MS
    assert timetable(folder, lambda: now_ms).look() == ["backing up"]
    assert book.due() == {"backing up": now_ms + HOUR_MS}
    for name, value in (("BACKUP_TO", ""), ("BACKUP_EVERY", "never")):
        monkeypatch.setenv(f"RINGFENCE_{name}", value)
        assert timetable(folder, lambda: 2 * now_ms).look() == []
    monkeypatch.setenv("RINGFENCE_BACKUP_EVERY", "1d")
    monkeypatch.setenv("RINGFENCE_BACKUP_TO", "/mnt/backups")
    with pytest.raises(InputError, match="setting 'backup_to': /mnt/backups is no place for backups"):
        timetable(folder, lambda: now_ms)


def test_how_late_a_backup_is_is_a_figure_a_warning_and_a_finding(
    ringfence, project, payments, bucket, monkeypatch
):
    """A store is new until its first backup; one of S3 counts, one on the same disk does not."""
    ringfence("run", payments)
    folder, clock = project / "ringfence-data", SimpleNamespace(now_ms=lambda: now_ms)
    ringfence("backup", "copy")
    assert WatchBook(folder).backed_up_ms() is None
    with Store.open(folder, read_only=True) as store:
        now_ms = store.meta.created_ms + 23 * HOUR_MS
        assert BackupWatcher(store, clock).overdue_ms() is None
        assert list(BackupWatcher(store, clock).collect()) == list(checked(folder, now_ms)) == []
        monkeypatch.setenv("RINGFENCE_BACKUP_TO", bucket.to)
        watcher = BackupWatcher(store, clock)
        assert (watcher.overdue_ms(), watcher.warnings()) == (0, [])
        (finding,) = checked(folder, now_ms)
        assert (finding.state, "no whole backup" in finding.said) == (State.NOTE, True)
        now_ms += 4 * HOUR_MS
        (family,) = watcher.collect()
        assert [one.value for one in family.samples] == [3 * 3600]
        assert watcher.warnings() == [f"the backup to {bucket.to} is 3 hours late: see this server's log"]
        assert next(checked(folder, now_ms)).state is State.BAD
        made = ringfence("backup", bucket.to, "--json").json
        now_ms = made["created_ms"] + 25 * HOUR_MS
        assert (watcher.overdue_ms(), watcher.warnings()) == (HOUR_MS, [])
        (finding,) = checked(folder, now_ms)
        assert (finding.state, made["address"] in finding.said) == (State.FINE, True)
        monkeypatch.setenv("RINGFENCE_BACKUP_TO", "s3://not-there/x")
        (finding,) = checked(folder, now_ms)
        assert (finding.state, "NoSuchBucket" in finding.said) == (State.BAD, True)
    ringfence("restore", bucket.to, "--data", "back")
    assert WatchBook(project / "back").backed_up_ms() == made["created_ms"]


@pytest.mark.slow
def test_a_server_backs_up_what_it_has_decided_and_says_how_late_it_is(project, bucket, ringfence):
    """As the stacks set it up: by the environment. What is due is done soon after the start."""
    folder = project / "live"
    Store.open(folder).close()
    WatchBook(folder).set_due({"backing up": 0})
    process = Process(folder, RINGFENCE_BACKUP_TO=bucket.to, RINGFENCE_BACKUP_SPOOL=str(project / "spool"))
    try:
        until(lambda: any(key.endswith("/backup.json") for key in bucket.objects()))
        figures = httpx.get(f"{process.url}/metrics", timeout=60).text
        assert "ringfence_backup_overdue_seconds 0.0" in figures
    finally:
        assert process.end() == 0
    assert ringfence("verify-backup", bucket.to).code == 0
    assert list((project / "spool").iterdir()) == []


@pytest.mark.parametrize("chance", [0, (1 << 32) - 1])
def test_of_two_backups_of_one_second_the_later_one_is_the_newer(bucket, chance):
    place = BackupBucket(bucket.to)
    names = [place.begin("0a1b2c3d", 1_800_000_000_000 + ms, at) for ms, at in ((5, chance), (6, 7))]
    assert names == sorted(names)
