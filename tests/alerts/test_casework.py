"""Alerts join the cases of their payments, and what happens to cases is told on the bus."""

import sqlite3
from contextlib import closing

import msgspec
import pytest
from tests.alerts.test_alerting import HOUR, take
from tests.lakes import fill

from ringfence.adapters.cases import CaseFollower, SqliteCases
from ringfence.adapters.outbox import AlertBook, Bus, Casework
from ringfence.adapters.sqlite import Store
from ringfence.bus.subscription import EVERYTHING, Subscription
from ringfence.cases import actions
from ringfence.cases.book import CaseQuery
from ringfence.cases.model import Disposition, Proposed, Reported
from ringfence.cases.policy import CasePolicy
from ringfence.follow import catch_up

POLICY = CasePolicy()


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "data") as opened:
        yield opened


def open_cases(store, *, again=False):
    follower = CaseFollower(store.log, store.folder, POLICY)
    if again:
        follower.reset()
    catch_up(store.log, follower)
    follower.close()


def joined(store):
    book = SqliteCases(store.folder)
    found = {case.id: case.alerts for case in book.cases(CaseQuery(limit=100), HOUR)}
    book.close()
    return found


def test_alerts_wait_for_the_case_of_their_payment_and_join_it_once(store):
    fill(store, batches=4)
    take(store)
    bus = Bus(store.folder)
    casework = Casework(bus, store.folder, POLICY, "log")
    assert casework.look(HOUR) == 0  # there are no cases yet
    assert not SqliteCases.are_in(store.folder)
    open_cases(store)
    assert casework.look(HOUR) == 3
    alerts = {one.id for one in AlertBook(bus.database).alerts()}
    assert {one for found in joined(store).values() for one in found} == alerts
    assert all(len(found) == 1 for found in joined(store).values())
    open_cases(store, again=True)  # cases that are made again get their alerts again, once
    casework.look(HOUR)
    assert casework.look(HOUR) == 0
    assert all(len(found) == 1 for found in joined(store).values())
    casework.close()
    bus.close()


def test_an_alert_in_a_case_is_not_counted_as_open(store):
    fill(store, batches=4)
    take(store)
    bus = Bus(store.folder)
    book = AlertBook(bus.database)
    open_cases(store)
    assert book.counts() == {"open": 3, "in_case": 0, "acknowledged": 0}
    casework = Casework(bus, store.folder, POLICY, "log")
    casework.look(HOUR)
    assert book.counts() == {"open": 0, "in_case": 3, "acknowledged": 0}
    assert book.alerts(state="open") == []
    listed = book.alerts(state="in_case")
    assert {one.state for one in listed} == {"in_case"}
    assert {one.case: [one.id] for one in listed} == joined(store)
    seen = book.acknowledge(listed[0].id, "anna", HOUR)
    assert (seen.state, seen.case) == ("acknowledged", listed[0].case)
    assert book.counts() == {"open": 0, "in_case": 2, "acknowledged": 1}
    casework.close()
    bus.close()


def test_alerts_that_joined_a_case_before_the_list_knew_are_found_once(store):
    fill(store, batches=4)
    take(store)
    bus = Bus(store.folder)
    open_cases(store)
    with closing(Casework(bus, store.folder, POLICY, "log")) as casework:
        casework.look(HOUR)
    with bus.database.transaction() as connection:  # as a version of before left it
        connection.execute("DELETE FROM joined")
        connection.execute("DELETE FROM meta WHERE name = 'joined'")
    with closing(Casework(bus, store.folder, POLICY, "log")) as casework:
        casework.look(HOUR)
    assert AlertBook(bus.database).counts() == {"open": 0, "in_case": 3, "acknowledged": 0}
    bus.close()


def test_alerts_that_no_case_takes_any_more_are_open_again(store):
    fill(store, batches=4)
    take(store)
    bus = Bus(store.folder)
    open_cases(store)
    with closing(Casework(bus, store.folder, POLICY, "log")) as casework:
        casework.look(HOUR)
    open_cases(store, again=True)
    with closing(Casework(bus, store.folder, CasePolicy(alerts="ignore"), "log")) as casework:
        casework.look(HOUR)
    assert AlertBook(bus.database).counts() == {"open": 3, "in_case": 0, "acknowledged": 0}
    bus.close()


def test_what_happens_to_a_case_is_told_but_not_that_it_was_reported(store):
    fill(store, batches=1)
    bus = Bus(store.folder)
    pattern = (
        '{"type": [{"prefix": "com.ringfence.case."}], "data": {"change": [{"anything-but": "joined"}]}}'
    )
    bus.subscribe(Subscription(name="cases", pattern=pattern, to="console:"))
    casework = Casework(bus, store.folder, POLICY, "log")
    open_cases(store)
    book = SqliteCases(store.folder)
    with book.work() as work:
        case = actions.note(work, work.case("C-1"), "secret", "anna", HOUR)
        proposal = Proposed(disposition=Disposition.CONFIRMED_FRAUD)
        actions.close(work, POLICY, case, proposal, "anna", HOUR)
        work.append("C-1", Reported(), "carl", HOUR)
    book.close()
    while casework.look(HOUR):
        pass
    casework.look(HOUR)
    letters = [one for one in reversed(bus.letters(limit=100)) if one.key == "C-1"]
    told = [msgspec.json.decode(one.event) for one in letters]
    assert [(one["type"].split(".")[-2], one["data"]["change"], one["data"]["by"]) for one in told] == [
        ("opened", "opened", "system"),
        ("changed", "noted", "anna"),
        ("closed", "closed", "anna"),
    ]
    assert told[-1]["data"]["disposition"] == "confirmed_fraud"
    assert [one.id for one in letters] == [f"log:case:C-1:{v}:cases" for v in (1, 3, 4)]
    assert "secret" not in str(told)
    casework.close()
    bus.close()


def test_cases_that_nobody_subscribes_to_write_nothing_beside_the_messages(store):
    """The process of the messages shares the file: each write holds it up."""
    fill(store, batches=1)
    bus = Bus(store.folder)
    casework = Casework(bus, store.folder, POLICY, "log")
    open_cases(store)
    bus.database.rows("SELECT 1")
    with closing(sqlite3.connect(bus.database.path)) as beside:
        before = beside.execute("PRAGMA data_version").fetchone()
        casework.look(HOUR)
        assert beside.execute("PRAGMA data_version").fetchone() == before
    bus.subscribe(Subscription(name="cases", pattern=EVERYTHING, to="console:", created_ms=2 * HOUR))
    casework.look(2 * HOUR)
    assert bus.letters() == []
    casework.close()
    bus.close()
