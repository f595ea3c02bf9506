"""The trail's file: many writers, one chain; what the log holds stands in it, too."""

import sqlite3
import threading
from contextlib import closing

import pytest

from ringfence.adapters.audit.checkpoints import Checkpoints, add_key, anchors_in
from ringfence.adapters.audit.sealing import SealFollower
from ringfence.adapters.audit.trail import SqliteTrail
from ringfence.audit import Act, RecordSpan, SigningKey, Trust, check_chain, compare, extended
from ringfence.audit.spans import RECORDS
from ringfence.errors import CorruptError, InputError, StoreError
from ringfence.ports import LogBatch
from ringfence.testing.exams.event_log import batch
from ringfence.testing.exams.follower import FollowerExam
from ringfence.testing.memory.event_log import MemoryLog

DONE = Act(actor="user:ada", channel="command", action="list.added", object="stolen")


def findings(trail, **trust):
    return check_chain(trail.id, trail.records(), trail.checkpoints(), Trust(**trust))[1]


@pytest.fixture
def trail(tmp_path):
    with closing(SqliteTrail(tmp_path)) as opened:
        yield opened


def test_what_is_written_comes_back_in_order_and_by_who_and_what(trail):
    trail.write([DONE, Act(actor="key:1", channel="api", action="listing.seen")], 5)
    trail.write([Act(actor="key:1", channel="api", action="list")], 9)
    assert [one.number for one in trail.records()] == [1, 2, 3]
    assert [one.number for one in trail.records(action="list")] == [1, 3]
    assert [one.number for one in trail.records(actor="key:1", since_ms=6)] == [3]
    assert [one.number for one in trail.newest(2)] == [3, 2]
    assert findings(trail) == []


def test_writers_at_once_make_one_chain(tmp_path):
    def write():
        with closing(SqliteTrail(tmp_path)) as own:
            for _ in range(20):
                own.write([DONE, DONE], 0)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(SqliteTrail(tmp_path)) as trail:
        assert trail.head().number == 160
        assert findings(trail) == []


@pytest.mark.parametrize("statement", ["UPDATE record SET actor = 'x'", "DELETE FROM record"])
def test_records_cannot_be_changed_by_mistake(trail, tmp_path, statement):
    trail.write([DONE], 0)
    with (
        closing(sqlite3.connect(tmp_path / "audit.db")) as other,
        pytest.raises(sqlite3.Error, match="append-only"),
    ):
        other.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record SET act = replace(act, 'stolen', 'lost') WHERE number = 2",
        "UPDATE record SET act = 'x' WHERE number = 2",
        "UPDATE record SET time_ms = 1 WHERE number = 2",
        "DELETE FROM record WHERE number = 2",
        "UPDATE record SET actor = 'key:other' WHERE number = 2",
        "UPDATE record SET action = 'list.shown' WHERE number = 2",
        "UPDATE record SET object = 'other' WHERE number = 2",
    ],
)
def test_what_is_changed_on_purpose_is_named(trail, tmp_path, statement):
    trail.write([DONE, DONE, DONE], 7)
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as other:
        other.execute("DROP TRIGGER record_stays")
        other.execute("DROP TRIGGER record_remains")
        other.execute(statement)
    (found,) = findings(trail)
    assert found.record == 2


def test_a_file_that_is_none_says_what_to_do(tmp_path):
    (tmp_path / "audit.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(CorruptError, match="restore"):
        SqliteTrail(tmp_path)


def test_a_key_signs_and_hands_over_to_the_next(trail, tmp_path):
    first, second = tmp_path / "one.pem", tmp_path / "two.pem"
    made = add_key(trail, first, "user:ada", 1)
    assert first.stat().st_mode & 0o077 == 0
    checkpoints = Checkpoints(0, lambda: 2, first, str(tmp_path / "anchors"))
    trail.write([DONE], 3)
    assert checkpoints.take(trail).key == made.public
    with pytest.raises(InputError, match="--before"):
        add_key(trail, second, "user:ada", 4)
    add_key(trail, second, "user:ada", 4, first)
    with pytest.raises(InputError, match="audit_key"):
        checkpoints.take(trail)
    Checkpoints(0, lambda: 5, second, str(tmp_path / "anchors")).take(trail)
    assert findings(trail, anchors=anchors_in(tmp_path / "anchors"), first_key=made.public) == []
    with pytest.raises(InputError, match="there already"):
        add_key(trail, first, "user:ada", 6, second)
    assert SigningKey.read(first).public == made.public


def test_a_checkpoint_is_taken_when_it_is_time(trail):
    now = [1000]
    checkpoints = Checkpoints(500, lambda: now[0])
    trail.put_spans([RecordSpan("events", 0, 5, "a" * 64)])
    checkpoints.due(trail)
    assert trail.head().number == 1
    trail.put_spans([RecordSpan("events", 0, 9, "b" * 64)])
    checkpoints.due(trail)
    assert trail.head().number == 1
    now[0] += 500
    checkpoints.due(trail)
    checkpoints.take(trail)
    assert [RecordSpan.of(one.act).next for one in trail.records()] == [5, 9]


def test_anchors_that_cannot_be_kept_or_read_say_so(trail, tmp_path):
    trail.write([DONE], 0)
    with pytest.raises(StoreError, match="cannot be written"):
        Checkpoints(0, lambda: 0, None, str(tmp_path)).take(trail)
    with pytest.raises(StoreError, match=r"127\.0\.0\.1") as told:
        Checkpoints(0, lambda: 0, None, "http://user:secret@127.0.0.1:9/x?token=y").take(trail)
    assert "secret" not in str(told.value)
    assert "token" not in str(told.value)
    bad = tmp_path / "bad"
    bad.write_bytes(b'{"head": 3}\n')
    with pytest.raises(InputError, match="line 1"):
        anchors_in(bad)


def test_spans_end_where_the_log_reaches_a_multiple_whoever_reads_it():
    batches, offset = [], 0
    for count in (RECORDS - 5, 3, 7, RECORDS, 9):
        batches.append(LogBatch("events", offset, count, 0, 0, b"%d" % count))
        offset += count
    spans, span = [], None
    for one in batches:
        span = extended(span, one)
        spans.append(span)
    assert [(one.first, one.next) for one in spans] == [
        (0, RECORDS - 5), (0, RECORDS - 2), (0, RECORDS + 5), (RECORDS + 5, 2 * RECORDS + 5),
        (2 * RECORDS + 5, 2 * RECORDS + 14),
    ]  # fmt: skip
    other = extended(extended(None, batches[0]), LogBatch("events", RECORDS - 5, 3, 0, 0, b"4"))
    assert other.digest != spans[1].digest


def logged(payloads):
    log = MemoryLog()
    for payload in payloads:
        log.append([LogBatch("events", log.end_offset("events"), 3, 0, 0, payload)])
    return log


def sealed(log):
    span = None
    for one in log.read("events"):
        span = extended(span, one)
    return span


def test_a_log_that_was_written_again_by_its_own_rules_is_not_what_was_sealed():
    """Its checksums are right: whoever can write the file can make those."""
    whole, forged = logged([b"a", b"b", b"c"]), logged([b"a", b"x", b"c"])
    spans = [RecordSpan("events", 0, 6), sealed(whole)]
    assert compare(whole, spans) == (9, 0, None)
    checked, gone, found = compare(forged, spans)
    assert (checked, gone, found.kind) == (0, 0, "log")
    assert compare(logged([b"a", b"b"]), spans)[2].kind == "log"


def test_what_was_never_sealed_between_two_spans_is_told():
    log = logged([b"a", b"b", b"c"])
    first, _, last = (extended(None, one) for one in log.read("events"))
    assert compare(log, [first, sealed(log)]) == (9, 0, None)
    _, _, found = compare(log, [last, first])
    assert found.kind == "log"
    assert "offsets 3 to 5 of events were never sealed" in found.problem


def test_what_retention_took_is_counted_and_not_called_changed():
    log = logged([b"a", b"b", b"c"])
    span = sealed(log)
    log.trim("events", 3)
    assert compare(log, [span]) == (0, 3, None)


class SealPlace:
    """A log in memory, the trail in a folder."""

    def __init__(self, folder):
        self.log = MemoryLog()
        self.folder = folder
        self.is_broken = False
        self.trails = []  # one that was killed closes nothing

    def fill(self, count):
        for topic in SealFollower.topics:
            for _ in range(count):
                self.log.append([batch(self.log.end_offset(topic), RECORDS // 3, topic)])

    def follower(self):
        return SealFollower(self._trail)

    def content(self):
        with closing(SqliteTrail(self.folder)) as trail:
            return trail.spans()

    def damage(self):
        path = self.folder / "audit.db"
        self._trail().close()
        path.rename(self.folder / "aside")
        for left in self.folder.glob("audit.db-*"):
            left.unlink()
        path.mkdir()

        def mend():
            path.rmdir()
            (self.folder / "aside").rename(path)

        return mend

    def _trail(self):
        self.trails.append(SqliteTrail(self.folder))
        return self.trails[-1]


class TestSeals(FollowerExam):
    @pytest.fixture
    def place(self, tmp_path):
        place = SealPlace(tmp_path / "data")
        yield place
        for trail in place.trails:
            trail.close()
