"""One data folder: what commits together, and what is kept for ever."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ringfence.adapters.sqlite import Store
from ringfence.adapters.sqlite.migrate import APPLICATION_ID
from ringfence.errors import ConflictError, CorruptError, InputError, RingfenceError, StoreError
from ringfence.events.bad import BadRecord, Fault, Reason
from ringfence.ports import Replayed
from ringfence.testing.exams.event_log import batch, spans


def bad(name, reason=Reason.UNPARSABLE_TIME, source="a.csv"):
    fault = Fault(reason, "time", "no time")
    return BadRecord(source, 7, (fault,), b"\xff\x00" + name.encode(), "csv", "sparkov")


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "data") as opened:
        yield opened


def test_a_commit_holds_batches_bad_records_and_the_schedule(tmp_path):
    with Store.open(tmp_path / "data") as store:
        assert store.schedule() is None
        store.commit([batch(0, 2)], bad_records=[bad("x")], schedule=b"pending", now_ms=5)
    with Store.open(tmp_path / "data") as store:
        assert spans(store.log.read("events")) == [(0, 2)]
        assert store.schedule() == b"pending"
        (found,) = store.quarantine.records()
        assert (found.id, found.original, found.message) == (bad("x").id, bad("x").original, "time: no time")
        assert (found.original_format, found.mapping, found.position) == ("csv", "sparkov", 7)
        assert (found.received_ms, found.replayed_ms, found.outcome) == (5, None, None)


def test_a_commit_that_fails_leaves_none_of_its_parts(store):
    with pytest.raises(ConflictError):
        store.commit([batch(9)], bad_records=[bad("x1")], schedule=b"pending")
    assert (store.quarantine.records(), store.schedule(), store.log.topics()) == ([], None, [])


def test_parts_of_a_commit_can_be_left_out(store):
    store.commit(schedule=b"one")
    store.commit([batch(0)])
    assert store.schedule() == b"one"
    store.commit(schedule=b"")
    assert store.schedule() == b""


def test_a_bad_record_is_quarantined_once(store):
    store.commit(bad_records=[bad("x1"), bad("x1")], now_ms=1)
    store.commit(bad_records=[bad("x1")], now_ms=2)
    assert [record.received_ms for record in store.quarantine.records()] == [1]


def test_quarantine_lists_the_newest_first_and_filters(store):
    one, two, three = bad("1"), bad("2", Reason.NEGATIVE_AMOUNT), bad("3", source="b.csv")
    store.commit(bad_records=[one, two, three])

    def ids(**which):
        return [record.id for record in store.quarantine.records(**which)]

    assert ids() == [three.id, two.id, one.id]
    assert ids(reason="negative_amount") == [two.id]
    assert ids(source="b.csv") == [three.id]
    assert ids(limit=1) == [three.id]


def test_a_replay_is_marked_with_its_outcome_in_the_commit_that_holds_its_events(store):
    one, two = bad("1"), bad("2")
    store.commit(bad_records=[one, two], now_ms=1)
    store.commit([batch(0)], replayed=[Replayed(one.id, "accepted")], now_ms=9)
    assert [record.id for record in store.quarantine.records(waiting=True)] == [two.id]
    assert (store.quarantine.get(one.id).replayed_ms, store.quarantine.get(one.id).outcome) == (9, "accepted")
    assert store.quarantine.counts() == {"unparsable_time": (2, 1)}


def test_a_record_is_found_by_the_beginning_of_its_id(store):
    one, two = bad("1"), bad("2")
    store.commit(bad_records=[one, two])
    assert store.quarantine.get(two.id[:6]).id == two.id
    for wrong in ("", "zz", "%"):
        with pytest.raises(InputError, match="quarantine list"):
            store.quarantine.get(wrong)


def test_a_store_keeps_its_identity_and_shows_no_secret(tmp_path):
    with Store.open(tmp_path / "one") as store:
        first = store.meta
    with Store.open(tmp_path / "one") as store:
        assert store.meta == first
    with Store.open(tmp_path / "two") as store:
        assert store.meta.store_id != first.store_id
        assert store.meta.hash_seed != first.hash_seed
    assert 0 <= first.hash_seed < 2**63
    assert len(first.token_key) == 32
    assert str(first.hash_seed) not in repr(first)
    assert "token_key" not in repr(first)


@pytest.mark.parametrize("name", ["store_id", "created_ms", "hash_seed", "token_key", "seal"])
def test_nothing_is_remembered_in_place_of_the_identity(tmp_path, name):
    with Store.open(tmp_path / "data") as store:
        before = store.meta
        with pytest.raises(ValueError, match="identity"):
            store.remember(name, "other")
        store.remember("served", "yes")
    with Store.open(tmp_path / "data") as store:
        assert (store.meta, store.remembered("served")) == (before, "yes")


def test_a_store_without_its_secrets_says_so(tmp_path):
    Store.open(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "ringfence.db")
    connection.execute("DELETE FROM meta WHERE name = 'token_key'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="lacks its token_key"):
        Store.open(tmp_path)


@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="the system does not tell which files are open"
)
@pytest.mark.parametrize(("version", "told"), [(99, "newer Ringfence"), (0, "is empty")])
def test_a_file_that_is_refused_is_not_held_open(tmp_path, version, told):
    path = tmp_path / "ringfence.db"
    with closing(sqlite3.connect(path)) as made:
        made.executescript(f"PRAGMA user_version = {version}; PRAGMA application_id = {APPLICATION_ID}")
    with pytest.raises(RingfenceError, match=told) as refused:
        Store.open(tmp_path, read_only=True)
    held = [str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    assert str(path) not in held, refused.value


def test_a_version_is_kept_for_ever_and_never_changes(store):
    one, other = (hashlib.sha256(body).hexdigest()[:16] for body in (b"[]", b"{}"))
    store.registry.register("rules", one, "[]", 1)
    store.registry.register("rules", one, "[]", 2)
    store.registry.register("features", other, "{}", 3)
    found = store.registry.find("rules", one)
    assert (found.body, found.created_ms) == ("[]", 1)
    assert store.registry.find("rules", other) is None
    assert [(v.kind, v.body) for v in store.registry.versions()] == [("rules", "[]"), ("features", "{}")]
    assert [v.kind for v in store.registry.versions("features")] == ["features"]
    with pytest.raises(ConflictError, match="names another text"):
        store.registry.register("rules", one, "[1]", 4)


def test_a_version_whose_text_has_changed_is_not_used(store):
    digest = hashlib.sha256(b"[]").hexdigest()[:16]
    store.registry.register("rules", digest, "[]", 1)
    with store.log.transaction() as connection:
        connection.execute("UPDATE version SET body = '[1]'")
    with pytest.raises(CorruptError, match="has changed"):
        store.registry.find("rules", digest)


def test_another_process_may_read_the_store_while_it_is_written(tmp_path, store):
    store.commit([batch(0)], bad_records=[bad("a1")])
    with Store.open(tmp_path / "data", read_only=True) as reading:
        assert reading.meta == store.meta
        assert reading.quarantine.get(bad("a1").id).position == 7
        with pytest.raises(StoreError, match="open for reading"):
            reading.commit([batch(1)])


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match="Choose a folder that can be written"):
        Store.open(tmp_path / "taken" / "data")
    with pytest.raises(StoreError, match="Choose a folder that can be written"):
        Store.open(tmp_path / "taken")


def test_a_flood_of_bad_records_fills_no_disk(tmp_path, monkeypatch):
    """Of further originals a beginning, of further records the newest."""
    monkeypatch.setattr("ringfence.adapters.sqlite.quarantine.MOST_BYTES", 3000)
    monkeypatch.setattr("ringfence.adapters.sqlite.quarantine.MOST_RECORDS", 6)
    bad = [BadRecord("x", at, (Fault(Reason.MALFORMED, "", "no"),), b"%d" % at * 1000) for at in range(10)]
    with Store.open(tmp_path / "data") as store:
        store.commit(bad_records=bad[:4], now_ms=5)
        store.commit(bad_records=bad[:4], now_ms=6)  # known already: nothing is counted twice
        store.commit(bad_records=bad[4:], now_ms=7)
        kept = store.quarantine.records()
        assert [(one.position, len(one.original)) for one in kept] == [(at, 512) for at in (9, 8, 7, 6, 5, 4)]
        assert kept[0].message.endswith("the quarantine is full: the first 512 of 1000 bytes are kept")
        assert store.forget_bad_records(7) == 0
        assert store.forget_bad_records(8) == 6
        assert store.quarantine.counts() == {}
