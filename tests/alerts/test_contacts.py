"""Customers are written to at the address of their profile, as it was when the payment came."""

import msgspec
import pyarrow as pa
import pytest
from tests.lakes import decisions, events

from ringfence.adapters.outbox import AlertBook, Bus, BusPersons, OutboxFollower
from ringfence.adapters.outbox.contacts import Contacts
from ringfence.adapters.outbox.database import OutboxDatabase
from ringfence.adapters.sqlite import Store
from ringfence.alerts.answers import Asked, answer_key, events_of, read
from ringfence.alerts.policy import AlertPolicy
from ringfence.compose.messaging.alerts import alert_words
from ringfence.desks.person_search import PersonTokens
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.follow import catch_up
from ringfence.ports import LogBatch

POLICY = AlertPolicy(customer="mail", window="1s", contacts="profile", answer_url="https://a.example")


def profiles(base, *told):
    rows = [
        {"kind": int(Kind.PROFILE), "event_time_ms": 0, "entity_type": "customer", "entity_id": "ada"}
        | {f"attributes.{name}": value for name, value in one.items()}
        for one in told
    ]
    table = pa.RecordBatch.from_pylist(rows)
    table = table.set_column(0, "kind", table.column("kind").cast(pa.uint8()))
    return LogBatch("events", base, len(rows), 0, 1000, codec.encode(EventBatch(table)))


def payments(base):
    """Ten events, whose payments name an address that the payer typed."""
    return [
        events(base, 10, customer_id=[*["ada"] * 9, None], email=[*["thief@evil.example"] * 9, None]),
        decisions(base, 10),
    ]


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "data") as opened:
        opened.commit([profiles(0, {"email": "ada@old.example", "language": "de"})])
        opened.commit(payments(1))
        opened.commit([profiles(11, {"email": "ada@new.example"})])
        opened.commit(payments(12))
        yield opened


def asked(store, policy=POLICY, most=None):
    follower = OutboxFollower(store.log, store.folder, "log", lambda: 0, policy)
    follower.most = most or follower.most
    catch_up(store.log, follower)
    follower.close()
    bus = Bus(store.folder)
    found = [msgspec.json.decode(one.event) for one in reversed(bus.letters(limit=1000))]
    bus.close()
    return found


def test_the_address_is_the_profiles_and_never_what_the_payer_typed(store):
    found = asked(store)
    assert [(one["data"]["to"], one["data"]["language"]) for one in found] == [
        *[("ada@old.example", "de")] * 2,
        *[("ada@new.example", "de")] * 3,
    ]


def test_made_again_the_addresses_are_those_of_then(store):
    before = asked(store, most=1)
    follower = OutboxFollower(store.log, store.folder, "log", lambda: 0, POLICY)
    follower.reset()
    follower.close()
    assert asked(store) == before


def test_what_profiles_repeat_is_kept_once_and_portions_come_to_the_same(tmp_path):
    with Store.open(tmp_path / "data") as store:
        mails = ["a@x.example", "a@x.example", "b@x.example", "b@x.example", "a@x.example"]
        for offset, mail in enumerate(mails):
            store.commit([profiles(offset, {"email": mail, "language": "de"})])
        kept = []
        for name, portion in (("whole", 100), ("small", 2)):
            database = OutboxDatabase(tmp_path / name)
            contacts = Contacts(database, store.log)
            for until in (3, 3, 5):
                contacts.reach(until, portion)
            kept.append(database.rows("SELECT name, log_offset, value FROM contact ORDER BY 1, 2"))
            known = [contacts.of({"customer_id": "ada"}, offset).get("email") for offset in range(6)]
            assert known == [None, *mails]
            database.close()
    assert kept[0] == kept[1]
    assert kept[0] == [
        *[("email", 0, "a@x.example"), ("email", 2, "b@x.example"), ("email", 4, "a@x.example")],
        ("language", 0, "de"),
    ]


def test_who_was_erased_gets_no_contacts_from_profiles_of_before(tmp_path):
    """What was not read by then, or is just being read, would have come back."""
    with Store.open(tmp_path / "data") as store:
        store.commit([profiles(0, {"email": "old@x.example"})])
        store.commit([profiles(1, {"email": "unread@x.example"})])
        database = OutboxDatabase(tmp_path / "bus")
        contacts, persons = Contacts(database, store.log), BusPersons(database, store.log)
        contacts.reach(1)
        who = PersonTokens(person="ada", kind="customer", own=frozenset({"ada"}))
        assert persons.erase(who)["contacts"] == 1
        contacts.reach(2)
        assert persons.held(who)["contacts"] == []
        store.commit([profiles(2, {"email": "new@x.example"})])  # they are a customer once more
        contacts.reach(3)
        assert [one["value"] for one in persons.held(who)["contacts"]] == ["new@x.example"]
        database.close()


def test_yes_counts_only_from_a_contact_of_ones_own(store):
    """The link says whose address it went to, whatever the policy says by the time of the answer."""
    key, bus = answer_key(b"secret"), Bus(store.folder)
    typed = msgspec.structs.replace(POLICY, contacts="", window="2s")
    for policy, label in ((POLICY, [False]), (typed, [])):
        follower = OutboxFollower(store.log, store.folder, "log", lambda: 0, policy)
        follower.reset()
        with follower.bus.database.transaction() as connection:
            connection.execute("UPDATE position SET told = 0")
            connection.execute("DELETE FROM owed")
        follower.close()
        event = asked(store, policy)[0]
        link = alert_words(policy, b"secret")(event).link
        about = read(key, link.rpartition("/")[2], 0)
        assert isinstance(about, Asked)
        alert = AlertBook(bus.database).alert(about.alert_id)
        found = events_of(about, alert, "yes", 0, POLICY, key)
        assert [one["label"] for one in found] == label
        assert all(one["event_id"] != f"answer-{alert.id}" for one in found)
    bus.close()
