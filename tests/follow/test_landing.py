"""Events and decisions as files of a lake: the exam of followers in a folder and on S3, and more."""

from __future__ import annotations

import io
import json
from datetime import date
from random import Random

import duckdb
import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from tests.lakes import decisions, events

from ringfence.adapters.landing import LandingFollower, open_place
from ringfence.adapters.landing.place import S3Place
from ringfence.adapters.landing.shapes import SCHEMAS, read_back, rows, written
from ringfence.adapters.landing.tending import compact, ddl, expire
from ringfence.adapters.sqlite import Store
from ringfence.errors import InputError, StoreError
from ringfence.follow import catch_up
from ringfence.ports import DECISIONS, EVENTS
from ringfence.testing.exams.follower import FollowerExam


class LandingPlace:
    """A store that has a row in `tests.lakes` for each offset, and a zone made of it."""

    def __init__(self, store, address):
        self.store, self.log, self.address = store, store.log, address
        self.place = open_place(address)

    def fill(self, count):
        for _ in range(count):
            base = self.log.end_offset("events")
            self.store.commit([events(base, 10), decisions(base, 10)])

    def follower(self, **more):
        made = LandingFollower(self.log, open_place(self.address), "log-1", lambda: 7, **more)
        made.most = 40
        return made

    def content(self):
        return {topic: landed(self.place, topic).to_pylist() for topic in (EVENTS, DECISIONS)}


class FolderPlace(LandingPlace):
    def damage(self):
        path = self.place._path
        path.write_bytes(b"no folder")
        return path.unlink


class BucketPlace(LandingPlace):
    def damage(self):
        wrong = self.address
        self.address = wrong.replace("s3://", "s3://not-")
        return lambda: setattr(self, "address", wrong)


def landed(place, topic):
    """All rows of a topic, by offset."""
    parts = [SCHEMAS[topic].empty_table()]
    parts += [read_back(place.read(name), "parquet", topic) for name in place.names(topic)]
    return pa.concat_tables(parts).sort_by("offset")


def in_the_log(zone, topic):
    return rows(topic, zone.log.read(topic))


class TestInAFolder(FollowerExam):
    @pytest.fixture
    def place(self, tmp_path):
        with Store.open(tmp_path / "data") as store:
            yield FolderPlace(store, str(tmp_path / "zone"))


@pytest.fixture(scope="module")
def server():
    made = ThreadedMotoServer(port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    yield f"http://{host}:{port}"
    made.stop()


@pytest.fixture
def bucket(server, monkeypatch, request):
    """A bucket of its own on an S3 server that runs here."""
    import httpx  # noqa: PLC0415

    given = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}
    for name, value in (given | {"AWS_ENDPOINT_URL": server}).items():
        monkeypatch.setenv(name, value)
    name = f"b{abs(hash(request.node.nodeid)) % 10**12}"
    assert httpx.put(f"{server}/{name}").status_code == 200
    return f"s3://{name}/lake"


class TestOnS3(FollowerExam):
    @pytest.fixture
    def place(self, tmp_path, bucket):
        with Store.open(tmp_path / "data") as store:
            yield BucketPlace(store, bucket)

    def test_one_that_fails_is_told_of_and_goes_on_once_it_can(self, place, expected):
        """A bucket that is missing is an error with its remedy, and nothing is lost."""
        follower, mend = place.follower(), None
        mend = place.damage()
        place.fill(3)
        with pytest.raises(StoreError, match=r"NoSuchBucket.*look at its name and region"):
            catch_up(place.log, place.follower(), all_of_it=True)
        mend()
        catch_up(place.log, follower, all_of_it=True)
        assert place.content() == expected()


@pytest.fixture
def zone(tmp_path):
    with Store.open(tmp_path / "data") as store:
        yield FolderPlace(store, str(tmp_path / "zone"))


def test_every_record_of_the_log_lands_once_in_the_folder_of_its_day(zone):
    zone.fill(9)
    catch_up(zone.log, zone.follower(), all_of_it=True)
    for topic in (EVENTS, DECISIONS):
        assert landed(zone.place, topic).equals(in_the_log(zone, topic))
        for name in zone.place.names(topic):
            days = duckdb.sql(
                f"SELECT DISTINCT event_time::DATE::VARCHAR AS day FROM '{zone.address}/{name}'"
            ).fetchall()
            assert [name.split("/")[1]] == [f"dt={day}" for (day,) in days]
    told = json.loads(zone.place.read(zone.place.names("_manifest/events")[0]))
    assert (told["rows"], told["first"], told["after"]) == (40, 0, 40)
    assert zone.place.names("_plan") == []


def test_two_that_write_at_once_and_crashes_between_files_leave_each_row_once(zone, monkeypatch):
    """Whoever goes on after a crash writes what was planned, although the log has grown since."""
    chance = Random(3)
    for round_ in range(30):
        zone.fill(chance.randrange(1, 4))
        dying, left = zone.follower(), chance.randrange(4)

        def create(name, content, keep=dying._place.create, die_after=left, done=[]):  # noqa: B006
            if len(done) == die_after:
                raise KeyboardInterrupt
            done.append(name)
            return keep(name, content)

        monkeypatch.setattr(dying._place, "create", create)
        topic = (EVENTS, DECISIONS)[round_ % 2]
        begin = dying.positions()[topic]
        try:
            dying.take(topic, zone.log.read(topic, begin))
        except KeyboardInterrupt:
            zone.fill(1)
    catch_up(zone.log, zone.follower(), all_of_it=True)
    for topic in (EVENTS, DECISIONS):
        assert landed(zone.place, topic).equals(in_the_log(zone, topic))


def test_a_zone_of_another_log_and_a_changed_file_are_refused(zone, tmp_path):
    zone.fill(2)
    catch_up(zone.log, zone.follower(), all_of_it=True)
    other = LandingFollower(zone.log, open_place(zone.address), "log-2", lambda: 7)
    with pytest.raises(StoreError, match="another log"):
        other.positions()
    zone.fill(1)
    (name,) = zone.place.names("events")
    clash = name.replace("-".join(name.split("/")[-1].split(".")[0].split("-")), f"{20:020d}-{30:020d}")
    zone.place.create(clash, written(SCHEMAS[EVENTS].empty_table(), "parquet"))
    with pytest.raises(StoreError, match="with other rows"):
        catch_up(zone.log, zone.follower(), all_of_it=True)
    with pytest.raises(InputError, match="give a folder, or s3"):
        open_place("gs://x/y")


@pytest.mark.parametrize("fmt", ["ndjson", "csv"])
def test_other_formats_hold_the_same_rows(zone, fmt):
    zone.fill(3)
    catch_up(zone.log, zone.follower(fmt=fmt, layout="calendar"), all_of_it=True)
    names = zone.place.names("decisions")
    assert names[0].split("/")[1:3] != []
    reading = "read_json" if fmt == "ndjson" else "read_csv"
    found = duckdb.sql(
        f"SELECT \"offset\", outcome, score FROM {reading}('{zone.address}/decisions/*/*/*/*.gz') "
        'ORDER BY "offset"'
    ).fetchall()
    wanted = rows(DECISIONS, zone.log.read(DECISIONS))
    assert found == [(row["offset"], row["outcome"], row["score"]) for row in wanted.to_pylist()]


def test_a_file_waits_until_it_is_large_or_has_waited_long_enough(zone):
    now = [0]
    follower = LandingFollower(zone.log, zone.place, "log-1", lambda: now[0], file_mb=1, file_seconds=300)
    zone.fill(2)
    catch_up(zone.log, follower)
    assert follower.positions() == {EVENTS: 0, DECISIONS: 0}
    now[0] = 300_000
    catch_up(zone.log, follower)
    assert follower.positions() == {EVENTS: 20, DECISIONS: 18}
    zone.fill(1)
    catch_up(zone.log, follower)
    assert follower.positions() == {EVENTS: 20, DECISIONS: 18}
    now[0] = 600_000
    catch_up(zone.log, follower)
    assert follower.positions() == {EVENTS: 30, DECISIONS: 27}


def test_a_topic_that_gains_nothing_does_not_make_the_other_one_due(zone):
    now = [0]
    follower = LandingFollower(zone.log, zone.place, "log-1", lambda: now[0], file_mb=1, file_seconds=300)
    zone.store.commit([decisions(0, 10)])
    for now[0] in (0, 300_000):
        catch_up(zone.log, follower)
    assert follower.positions() == {EVENTS: 0, DECISIONS: 9}
    now[0] = 900_000
    zone.store.commit([decisions(10, 10)])
    catch_up(zone.log, follower)
    assert follower.positions() == {EVENTS: 0, DECISIONS: 9}


def test_small_files_become_one_a_day_and_old_days_go(zone):
    for _ in range(4):
        zone.fill(2)
        catch_up(zone.log, zone.follower(), all_of_it=True)
    before = {topic: landed(zone.place, topic) for topic in (EVENTS, DECISIONS)}
    assert len(zone.place.names("events")) == 4
    done = compact(zone.place, date(2200, 1, 1))
    assert (done.days, done.removed, done.made) == (2, 8, 2)
    assert {topic: landed(zone.place, topic) for topic in before} == before
    assert compact(zone.place, date(2200, 1, 1)).made == 0
    zone.fill(1)
    catch_up(zone.log, zone.follower(), all_of_it=True)
    assert landed(zone.place, EVENTS)["offset"].to_pylist() == list(range(90))
    assert expire(zone.place, date(2200, 1, 1)) == 4
    assert zone.place.names("events") == []
    catch_up(zone.log, zone.follower(), all_of_it=True)
    assert zone.place.names("events") == []  # what has gone does not come back


def test_the_follower_itself_makes_small_files_one_each_hour_and_lets_old_days_go(zone):
    """Rows of `tests.lakes` are of two days in 2023."""
    now = [1_800_000_000_000]
    follower = LandingFollower(zone.log, zone.place, "log-1", lambda: now[0])
    for _ in range(4):
        zone.fill(2)
        catch_up(zone.log, follower, all_of_it=True)
    assert len(zone.place.names("events")) > 2
    before = landed(zone.place, EVENTS)
    now[0] += 3_600_000
    zone.fill(1)
    catch_up(zone.log, follower, all_of_it=True)
    days = [name.split("/")[1] for name in zone.place.names("events")]
    assert len(days) == len(set(days))
    assert landed(zone.place, EVENTS).slice(0, len(before)).equals(before)
    keeping = LandingFollower(zone.log, zone.place, "log-1", lambda: now[0], keep_days=30)
    for waited_ms in (0, 3_600_000):
        now[0] += waited_ms
        zone.fill(1)
        catch_up(zone.log, keeping, all_of_it=True)
    assert zone.place.names("events") == []
    assert keeping.positions()[EVENTS] == zone.log.end_offset(EVENTS)


def test_a_compaction_that_was_killed_is_put_right_by_the_next(zone, monkeypatch):
    for _ in range(3):
        zone.fill(1)
        catch_up(zone.log, zone.follower(), all_of_it=True)
    monkeypatch.setattr(zone.place, "remove", lambda _names: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        compact(zone.place, date(2200, 1, 1))
    monkeypatch.undo()
    assert compact(zone.place, date(2200, 1, 1)).removed >= 3
    for topic in (EVENTS, DECISIONS):
        assert landed(zone.place, topic).equals(in_the_log(zone, topic))


def test_the_tables_of_athena_have_the_columns_that_land(zone):
    told = ddl("s3://lake/zone/", "hive", "parquet", "fraud")
    for topic in (EVENTS, DECISIONS):
        for name in SCHEMAS[topic].names:
            assert f"`{name}` " in told
    assert "'storage.location.template' = 's3://lake/zone/events/dt=${dt}'" in told
    assert "`amount` decimal(22,3)" in told


def test_a_name_that_is_taken_is_compared_and_a_put_under_way_is_waited_for(bucket, monkeypatch):
    """412: it is there. 409: somebody is at it; once nobody is, it is put."""
    waited = []
    place = S3Place(bucket, waited.append)
    assert place.create("a/x", b"1")
    assert not place.create("a/x", b"2")
    assert place.read("a/x") == b"1"
    really, answers = obstore.put, [obstore.exceptions.AlreadyExistsError("409 Conflict")] * 2

    def put(*arguments, **more):
        if answers:
            raise answers.pop()
        return really(*arguments, **more)

    monkeypatch.setattr(obstore, "put", put)
    assert place.create("a/y", b"3")
    assert len(waited) == 2
    assert place.names("a", "a/x") == ["a/y"]
    place.remove(["a/x", "a/none"])
    assert place.names("a") == ["a/y"]


def test_parquet_lands_as_any_reader_reads_it(zone):
    zone.fill(1)
    catch_up(zone.log, zone.follower(), all_of_it=True)
    (name,) = zone.place.names("events")
    table = pq.read_table(io.BytesIO(zone.place.read(name)))
    assert str(table.schema.field("event_time").type) == "timestamp[ms, tz=UTC]"
    assert table["kind"].to_pylist() == ["transaction"] * 9 + ["label"]
