"""The relational store on a real PostgreSQL: the exam of followers, exactness, and what people do to it."""

from __future__ import annotations

import contextlib

import psycopg
import pyarrow as pa
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from tests.postgres import database, rows
from tests.spine import Rows, batch, payments, runner, source

from ringfence.adapters.lake import Lake
from ringfence.adapters.relational import RelationalStore, migrate
from ringfence.adapters.relational.check import check
from ringfence.adapters.relational.schema import SCHEMA, metadata
from ringfence.adapters.sqlite import Store
from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.follow import catch_up
from ringfence.ports import EVENTS
from ringfence.testing.exams.follower import FollowerExam

CONTENT = {  # column lists whose order says nothing are sorted by
    table.name: ", ".join(f'"{column.name}"' for column in table.columns)
    for table in metadata.sorted_tables
    if table.name not in {"log_source", "label_order"}
}


def content(url: str) -> dict[str, list[tuple]]:
    return {
        name: sorted(map(repr, rows(url, f"SELECT {names} FROM {name}"))) for name, names in CONTENT.items()
    }


class Place:
    """A log in a folder and a database."""

    def __init__(self, folder, version=None):
        self.store = Store.open(folder)
        self.log = self.store.log
        self.url = database(version)
        migrate.upgrade(self.url)
        self._batches = iter(source(3000, 25))
        self._runner = runner(self.store)
        self._made = []

    def fill(self, count):
        for _ in range(count):
            part = next(self._batches)
            self._runner.ingest(part.events, part.labels)

    def follower(self):
        self._made.append(RelationalStore(self.log, self.url, "log-1"))
        return self._made[-1]

    def close(self):
        for follower in self._made:
            follower.close()
        self.store.close()

    def content(self):
        return content(self.url)

    def damage(self):
        self._execute(
            "ALTER TABLE ringfence.payment_days RENAME TO gone; ALTER TABLE ringfence.labels RENAME TO away"
        )
        return lambda: self._execute(
            "ALTER TABLE ringfence.gone RENAME TO payment_days; ALTER TABLE ringfence.away RENAME TO labels"
        )

    def _execute(self, statement):
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


class TestRelationalStore(FollowerExam):
    @pytest.fixture
    def place(self, tmp_path):
        place = Place(tmp_path)
        yield place
        place.close()


@pytest.fixture
def url():
    made = database()
    migrate.upgrade(made)
    return made


def load(folder, url, arrivals, label_sources=()):
    """The log of these batches, loaded."""
    store = Store.open(folder)
    with store:
        deciding = runner(store)
        for part in arrivals:
            deciding.ingest(part.events, part.labels)
        target = RelationalStore(store.log, url, store.meta.store_id, label_sources)
        with contextlib.closing(target):
            catch_up(store.log, target, all_of_it=True)
        return check(url, store.log)


def test_the_tables_are_those_that_the_schema_describes(url):
    """Alembic compares what migrations made with what the code says."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    options = {"include_schemas": True, "include_object": _is_ours, "version_table_schema": SCHEMA}
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    engine.dispose()


def _is_ours(_object, name, kind, _reflected, _compared):
    """Partitions are made as months come, with foreign keys of their own."""
    if kind == "foreign_key_constraint" and _reflected:
        return all("_other" not in element.target_fullname for element in _object.elements)
    return kind != "table" or name in metadata.tables or f"{SCHEMA}.{name}" in metadata.tables


def test_counts_sums_and_rollups_are_those_of_the_log(tmp_path, url):
    found = load(tmp_path, url, source(2000, 100))
    assert (found.differences, set(found.behind.values()), found.payments) == ([], {0}, 2000)


def test_a_check_names_the_day_and_the_rollup_that_differ(tmp_path, url):
    found = load(tmp_path, url, source(300, 100))
    assert found.differences == []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM ringfence.fired_rules")
        connection.execute("DELETE FROM ringfence.decisions WHERE transaction_id = 'tx-7'")
        connection.execute(
            "UPDATE ringfence.transactions SET amount = amount + 1 WHERE transaction_id = 'tx-8'"
        )
    with Store.open(tmp_path, read_only=True) as store:
        told = check(url, store.log).differences
    assert any("of decisions" in line for line in told)
    assert any("of amount" in line for line in told)
    assert any(line.startswith("payment_hours") for line in told)


def test_a_check_after_retention_compares_what_both_have(tmp_path, url):
    with Store.open(tmp_path) as store:
        deciding = runner(store)
        for part in source(600, 50):
            deciding.ingest(part.events, part.labels)
        with contextlib.closing(RelationalStore(store.log, url, "log-1")) as target:
            catch_up(store.log, target, all_of_it=True)
        events = list(store.log.read(EVENTS))
        decided = list(store.log.read("decisions"))
        store.log.trim(EVENTS, events[3].next_offset)
        assert check(url, store.log).differences == []
        store.log.trim("decisions", decided[5].next_offset)
        assert check(url, store.log).differences == []


def a_payment(number: int, **fields) -> dict:
    return (
        payments(1)[0]
        | {"transaction_id": f"tx-{number}", "event_time_ms": 1_700_000_000_000 + number}
        | fields
    )


def a_label(number: int, of: str, fraud: bool) -> dict:
    return {
        "kind": Kind.LABEL,
        "event_id": f"label-{number}",
        "transaction_id": of,
        "event_time_ms": 1_700_000_500_000 + number,
        "label": fraud,
    }


@pytest.mark.parametrize("size", [1, 2, 50])
def test_a_label_counts_once_whenever_it_comes_and_the_last_one_counts(tmp_path, url, size, monkeypatch):
    """Before its payment, beside it, after it; said twice, taken back, said again; of nobody."""
    events = [
        a_label(0, "tx-1", True),
        a_payment(1, amount_minor=1000),
        a_payment(2, amount_minor=200),
        a_label(1, "tx-2", True),
        a_label(2, "tx-2", True),
        a_payment(3, amount_minor=30),
        a_label(3, "tx-3", True),
        a_label(4, "tx-3", False),
        a_payment(4, amount_minor=4),
        a_label(5, "tx-4", False),
        a_label(6, "tx-4", True),
        a_label(7, "nobody", True),
    ]
    monkeypatch.setattr(RelationalStore, "most", size)
    found = load(tmp_path, url, [Rows(batch([event])) for event in events])
    assert found.differences == []
    counted = rows(url, "SELECT payments, amount::float8, frauds, fraud_amount::float8 FROM payment_hours")
    assert counted == [(4, 12.34, 3, 12.04)]
    assert rows(url, "SELECT transaction_id FROM known_labels WHERE is_fraud ORDER BY 1") == [
        ("nobody",),
        ("tx-1",),
        ("tx-2",),
        ("tx-4",),
    ]


SAID = [  # source, its own date, what it says: in the order of the log
    ("analyst", 20, False),
    ("visa", 10, True),
    ("customer", 30, False),
    ("visa", 5, False),
    (None, 40, False),
]


@pytest.mark.parametrize(
    ("ranked", "fraud"),
    [
        ((), False),  # the latest by its own date: nobody's
        (("visa", "analyst"), True),  # of two by visa the later one
        (("analyst", "visa"), False),
        (("customer",), False),
        (("nobody", "visa"), True),
    ],
)
@pytest.mark.parametrize("size", [1, 50])
def test_of_labels_that_differ_the_source_that_ranks_highest_counts_then_the_latest(
    tmp_path, url, ranked, fraud, size, monkeypatch
):
    """In PostgreSQL and the analysis tables alike, and also once another order is set."""
    labels = [
        a_label(number, "tx-1", said)
        | {"label_source": source_name, "event_time_ms": 1_700_000_600_000 + day * 86_400_000}
        for number, (source_name, day, said) in enumerate(SAID)
    ]
    monkeypatch.setattr(RelationalStore, "most", size)
    found = load(tmp_path, url, [Rows(batch([event])) for event in (a_payment(1), *labels)], ranked)
    assert found.differences == []
    assert rows(url, "SELECT is_fraud FROM known_labels") == [(fraud,)]
    with Store.open(tmp_path, read_only=True) as store:
        lake = Lake.alone(store, ranked)
        assert lake.sql("SELECT is_fraud FROM known_labels").to_pylist() == [{"is_fraud": fraud}]
        lake.close()
    monkeypatch.setattr(RelationalStore, "most", 50)
    for other in ((), ("visa",), ranked):
        assert load(tmp_path, url, [], other).differences == []
    assert rows(url, "SELECT is_fraud FROM known_labels") == [(fraud,)]
    assert rows(url, "SELECT frauds FROM payment_hours") == [(int(fraud),)]


HOSTILE = [
    "a\0b",
    "\\.",
    "x\n\\.\ny",
    '"',
    "'; DROP TABLE x --",
    "{a,b}",
    "\u202e",
    "\\N",
    "",
    " ",
    "é" * 300,
    "NULL",
]


def test_texts_of_any_kind_arrive_as_they_are_but_for_the_character_of_code_zero(tmp_path, url):
    """Which PostgreSQL cannot hold: a replacement character stands for it."""
    events = [
        a_payment(number, merchant_id=f"m{text}", **{"attributes.word": text, "attributes.n": number})
        for number, text in enumerate(HOSTILE)
    ]
    assert load(tmp_path, url, [Rows(with_attributes(events))]).differences == []
    found = rows(url, "SELECT merchant_id, attributes ->> 'word' FROM transactions ORDER BY \"offset\"")
    expected = [text.replace("\0", "\ufffd") for text in HOSTILE]
    assert [word for _, word in found] == expected
    assert [merchant.rstrip(" ") for merchant, _ in found] == [f"m{text}".rstrip(" ") for text in expected]


def with_attributes(events):
    plain = batch([{name: value for name, value in row.items() if "." not in name} for row in events])
    names = sorted({name for row in events for name in row if name.startswith("attributes.")})
    table = pa.Table.from_batches([plain.table])
    for name in names:
        table = table.append_column(name, pa.array([row.get(name) for row in events]))
    return EventBatch(table.combine_chunks().to_batches()[0])


def test_a_customer_keeps_what_was_known_and_every_address_since_when(tmp_path, url):
    def at(number, **attributes):
        named = {f"attributes.{name}": value for name, value in attributes.items()}
        return a_payment(number, customer_id="c", **named)

    moved = [
        at(1, gender="F", dob="1980-05-06", job="pilot", home_city="Ulm", home_lat=48.4, home_lon=10.0),
        at(2, gender=None, dob="no date", job=None, home_city="Ulm", home_lat=48.4, home_lon=10.0),
        at(3, gender=None, dob=None, job="clerk", home_city="Bonn", home_lat=50.7, home_lon=7.1),
        at(4, gender=None, dob=None, job=None, home_city=None, home_lat=None, home_lon=None),
        at(5, gender=None, dob=None, job=None, home_city="Ulm", home_lat=48.4, home_lon=10.0),
    ]
    load(tmp_path, url, [Rows(with_attributes([one])) for one in moved])
    assert rows(url, "SELECT gender, birth_date::text, job FROM customers WHERE customer_id = 'c'") == [
        ("F", "1980-05-06", "clerk")
    ]
    assert rows(url, "SELECT city FROM addresses ORDER BY valid_from") == [("Ulm",), ("Bonn",), ("Ulm",)]


def test_facts_refer_to_rows_that_are_there(tmp_path, url):
    """The loader puts them in beforehand; whoever else writes is held to the foreign keys."""
    load(tmp_path, url, source(300, 100))
    for table in metadata.sorted_tables:
        for key in table.foreign_keys:
            other = key.column.table.name
            if len(key.constraint.columns) > 1:
                continue
            named, refers = key.column.name, key.parent.name
            orphans = rows(
                url,
                f"SELECT count(*) FROM {table.name} a LEFT JOIN {other} b ON b.{named} = a.{refers} "
                f"WHERE a.{refers} IS NOT NULL AND b.{named} IS NULL",
            )
            assert orphans == [(0,)]
    with (
        psycopg.connect(url, options="-c search_path=ringfence") as connection,
        pytest.raises(psycopg.errors.ForeignKeyViolation),
    ):
        connection.execute("INSERT INTO cards VALUES ('x', 'nobody', NULL)")
