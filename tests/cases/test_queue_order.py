"""The queue's order and its totals are those that reading every case would give."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.cases.desk import payment

from ringfence.adapters.cases import SqliteCases
from ringfence.adapters.cases.schema import IN_ORDER, ORDERS, QUEUES, SCHEMA, TOTALS
from ringfence.adapters.cases.urgency import most_urgent
from ringfence.cases import wire
from ringfence.cases.book import CaseQuery
from ringfence.cases.model import LIVE as LIVE_STATES
from ringfence.cases.model import CaseState

NOW = 1_800_000_000_000
HOUR = 3_600_000
LIVE = "state IN ('open', 'proposed')"
COLUMNS = ["number", "case_id", "state", "queue", "assignee", "lease_until_ms", "ready_ms", "opened_ms"]
COLUMNS += ["due_ms", "changed_ms", "closed_ms", "closed_by", "escalated", "proposed_by", "loss", "amount"]
COLUMNS += ["disposition", "body"]
ROW = st.fixed_dictionaries(
    {
        "state": st.sampled_from(["open", "open", "proposed", "closed", "merged"]),
        "queue": st.sampled_from(["a", "b"]),
        "assignee": st.sampled_from([None, None, "anna"]),
        "lease_until_ms": st.sampled_from([NOW - HOUR, NOW + HOUR, 1 << 53]),
        "ready_ms": st.sampled_from([NOW - HOUR, NOW, NOW + HOUR]),
        "opened_ms": st.integers(NOW - 9 * HOUR, NOW),
        "due_ms": st.sampled_from([NOW - HOUR, NOW]) | st.integers(NOW - HOUR, NOW + 8 * HOUR),
        "escalated": st.sampled_from([0, 0, 0, 1]),
        "loss": st.sampled_from([0.0, 5.0]) | st.floats(0, 1e6),
    }
)
EQUAL = {"state": "open", "queue": "a", "assignee": None, "lease_until_ms": 1 << 53, "ready_ms": NOW}
EQUAL |= {"opened_ms": NOW, "due_ms": NOW, "escalated": 0, "loss": 5.0}
FIXED = {"changed_ms": NOW, "closed_ms": None, "closed_by": None, "proposed_by": None, "amount": 1.0}


def save(connection, number, row):
    found = {"number": number, "case_id": f"C-{number}", "disposition": None, "body": b"{}", **FIXED, **row}
    marks = ", ".join(f":{name}" for name in COLUMNS)
    sets = ", ".join(f"{name} = :{name}" for name in COLUMNS[2:])
    connection.execute(
        f"INSERT INTO standing VALUES ({marks}) ON CONFLICT (number) DO UPDATE SET {sets}", found
    )


def opened(rows):
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    connection.executescript(TOTALS)
    for number, row in enumerate(rows, start=1):
        save(connection, number, row)
    return connection


def counted(connection):
    """What each queue holds, by reading every case."""
    text = f"""
    SELECT queue, sum(ready_ms <= :now), sum(ready_ms > :now),
      sum(ready_ms <= :now AND assignee IS NOT NULL AND lease_until_ms > :now),
      sum(due_ms <= :now), sum(loss), min(CASE WHEN ready_ms <= :now THEN opened_ms END)
    FROM standing WHERE {LIVE} GROUP BY queue ORDER BY queue"""
    return [
        tuple(pytest.approx(one, abs=1e-6) if type(one) is float else one for one in row)
        for row in rows(connection, text)
    ]


def rows(connection, text):
    return connection.execute(text, {"now": NOW}).fetchall()


@given(st.lists(ROW, max_size=300), st.integers(1, 40))
@example([EQUAL] * 200, 3)
@settings(max_examples=60, deadline=None)
def test_the_most_urgent_ones_are_those_of_the_whole_order(made, most):
    text = f"SELECT number FROM standing WHERE {LIVE} ORDER BY {ORDERS['urgency']} LIMIT {most}"
    with closing(opened(made)) as connection:
        assert most_urgent(connection, NOW, most) == [number for (number,) in rows(connection, text)]


@given(st.lists(ROW, max_size=30), st.lists(st.tuples(st.integers(1, 30), ROW | st.none()), max_size=30))
@settings(max_examples=60, deadline=None)
def test_totals_follow_cases_that_come_move_and_go(made, changes):
    with closing(opened(made)) as connection:
        for number, row in changes:
            if row is None:
                connection.execute("DELETE FROM standing WHERE number = ?", (number,))
            else:
                save(connection, number, row)
            assert rows(connection, QUEUES) == counted(connection)


def test_a_file_from_before_has_its_totals_counted_once(office):
    office.take(payment(1, customer="ada"), payment(2, customer="bob"))
    before = office.book.queues(NOW)
    with closing(sqlite3.connect(office.book.path)) as connection:
        connection.executescript(
            "DROP TRIGGER standing_comes; DROP TRIGGER standing_goes; DROP TRIGGER standing_moves; "
            "DROP TABLE queue_total"
        )
    again = SqliteCases(office.book.path.parent)
    assert again.queues(NOW) == before
    assert again.count(CaseQuery(), NOW) == 2
    again.close()


def test_a_case_is_closed_and_reopened_without_a_look_at_others(office):
    """A table that is read as a whole takes longer with every case there is."""
    office.take(payment(1), payment(2))
    asked = []
    office.book._writer().set_trace_callback(asked.append)
    office.close("C-1")
    office.act("C-1", wire.Reopen)
    office.book._writer().set_trace_callback(None)
    changes = [one for one in asked if one.startswith(("INSERT", "UPDATE", "DELETE", "SELECT"))]
    assert any(one.startswith("DELETE FROM subject") for one in changes)
    with closing(sqlite3.connect(office.book.path)) as connection:
        plans = [row[3] for one in changes for row in connection.execute(f"EXPLAIN QUERY PLAN {one}")]
    assert [one for one in plans if one.startswith("SCAN")] == []


@pytest.mark.parametrize("states", [LIVE_STATES, (CaseState.CLOSED,), tuple(CaseState)])
def test_a_page_is_read_from_an_index_in_whatever_order_and_by_whatever_filter(office, states):
    """Rows of the table, which hold whole cases, are read for the cases of the page alone."""
    office.take(payment(1))
    now, asked = NOW, []
    for order in IN_ORDER:
        for more in ({}, {"ready": True}, {"queue": "default"}, {"overdue": False}, {"assignee": "anna"}):
            query = CaseQuery(states=states, order=order, **more)
            with office.book.reading() as connection:
                connection.set_trace_callback(asked.append)
            office.book.cases(query, now)
            office.book.count(query, now)
            with office.book.reading() as connection:
                connection.set_trace_callback(None)
    texts = {one for one in asked if one.startswith(("WITH chosen", "SELECT count(*) FROM standing"))}
    assert texts
    with closing(sqlite3.connect(office.book.path)) as connection:
        for text in texts:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")]
            chosen = [one for one in plan if one.startswith(("SCAN standing", "SEARCH standing"))]
            assert all(
                "COVERING INDEX" in one or "standing_mine" in one or "PRIMARY KEY" in one for one in chosen
            ), plan
