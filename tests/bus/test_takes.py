"""Takes make their messages before they lock the file, and deliveries to programs are noted together."""

import sqlite3
from contextlib import closing, suppress
from random import Random

import pytest
from tests.lakes import fill

from ringfence.adapters.outbox import AlertBook, BusPersons, OutboxFollower
from ringfence.adapters.outbox.delivery import DestinationRound
from ringfence.alerts.book import Mute
from ringfence.alerts.policy import AlertPolicy
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome
from ringfence.bus.subscription import EVERYTHING, Destination, Subscription
from ringfence.desks.person_search import NOBODY
from ringfence.errors import StoreError
from ringfence.follow import catch_up

HOOK = "https://bank.example/hook"
TEAM = AlertPolicy(team=("slack:#team",), window="1h")


def take(store, meanwhile, policy=TEAM):
    """Take all there is; `meanwhile` happens while the messages are made."""
    follower = OutboxFollower(store.log, store.folder, "log", lambda: 1, policy, lambda _digest: meanwhile())
    catch_up(store.log, follower)
    follower.close()


def test_nobody_waits_for_the_file_while_messages_are_made(store, bus):
    written = []

    def write():
        other = sqlite3.connect(bus.database.path, timeout=0, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
        other.close()
        written.append(True)

    fill(store, batches=2)
    take(store, write)
    assert written


def test_a_subscription_that_goes_while_its_messages_are_made_gets_none(store, bus):
    """Its destination is gone with it: nobody would deliver them."""
    bus.subscribe(Subscription(name="gone", pattern=EVERYTHING, to="console:"))
    bus.subscribe(Subscription(name="kept", pattern=EVERYTHING, to="mailto:a@bank.example"))

    def remove():
        if len(bus.subscriptions()) == 2:
            bus.remove("gone", ())

    fill(store, batches=2)
    take(store, remove)
    assert not bus.letters(subscription="gone")
    assert bus.letters(subscription="kept")


def test_what_is_erased_of_somebody_while_messages_are_made_has_them_made_once_more(store, bus):
    """What a take has read of them before may be gone."""
    asked, again = [], []

    def erase():
        if not again:
            BusPersons(bus.database, store.log).erase(NOBODY)
        again.append(True)

    fill(store, batches=1)
    take(store, lambda: asked.append(True))
    follower = OutboxFollower(store.log, store.folder, "log", lambda: 1, TEAM)
    follower.reset()
    follower.close()
    take(store, erase)
    assert len(again) == 2 * len(asked) > 0


def test_what_is_muted_while_messages_are_made_raises_no_alert(store, bus):
    book = AlertBook(bus.database)

    def mute():
        if not book.mutes():
            book.mute(Mute(typology="*", entity_id="c1", until_ms=10**12, by="mira"))

    fill(store, batches=2)
    take(store, mute)
    assert {one.entity_id for one in book.alerts()} == {"c0", "c2"}


def test_what_is_erased_while_messages_are_made_is_not_written_once_more(store, bus):
    """An alert that expired comes back for what happened since, and not with what was deleted."""
    persons, policy = BusPersons(bus.database, store.log), AlertPolicy(window="1h")
    fill(store, batches=1)
    take(store, lambda: None, policy)
    expired = []

    def expire():
        if not expired:
            expired.append(persons.expire_alerts(10**15, NOBODY))

    fill(store, 1, 1)
    take(store, expire, AlertPolicy(window="1h", high=5, critical=5))
    assert expired == [3]
    assert max(one.count for one in AlertBook(bus.database).alerts()) == 1


def test_a_take_ends_although_somebody_keeps_muting(store, bus):
    mutes, locked_out = [], []

    def mute():
        other = sqlite3.connect(bus.database.path, timeout=0, isolation_level=None)
        with closing(other):
            try:
                values = (f"{len(mutes)}", '{"until_ms": 1}')
                other.execute("INSERT INTO mute VALUES ('*', ?, ?)", values)
                mutes.append(values)
            except sqlite3.OperationalError:
                locked_out.append(True)

    fill(store, batches=2)
    take(store, lambda: mute() if len(mutes) < 50 else None)
    assert locked_out
    assert AlertBook(bus.database).alerts()


@pytest.fixture
def round_to(store, bus):
    """Delivers to one destination, and what it delivered."""

    def made(address, kind, *, ordered=False, answer=AttemptEnd.DELIVERED):
        bus.subscribe(Subscription(name="all", pattern=EVERYTHING, to=address, ordered=ordered))
        fill(store, batches=1)
        take(store, lambda: None, AlertPolicy())
        taken = []

        def attempt(_destination, letter):
            taken.append(letter.id)
            return AttemptOutcome(answer)

        destination = Destination(address=address, kind=kind)
        return DestinationRound(bus, destination, attempt, lambda: 1_000_000, Random(1)), taken

    return made


def test_deliveries_to_programs_are_noted_together_and_are_not_sent_twice_meanwhile(
    bus, round_to, monkeypatch
):
    monkeypatch.setattr("ringfence.adapters.outbox.delivery._NOTE_SECONDS", 3600)
    delivering, taken = round_to(HOOK, "webhook")
    for _ in range(3):
        delivering._deliver()
    assert len(taken) == len(set(taken)) == len(bus.letters(state="waiting")) > 3
    delivering.start()
    delivering.stop()  # what it knows is noted before it ends
    delivering.join()
    assert not bus.letters(state="waiting")
    assert len(taken) == len(bus.letters(state="delivered"))


@pytest.mark.parametrize(
    ("address", "kind", "more"),
    [
        ("mailto:a@bank.example", "mail", {}),
        (HOOK, "webhook", {"ordered": True}),
        (HOOK, "webhook", {"answer": AttemptEnd.REFUSED}),
    ],
)
def test_what_people_get_what_has_an_order_and_what_fails_is_noted_at_once(
    bus, round_to, monkeypatch, address, kind, more
):
    monkeypatch.setattr("ringfence.adapters.outbox.delivery._NOTE_SECONDS", 3600)
    delivering, taken = round_to(address, kind, **more)
    delivering._deliver()
    assert taken
    noted = {one.id for state in ("delivered", "dead") for one in bus.letters(state=state)}
    assert noted == set(taken)
    delivering._lanes.stop()


REFUSES = "CREATE TRIGGER refuses BEFORE UPDATE ON message BEGIN SELECT RAISE(ABORT, 'full'); END"


@pytest.mark.parametrize("answer", [AttemptEnd.DELIVERED, AttemptEnd.RETRY])
def test_what_cannot_be_noted_is_not_sent_again_and_counts_once(bus, round_to, monkeypatch, answer):
    """A full or locked file: one message went out with each look."""
    monkeypatch.setattr("ringfence.adapters.outbox.delivery._NOTE_SECONDS", 0)
    delivering, taken = round_to(HOOK, "webhook", answer=answer)
    with bus.database.transaction() as connection:
        connection.execute(REFUSES)
    for _ in range(4):
        with suppress(StoreError):
            delivering._deliver()
    assert len(taken) == len(set(taken)) > 0
    failed = len(taken) if answer is AttemptEnd.RETRY else 0
    assert delivering._breaker.failing == failed
    with bus.database.transaction() as connection:
        connection.execute("DROP TRIGGER refuses")
    delivering._settle()
    assert {one.attempts for one in bus.letters() if one.id in taken} == {1}
    if answer is AttemptEnd.DELIVERED:
        assert {one.id for one in bus.letters(state="delivered")} == set(taken)
    assert bus.destination(HOOK).failing == failed
    delivering._lanes.stop()


def test_deliveries_that_wait_to_be_noted_keep_no_place_from_others(bus, round_to, monkeypatch):
    monkeypatch.setattr("ringfence.adapters.outbox.delivery._NOTE_SECONDS", 3600)
    monkeypatch.setattr("ringfence.adapters.outbox.delivery._PORTION", 4)
    delivering, taken = round_to(HOOK, "webhook")
    delivering._under_way.add(10**9)  # one that takes long has one of the four places
    delivering._deliver()
    assert len(bus.letters(state="delivered")) == len(taken) == 3
    delivering._lanes.stop()
