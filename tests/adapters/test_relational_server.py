"""What servers, roles and versions do to the relational store: each refusal has its remedy."""

from __future__ import annotations

import psycopg
import pytest
from tests.adapters.test_relational import HOSTILE, Place, a_payment, load, with_attributes
from tests.postgres import OLDER, database, rows
from tests.spine import Rows, runner, source

from ringfence.adapters.questions import VIEWS
from ringfence.adapters.relational import RelationalStore, migrate
from ringfence.adapters.relational.check import check
from ringfence.adapters.sqlite import Store
from ringfence.errors import InputError, StoreError
from ringfence.follow import catch_up
from ringfence.ports import EVENTS
from ringfence.testing.exams.follower import FollowerExam
from ringfence.testing.memory.event_log import MemoryLog


@pytest.fixture
def url():
    made = database()
    migrate.upgrade(made)
    return made


def test_a_store_of_another_log_is_refused(tmp_path, url):
    load(tmp_path, url, source(50, 50))
    with pytest.raises(StoreError, match="another log"):
        RelationalStore(MemoryLog(), url, "somebody else").positions()
    load(tmp_path, url, [])


def test_versions_that_are_missing_or_newer_are_refused_with_what_to_do(url):
    with pytest.raises(StoreError, match="ringfence store init"):
        migrate.check_version(database())
    migrate.check_version(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE ringfence.schema_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer one"):
        migrate.check_version(url)
    with pytest.raises(StoreError, match="newer one"):
        migrate.upgrade(url)


@pytest.mark.parametrize(
    ("address", "kind", "told"),
    [
        ("postgresql://bank:hunter2@127.0.0.1:1/x", StoreError, "Is the server up"),
        ("garbage://bank:hunter2@host", InputError, "postgresql://USER@HOST"),
        ("postgresql://bank:hunter2@host:notaport/x", StoreError, "Is the server up"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_without_its_password(address, kind, told):
    with pytest.raises(kind, match=told) as caught:
        migrate.check_version(address)
    assert "hunter2" not in str(caught.value)


def test_what_a_server_says_at_the_door_has_its_remedy():
    made = database()
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS busy")
        connection.execute("CREATE ROLE busy LOGIN CONNECTION LIMIT 0")
    for address, told in (
        (made.replace("postgres:@", "busy@"), "too many connections.*It is tried again"),
        (made.replace("postgres:@", "nobody:hunter2@"), "role.*does not exist.*Check the user"),
        (made.replace("/test_", "/none_"), "does not exist.*createdb"),
    ):
        with pytest.raises(StoreError, match=told) as caught:
            migrate.check_version(address)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "theirs",
    [
        "TABLE ringfence.kpis (x INT)",
        "VIEW ringfence.kpis AS SELECT 1 AS x",
        "TYPE ringfence.kpis AS (x INT)",
    ],
)
def test_a_name_that_somebody_else_took_is_told_and_nothing_is_half_done(theirs):
    made = database()
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA ringfence")
        connection.execute(f"CREATE {theirs}")
        with pytest.raises(StoreError, match="rename it or drop it"):
            migrate.upgrade(made)
        names = "SELECT relname FROM pg_class WHERE relnamespace = 'ringfence'::regnamespace"
        assert connection.execute(names).fetchall() == [("kpis",)]
        connection.execute(f"DROP {theirs.split(' ')[0]} ringfence.kpis")
    migrate.upgrade(made)
    assert rows(made, "SELECT * FROM kpis") == []


def test_the_reader_role_reads_and_changes_nothing(tmp_path, url):
    load(tmp_path, url, source(50, 50))
    with psycopg.connect(url, options="-c search_path=ringfence", autocommit=True) as connection:
        connection.execute(f"SET ROLE {migrate.READER}")
        assert connection.execute("SELECT count(*) FROM decided_payments").fetchone() == (50,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM labels")


def test_a_role_without_rights_is_told_what_to_ask_for():
    made = database()
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN")
        connection.execute(f"REVOKE CREATE ON DATABASE {made.split('/')[3].split('?')[0]} FROM PUBLIC")
    with pytest.raises(StoreError, match="must own the schema"):
        migrate.upgrade(made.replace("postgres:@", "guest@"))


def test_a_server_that_is_restarted_in_the_middle_costs_nothing(tmp_path, url):
    with Store.open(tmp_path) as store:
        runner(store).ingest(*source(100, 100)[0][:2])
        target = RelationalStore(store.log, url, store.meta.store_id)
        target.take(EVENTS, store.log.read(EVENTS))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ringfence'"
            )
        with pytest.raises(StoreError):
            target.positions()
        target.close()
        catch_up(store.log, target, all_of_it=True)
        assert check(url, store.log).differences == []
        target.close()


@pytest.mark.slow
@pytest.mark.parametrize("version", OLDER)
def test_every_supported_version_holds_the_same(tmp_path, version):
    hostile = [
        a_payment(number, merchant_id=f"m{text}", **{"attributes.word": text})
        for number, text in enumerate(HOSTILE)
    ]
    theirs = database(version)
    assert rows(theirs, "SHOW server_version")[0][0].startswith(f"{version}.")
    migrate.upgrade(theirs)
    found = load(tmp_path, theirs, [Rows(with_attributes(hostile)), *source(400, 100)], ("visa",))
    assert (found.differences, set(found.behind.values())) == ([], {0})
    for name in VIEWS:
        rows(theirs, f"SELECT * FROM {name}")
    words = rows(theirs, "SELECT attributes ->> 'word' FROM transactions WHERE attributes IS NOT NULL")
    # Before 18 a line of \. within a text ends the data: a space stands behind it there.
    assert sorted(word.replace("\\. ", "\\.") for (word,) in words) == sorted(
        text.replace("\0", "\ufffd") for text in HOSTILE
    )
    migrate.drop(theirs)


@pytest.mark.slow
class TestOnOlderServers(FollowerExam):
    """The exam that the store sits on the newest version, on each of the others."""

    @pytest.fixture(params=OLDER)
    def place(self, tmp_path, request):
        place = Place(tmp_path, request.param)
        yield place
        place.close()
