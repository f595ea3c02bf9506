"""Old messages go in portions, and those about people under legal hold stay."""

import pytest
from tests.lakes import fill

from ringfence.adapters.outbox import BusPersons, OutboxFollower
from ringfence.bus.subscription import Subscription
from ringfence.desks.person_search import NOBODY, PersonTokens
from ringfence.follow import catch_up

NOW_MS = 1_750_000_000_000


@pytest.fixture
def persons(store, bus):
    """Messages about twenty decisions and a case, all delivered."""
    bus.subscribe(Subscription(name="all", to="console:", pattern="score >= 0"))
    fill(store, batches=2)
    follower = OutboxFollower(store.log, store.folder, "log", lambda: NOW_MS)
    catch_up(store.log, follower)
    follower.close()
    with bus.database.transaction() as connection:
        connection.execute(
            "INSERT INTO message "
            "(id, subscription, destination, key, ordered, event, state, due_ms, made_ms) "
            "VALUES ('case', 'all', 'console:', 'C-7', 0, ?, 'waiting', 0, ?)",
            (b'{"data": {"alert": {"payments": ["t5", "t6"]}, "note": "of pd_%s"}}' % (b"a" * 32), NOW_MS),
        )
        connection.execute("UPDATE message SET state = 'delivered'")
    return BusPersons(bus.database, store.log)


def left(bus):
    return len(bus.letters(limit=1000))


def test_messages_go_some_at_a_time(persons, bus, monkeypatch):
    monkeypatch.setattr("ringfence.adapters.outbox.persons._AT_ONCE", 5)
    every, said = left(bus), []
    assert every > 15
    assert persons.expire_messages(NOW_MS, NOBODY) == 0
    bus.database._connection.set_trace_callback(said.append)
    assert persons.expire_messages(NOW_MS + 1, NOBODY, dry=True) == every
    assert [one for one in said if one.startswith(("BEGIN", "DELETE"))] == []
    assert persons.expire_messages(NOW_MS + 1, NOBODY) == every
    kinds = [one.split()[0] for one in said]
    sizes = [part.split().count("DELETE") for part in " ".join(kinds).split("COMMIT")]
    assert max(sizes) == 5
    assert sum(sizes) == every
    assert left(bus) == 0


@pytest.mark.parametrize(
    ("held", "cases"),
    [
        ({"payments": {"t6"}}, set()),
        ({"own": {"pd_" + "a" * 32}}, set()),
        ({}, {"C-7"}),
    ],
    ids=["payment", "token in a text", "case"],
)
def test_messages_about_somebody_under_hold_stay(persons, bus, held, cases):
    who = PersonTokens(
        person="", kind="", **{"own": frozenset()} | {k: frozenset(v) for k, v in held.items()}
    )
    every = left(bus)
    gone = persons.expire_messages(NOW_MS + 1, who, frozenset(cases))
    stays = [one.id for one in bus.letters(limit=1000)]
    assert "case" in stays
    assert gone == every - len(stays)
    assert len(stays) == (2 if "payments" in held else 1)  # and the decision on the payment


def test_a_message_that_is_to_be_sent_again_stays(persons, bus):
    assert bus.retry(["case"], now_ms=NOW_MS) == 0  # delivered
    with bus.database.transaction() as connection:
        connection.execute("UPDATE message SET state = 'waiting' WHERE id = 'case'")
    persons.expire_messages(NOW_MS + 1, NOBODY)
    assert [one.id for one in bus.letters()] == ["case"]
