"""`ringfence store`: the way of a newcomer, what goes wrong, and the follower that keeps it up to date."""

from __future__ import annotations

import json
import random
import string
import subprocess
import sys
import time

import psycopg
import pytest
from tests.cli.conftest import payment, write_ndjson
from tests.postgres import database, rows


@pytest.fixture
def url(project, monkeypatch):
    made = database()
    monkeypatch.setenv("RINGFENCE_STORE_URL", made)
    (project / "one.ndjson").write_text("".join(json.dumps(payment(number)) + "\n" for number in range(60)))
    (project / "two.ndjson").write_text(
        "".join(json.dumps(payment(number)) + "\n" for number in range(60, 90))
    )
    return made


def test_a_newcomer_makes_loads_checks_asks_and_removes_it(ringfence, url):
    assert ringfence("run", "one.ndjson").code == 0
    made = ringfence("store", "init")
    assert (made.code, "version 0003" in made.err) == (0, True)
    assert "60 decisions" in ringfence("store", "load").err
    checked = ringfence("store", "check", "--json")
    assert (checked.code, checked.json["payments"], checked.json["differences"]) == (0, 60, [])
    assert rows(url, "SELECT payments, amount FROM kpis")[0][0] == 60
    assert ringfence("sql", "SELECT payments FROM kpis", "--format", "csv").out.splitlines()[1] == "60"
    assert ringfence("run", "two.ndjson").code == 0
    behind = ringfence("store", "check")
    assert "30 records of decisions are not in the store yet" in behind.err
    assert "90 decisions" in ringfence("store", "load").err
    assert "90 decisions" in ringfence("store", "rebuild").err
    assert ringfence("store", "migrate").code == 0
    assert ringfence("store", "drop", "--yes").code == 0
    assert ringfence("store", "load").code == 3


def test_a_difference_is_told_and_exits_with_one(ringfence, url):
    ringfence("run", "one.ndjson")
    ringfence("store", "init")
    ringfence("store", "load")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM ringfence.fired_rules")
        connection.execute("DELETE FROM ringfence.decisions WHERE transaction_id = 'p3'")
    told = ringfence("store", "check")
    assert (told.code, "of decisions" in told.err, "store rebuild" in told.err) == (1, True, True)


def test_no_record_that_the_door_lets_in_stops_the_store(ringfence, url, project):
    """Ids that no index holds; dates, numbers and texts that PostgreSQL would refuse."""
    chance = random.Random(1)

    def long():
        return "".join(chance.choices(string.ascii_letters + string.digits, k=4096))

    ids = ("transaction_id", "card_id", "account_id", "customer_id", "merchant_id", "device_id")
    others = {"merchant_category": long(), "channel": long(), "country": "DE"}
    poison = [
        payment(0, **{name: long() for name in ids}, **others),
        payment(1, customer_id="b", attributes={"dob": "-100-01-01", "home_state": long()}),
        payment(2, customer_id="c", attributes={"dob": "infinity", "home_lat": "1e400", "home_lon": "nan"}),
        payment(3, attributes={"n": 1e308, "a": "\ud83d", "b": "\0", "c": "\\u0000"}),
        payment(4, customer_id="d", attributes={"dob": "99999-12-3"}),
        payment(7),
    ]
    lines = [json.dumps(row) for row in poison]
    for number, value in ((5, "9" * 200_000), (6, "[" * 900 + "]" * 900)):
        lines.append(json.dumps(payment(number, attributes={"n": "?"})).replace('"?"', value))
    (project / "poison.ndjson").write_text("\n".join(lines))
    ringfence("run", "poison.ndjson")
    label = {"transaction_id": poison[0]["transaction_id"], "reported_at": "2024-06-01"}
    assert ringfence("labels", "import", write_ndjson(project / "labels.ndjson", [label])).code == 0
    assert ringfence("store", "init").code == 0
    loaded = ringfence("store", "load")
    assert loaded.code == 0, loaded.err
    checked = ringfence("store", "check", "--json").json
    assert (checked["differences"], set(checked["behind"].values())) == ([], {0})
    asked = "SELECT outcome IS NOT NULL, is_fraud FROM decided_payments WHERE "
    assert rows(url, asked + "length(transaction_id) > 500") == [(True, True)]
    assert rows(url, asked + "transaction_id IN ('p1', 'p2', 'p7')") == [(True, None)] * 3


@pytest.mark.parametrize(("version", "told"), [("0001", "ringfence store migrate"), ("0999", "newer one")])
def test_a_store_of_another_version_is_neither_loaded_nor_checked(ringfence, url, version, told):
    ringfence("run", "one.ndjson")
    ringfence("store", "init")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE ringfence.schema_version SET version_num = %s", [version])
    for command in ("load", "rebuild", "check"):
        ended = ringfence("store", command)
        assert (ended.code, told in ended.err) == (3, True), ended.err
    assert rows(url, "SELECT count(*) FROM transactions") == [(0,)]


@pytest.mark.parametrize(
    ("address", "code", "told"),
    [
        (None, 2, "store_url"),
        ("mysql://bank:hunter2@host/x", 2, "postgresql://USER@HOST"),
        ("postgresql://bank:hunter2@127.0.0.1:1/x", 3, "Is the server up"),
    ],
)
def test_an_address_that_is_missing_or_wrong_is_told_without_its_password(
    ringfence, monkeypatch, address, code, told
):
    monkeypatch.delenv("RINGFENCE_STORE_URL", raising=False)
    found = ringfence("store", "init", *([] if address is None else ["--to", address]))
    assert (found.code, told in found.err, "hunter2" in found.err + found.out) == (code, True, False)


@pytest.mark.slow
def test_the_follower_keeps_it_up_to_date(ringfence, project, url):
    """A process of its own, as `serve` starts it, with the database's schema made after it began."""
    ringfence("run", "one.ndjson")
    with subprocess.Popen(
        [sys.executable, "-m", "ringfence.cli", "follow", "--data", "ringfence-data"]
    ) as follow:
        try:
            ringfence("store", "init")
            for file, count in (("one.ndjson", 60), ("two.ndjson", 90)):
                ringfence("run", file)
                _until(lambda count=count: rows(url, "SELECT count(*) FROM decisions") == [(count,)])
        finally:
            follow.terminate()
    assert follow.returncode == 0
    listed = ringfence("followers", "list", "--json").json
    assert {row["lag"] for row in listed if row["follower"] == "relational"} == {0}


def _until(what):
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end
        time.sleep(0.2)
