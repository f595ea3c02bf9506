"""The courier: what it sends again, what holds nothing up, and what it never tells."""

import subprocess
import sys
import threading
from random import Random

import msgspec
import pytest
from tests.bus.test_outbox import DECLINES, Clock, courier, take
from tests.lakes import fill
from tests.waiting import until

from ringfence.adapters.outbox import Bus, Courier
from ringfence.adapters.outbox.database import OutboxDatabase
from ringfence.adapters.outbox.delivery import DueLetter
from ringfence.adapters.outbox.lanes import AttemptLanes
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome
from ringfence.bus.subscription import EVERYTHING, Destination, Subscription
from ringfence.bus.words import Words
from ringfence.errors import RingfenceError

from .receivers import stopping


def test_a_slow_answer_holds_up_no_other_message_to_the_same_destination(store, bus):
    bus.subscribe(Subscription(name="all", pattern=DECLINES, to="console:"))
    fill(store, batches=3)
    take(store)
    released, slow = threading.Event(), bus.letters(limit=100)[-1].id

    class Slow:
        def deliver(self, message):
            if message.id == slow:
                released.wait(30)
            return AttemptOutcome(AttemptEnd.DELIVERED)

        def close(self):
            pass

    with stopping(courier(bus, Clock(), console=Slow())):
        until(lambda: [one.id for one in bus.letters(state="waiting")] == [slow])
        released.set()
        until(lambda: not bus.letters(state="waiting"))
    assert {one.attempts for one in bus.letters(limit=100)} == {1}


def test_what_a_receiver_says_moves_no_cursor_and_turns_no_text(store, bus):
    """Its answer stands on pages and in terminals."""
    to = Destination(address="https://bank.example/hook", kind="webhook")

    class Rude:
        def deliver(self, _message):
            return AttemptOutcome(AttemptEnd.RETRY, "500 \x1b[2J\x1b]0;owned\x07\u202eevil\x00 end")

        def close(self):
            pass

    outcome = courier(bus, Clock(), webhook=Rude()).attempt(to, DueLetter(1, "id", b"{}", 0, 0))
    assert outcome.said == "500 [2J ]0;owned evil end"


def test_a_courier_that_is_killed_sends_again_with_the_same_id(store, bus):
    """Between delivery and note: the receiver has it, the outbox does not know."""
    bus.subscribe(Subscription(name="o", pattern=DECLINES, to="console:"))
    fill(store, batches=1)
    take(store)
    taken = []

    class Killed:
        def deliver(self, message):
            taken.append(message.id)
            return AttemptOutcome(AttemptEnd.DELIVERED)

        def close(self):
            pass

    with bus.database.transaction() as connection:
        connection.execute("CREATE TRIGGER stop BEFORE UPDATE ON message BEGIN SELECT raise(ABORT, 'x'); END")
    with stopping(courier(bus, console=Killed())):
        until(lambda: len(taken) >= 3)
    with bus.database.transaction() as connection:
        connection.execute("DROP TRIGGER stop")
    with stopping(courier(bus, console=Killed())):
        until(lambda: not bus.letters(state="waiting"))
    assert len(taken) >= 6
    assert set(taken) == {one.id for one in bus.letters()}


@pytest.mark.parametrize(
    "to",
    [
        "apprise:tgram://s3cret/1",
        "https://example.com/hook?token=s3cret",
        "https://example.com/services/T0AB/s3cret",
    ],
)
def test_an_error_names_a_destination_without_its_secret(tmp_path, to):
    made = Bus(tmp_path)
    made.subscribe(Subscription(name="a", pattern=EVERYTHING, to=to))

    class Failing:
        def deliver(self, message):
            raise OSError(f"cannot reach {message.to}")

        def close(self):
            pass

    courier = Courier(made, {"apprise": Failing(), "webhook": Failing()}, lambda: 1, Random(1))
    event = {"type": "com.ringfence.label.set.v1", "data": {}}
    outcome = courier.attempt(made.destination(to), DueLetter(1, "m", msgspec.json.encode(event), 0, 0))
    assert (outcome.answer, outcome.said) == (AttemptEnd.RETRY, "OSError")
    Failing.deliver = lambda _self, message: AttemptOutcome(
        AttemptEnd.RETRY, f"404: cannot post to {message.to}"
    )
    if to.startswith("https:"):
        outcome = courier.attempt(made.destination(to), DueLetter(1, "m", msgspec.json.encode(event), 0, 0))
        assert outcome.said.startswith("404")
        assert "s3cret" not in outcome.said
    for wrong in (
        lambda: made.subscribe(Subscription(name="a", pattern=EVERYTHING, to="console:")),
        lambda: made.destination(f"{to}x"),
        lambda: made.subscribe(Subscription(name="b", pattern=EVERYTHING, to="https:///x?token=s3cret")),
    ):
        with pytest.raises(RingfenceError) as refused:
            wrong()
        assert "s3cret" not in str(refused.value)
    made.close()


def test_whatever_goes_wrong_with_a_look_the_courier_looks_again(bus, monkeypatch, caplog):
    monkeypatch.setattr("ringfence.adapters.outbox.courier._LOOK_SECONDS", 0.01)
    looks, again = iter([ZeroDivisionError("odd"), KeyError("odd")]), threading.Event()

    def look(_now_ms):
        for wrong in looks:
            raise wrong
        again.set()

    with stopping(Courier(bus, {}, Clock(), Random(1), look=look)):
        assert again.wait(60)
    assert caplog.text.count("The outbox waits") == 2


@pytest.mark.parametrize(
    ("kind", "contact", "said"),
    [
        ("mail", "ada@mail.example", "550 <Ada%40Mail.example>"),
        ("mail", "ada.lovelace@mail.example", "no mailbox Ada.Lovelace here"),
        ("sms", "+49301234567", "no 49 (30) 123-45-67"),
    ],
)
def test_an_error_names_a_customer_by_the_token_alone(bus, kind, contact, said):
    token = f"pd_{'0' * 32}"

    class Failing:
        def deliver(self, message):
            raise OSError(f"{message.to} does not exist: {said}")

        def close(self):
            pass

    words, held = (lambda _event: Words("", to=token)), {token: contact}
    courier = Courier(bus, {kind: Failing()}, lambda: 1, Random(1), words, contact=held.get)
    to, letter = Destination(address=f"customer:{kind}", kind=kind), DueLetter(1, "m", b"{}", 0, 0)
    said_of = [courier.attempt(to, letter).said]
    Failing.deliver = lambda _self, message: AttemptOutcome(AttemptEnd.REFUSED, f"{message.to}: {said}")
    said_of.append(courier.attempt(to, letter).said)
    for one in said_of:
        assert one.count(token) == 2
        assert not any(word in one.lower() for word in ("ada", "301234567", "45-67"))


class Refusing:
    """Says "not now" to everything."""

    def deliver(self, _message):
        return AttemptOutcome(AttemptEnd.RETRY, "not now")

    def close(self):
        pass


def held_by_pause(bus):
    bus.pause("hook", paused=True)
    yield
    bus.pause("hook", paused=False)


def held_by_its_destination(bus):
    bus.change("console:", disabled="410 Gone")
    yield
    bus.change("console:", disabled="")


@pytest.mark.parametrize("holding", [held_by_pause, held_by_its_destination])
def test_the_days_that_a_message_is_tried_for_begin_after_it_was_held(store, bus, holding):
    """Held for ten days before its first attempt, and once more after it; it is tried for three."""
    bus.subscribe(Subscription(name="hook", pattern=DECLINES, to="console:"))
    fill(store, batches=1)
    take(store)
    clock = Clock(1000)
    clock.ms = bus.letters()[0].made_ms
    for attempts in (1, 3):
        held = holding(bus)
        next(held)
        clock.ms += 10 * 86_400_000
        with pytest.raises(StopIteration):
            next(held)
        with stopping(courier(bus, clock, console=Refusing())):
            until(lambda least=attempts: all(one.attempts >= least for one in bus.letters()))
        assert {one.state for one in bus.letters()} == {"waiting"}


def test_few_threads_make_the_attempts_that_are_answered_and_more_those_that_are_slow():
    released, threads = threading.Event(), set()

    def attempt(number):
        threads.add(threading.get_ident())
        if number == 64:
            released.wait(30)
        return number

    lanes = AttemptLanes(attempt, soon_seconds=60)
    lanes.begin(range(8))
    lanes.wait(30)
    assert sorted(lanes.ended()) == [(number, number) for number in range(8)]
    assert len(threads) == 1
    lanes.stop()
    lanes = AttemptLanes(attempt, soon_seconds=0)
    lanes.begin([64, 1, 2, 3])
    lanes.wait(0.1)
    found = []
    until(lambda: found.extend(lanes.ended()) or len(found) == 3)
    assert sorted(found) == [(1, 1), (2, 2), (3, 3)]
    released.set()
    lanes.wait(30)
    assert lanes.ended() == [(64, 64)]
    lanes.stop()


def test_who_writes_to_the_file_waits_for_another_thread_and_not_for_a_while(bus, monkeypatch):
    """SQLite would ask again later and later; with no patience at all, it would refuse."""
    monkeypatch.setattr("ringfence.adapters.outbox.database.BUSY_SECONDS", 0)
    for number in range(300):  # however many other files a process writes to
        OutboxDatabase(bus.database.path.parent / str(number))
    other, done = OutboxDatabase(bus.database.path.parent), threading.Event()

    def settle():
        other.settle()
        done.set()

    writer = threading.Thread(target=settle)
    with bus.database.transaction() as connection:
        connection.execute("INSERT INTO done VALUES ('x')")
        writer.start()
        assert not done.wait(0.2)
        assert other.rows("SELECT * FROM done") == [], "who reads waits for nobody"
    writer.join()
    assert done.is_set()
    other.close()


def test_what_a_process_of_the_messages_has_imported_is_no_matter_of_collections(store):
    """A full collection would stop it for a tenth of a second, and each message with it."""
    store.close()
    script = f"""
import gc, os, signal, threading, time
from ringfence.cli import execute

begun = gc.get_freeze_count()  # Python 3.12 has frozen some itself

def look():
    while gc.get_freeze_count() == begun:
        time.sleep(0.05)
    print(gc.get_freeze_count())
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=look).start()
execute(["follow", "--messages", "--data", {str(store.folder)!r}])
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300
    )
    assert int(told.stdout.split()[-1]) > 10_000
