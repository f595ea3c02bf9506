"""From the log to receivers: nothing is lost, nothing waits for another, and ids stay the same."""

from random import Random

import msgspec
import pytest
from tests.follow.test_members import flag_matches
from tests.lakes import decisions, events, fill, news
from tests.waiting import until

from ringfence.adapters.notifiers.addresses import networks
from ringfence.adapters.notifiers.webhook import WebhookNotifier
from ringfence.adapters.outbox import AlertBook, Bus, Courier, OutboxFollower
from ringfence.api.monitoring.objective_watcher import tell
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome
from ringfence.bus.subscription import EVERYTHING, Subscription
from ringfence.cli import execute
from ringfence.errors import ConflictError, InputError, StoreError
from ringfence.follow import catch_up
from ringfence.learning.watching.drift_alerts import DriftAlert, record
from ringfence.learning.watching.model_news import record_news
from ringfence.objectives import SloNews
from ringfence.ports import DRIFT, FLAG_MATCHES
from ringfence.testing.exams.follower import FollowerExam

from .receivers import Receiver, stopping

DECLINES = '{"data": {"outcome": ["decline"]}}'
NOW_MS = 1_750_000_000_000


def follower(store, log_id="log"):
    return OutboxFollower(store.log, store.folder, log_id, lambda: NOW_MS)


def take(store):
    one = follower(store)
    catch_up(store.log, one)
    one.close()


class Place:
    def __init__(self, store):
        self.store, self.log = store, store.log
        bus = Bus(store.folder)
        bus.subscribe(Subscription(name="declines", pattern=DECLINES, to="console:"))
        bus.subscribe(Subscription(name="all", pattern=EVERYTHING, to="mailto:a@b.example", ordered=True))
        bus.close()

    def fill(self, count):
        for _ in range(count):
            base, flags, drift = (self.log.end_offset(name) for name in ("events", FLAG_MATCHES, DRIFT))
            self.store.commit([events(base, 10), decisions(base, 10), flag_matches(flags, 2)])
            record(self.log, [DriftAlert(drift * 86_400_000, "m", "amount", 0.5, 0.2, 9)], NOW_MS)
            record_news(self.log, [news(drift)], NOW_MS)
            alarm = SloNews("burning", "latency", "page", drift, 0.99, 20.0, 60, "slow")
            tell(self.log, [alarm], NOW_MS)

    def follower(self):
        return follower(self.store)

    def content(self):
        bus = Bus(self.store.folder)
        found = sorted((one.id, one.destination, one.event) for one in bus.letters(limit=10_000))
        found += AlertBook(bus.database).alerts(limit=10_000)
        bus.close()
        return found

    def damage(self):
        path = self.store.folder / "bus.db"
        kept = path.read_bytes()
        for one in (path, path.with_name("bus.db-wal"), path.with_name("bus.db-shm")):
            one.unlink(missing_ok=True)
        path.mkdir()

        def mend():
            path.rmdir()
            path.write_bytes(kept)

        return mend


class TestOutbox(FollowerExam):
    @pytest.fixture
    def place(self, store):
        return Place(store)


def test_a_message_has_a_stable_id_and_the_event_with_its_payment(store, bus):
    bus.subscribe(Subscription(name="declines", pattern=DECLINES, to="console:"))
    fill(store, batches=1)
    take(store)
    found = bus.letters()
    assert [one.id for one in reversed(found)] == [f"log:decisions:{n}:declines" for n in (0, 4, 8)]
    event = msgspec.json.decode(found[0].event)
    assert event["type"] == "com.ringfence.decision.made.v1"
    assert event["specversion"] == "1.0"
    assert event["data"]["transaction"]["amount"] == 8.05
    assert event["data"]["typologies"] == {"card_testing": 40.0}


def test_a_subscription_begins_where_it_was_made(store, bus):
    fill(store, batches=2)
    start = {topic: store.log.end_offset(topic) for topic in ("decisions", "events")}
    bus.subscribe(Subscription(name="late", pattern=EVERYTHING, to="console:", start=start))
    fill(store, 2, 1)
    take(store)
    assert {one.id for one in bus.letters()} == {
        *(f"log:decisions:{n}:late" for n in range(18, 27)),
        "log:events:29:late",
    }


def test_an_outbox_that_is_made_again_sends_only_what_is_owed(store, bus):
    bus.subscribe(Subscription(name="declines", pattern=DECLINES, to="console:"))
    fill(store, batches=1)
    take(store)
    with bus.database.transaction() as connection:
        connection.execute("UPDATE message SET state = 'delivered' WHERE id = 'log:decisions:4:declines'")
    one = follower(store)
    one.reset()
    fill(store, 1, 1)
    catch_up(store.log, one)
    one.close()
    states = {letter.id.split(":")[2]: letter.state for letter in bus.letters()}
    assert states == {"0": "waiting", "4": "delivered", "8": "waiting", "11": "waiting", "15": "waiting"}


def again(store):
    one = follower(store)
    one.reset()
    catch_up(store.log, one)
    one.close()


def test_what_was_owed_once_and_delivered_or_thrown_away_since_is_not_sent_by_the_next_rebuild(store, bus):
    bus.subscribe(Subscription(name="declines", pattern=DECLINES, to="console:"))
    fill(store, batches=1)
    take(store)
    again(store)
    with bus.database.transaction() as connection:
        connection.execute("UPDATE message SET state = 'dead' WHERE id = 'log:decisions:8:declines'")
    assert bus.purge() == 1
    with stopping(courier(bus, console=Flaky())):
        until(lambda: not bus.letters(state="waiting"))
    again(store)
    assert {state for _, state in states(bus)} == {"delivered"}
    assert len(states(bus)) == 3


def test_a_destination_stays_with_its_secret_as_long_as_anything_names_it(store, bus):
    hook = "https://bank.example/hook"
    one = Subscription(name="declines", pattern=DECLINES, to=hook)
    bus.subscribe(one)
    secret = bus.destination(hook).secrets
    bus.remove("declines", kept=[hook])
    assert bus.destination(hook).secrets == secret
    bus.subscribe(one)
    bus.subscribe(Subscription(name="all", pattern=EVERYTHING, to=hook))
    bus.remove("all", kept=[])
    assert bus.destination(hook).secrets == secret
    fill(store, batches=1)
    take(store)
    with bus.database.transaction() as connection:
        connection.execute("UPDATE message SET state = 'dead' WHERE id = 'log:decisions:8:declines'")
    assert bus.remove("declines", kept=[]) == 2
    assert bus.destination(hook).secrets == secret
    bus.purge()
    bus.subscribe(one)
    bus.remove("declines", kept=[])
    with pytest.raises(InputError, match="no destination"):
        bus.destination(hook)


def test_the_command_keeps_a_destination_of_the_alert_policy(store, bus, tmp_path, monkeypatch):
    hook = "https://bank.example/hook"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alerts.toml").write_text(f'team = ["{hook}"]')
    bus.subscribe(Subscription(name="declines", pattern=DECLINES, to=hook))
    secret = bus.destination(hook).secrets
    assert execute(["bus", "remove", "declines", "--data", str(store.folder)]) == 0
    assert not bus.subscriptions()
    assert bus.destination(hook).secrets == secret


@pytest.mark.parametrize("state", ["waiting", "dead"])
def test_undelivered_messages_are_listed_by_their_index(store, bus, state):
    """With millions delivered, the page *Event bus* read them all to find no dead one."""
    fill(store, batches=2)
    bus.subscribe(Subscription(name="all", pattern=EVERYTHING, to="console:"))
    take(store)
    with bus.database.transaction() as connection:
        connection.execute("UPDATE message SET state = ?", (state,))
        asked = []
        connection.set_trace_callback(asked.append)
        found = bus.letters(state=state, limit=3)
        connection.set_trace_callback(None)
        (plan,) = [connection.execute(f"EXPLAIN QUERY PLAN {one}").fetchall() for one in asked]
    assert [one.id for one in found] == [one.id for one in bus.letters(limit=3)]
    steps = [step for *_, step in plan]
    index = {"waiting": "message_due", "dead": "message_dead"}[state]
    assert any(index in step for step in steps)
    assert "SCAN message" not in steps


def test_messages_are_counted_without_reading_them(store, bus):
    """`bus list` and `outbox list` read hundreds of thousands of events to count them."""
    fill(store, batches=2)
    bus.subscribe(Subscription(name="all", pattern=EVERYTHING, to="console:"))
    take(store)
    with bus.database.transaction() as connection:
        connection.execute("UPDATE message SET state = 'dead' WHERE seq = 1")
        connection.execute("UPDATE message SET state = 'delivered' WHERE seq IN (2, 3)")
        asked = []
        connection.set_trace_callback(asked.append)
        counts, figures = bus.counts(), bus.figures()
        connection.set_trace_callback(None)
        plans = [connection.execute(f"EXPLAIN QUERY PLAN {one}").fetchall() for one in asked]
    every = len(bus.letters(limit=1000))
    assert counts == [
        ("console:", "dead", 1),
        ("console:", "delivered", 2),
        ("console:", "waiting", every - 3),
    ]
    assert [one[:3] for one in figures] == [("console", every - 3, 1)]
    of_messages = [step for plan in plans for *_, step in plan if "message" in step]
    assert len(of_messages) == 5
    assert all("USING INDEX message_" in step or "USING COVERING INDEX" in step for step in of_messages)


def test_a_second_new_secret_waits_until_the_receiver_may_know_the_first(bus):
    """Only two sign: a page that is loaded again would lock the receiver out."""
    to = "https://bank.example/hook"
    bus.subscribe(Subscription(name="all", pattern=EVERYTHING, to=to))
    (first,) = bus.destination(to).secrets
    second, _ = bus.rotate(to, 1_000_000).secrets
    with pytest.raises(ConflictError, match="less than ten minutes ago"):
        bus.rotate(to, 1_599_999)
    assert bus.destination(to).secrets == (second, first)
    third, before = bus.rotate(to, 1_600_000).secrets
    assert (before, len({first, second, third})) == (second, 3)


def test_a_file_of_another_log_is_refused(store, bus):
    fill(store, batches=1)
    take(store)
    with pytest.raises(StoreError, match="another log"):
        catch_up_as(store, "other")


def catch_up_as(store, log_id):
    fill(store, 1, 1)
    one = follower(store, log_id)
    try:
        catch_up(store.log, one)
    finally:
        one.close()


def test_a_name_stands_for_one_subscription(bus):
    one = Subscription(name="a", pattern=DECLINES, to="console:")
    bus.subscribe(one)
    assert bus.subscribe(one) == one
    with pytest.raises(ConflictError):
        bus.subscribe(Subscription(name="a", pattern=EVERYTHING, to="console:"))
    with pytest.raises(InputError, match="there is no subscription 'b': a"):
        bus.subscription("b")
    for wrong in ("ftp://x", "mailto:nobody", "https://user:pw@host/", "slack:#a b", "https:///x"):
        with pytest.raises(InputError):
            bus.subscribe(Subscription(name="c", pattern=EVERYTHING, to=wrong))
    with pytest.raises(InputError, match="name"):
        bus.subscribe(Subscription(name="No Name", pattern=EVERYTHING, to="console:"))


class Clock:
    """Hours pass as fast as somebody asks."""

    def __init__(self, step_ms=0):
        self.ms, self.step_ms = NOW_MS, step_ms

    def __call__(self):
        self.ms += self.step_ms
        return self.ms


def courier(bus, clock=None, **notifiers):
    hooks = WebhookNotifier(networks(["127.0.0.0/8"]), seconds=5)
    return Courier(bus, {"webhook": hooks, **notifiers}, clock or Clock(50), Random(1))


def states(bus, to=None):
    return sorted((one.id, one.state) for one in bus.letters(destination=to, limit=1000))


def test_everything_gets_there_although_the_receiver_fails_first(store, bus):
    with Receiver(500, "half", (429, {"Retry-After": "2"}), 500, 500, 500, 204) as receiver:
        bus.subscribe(Subscription(name="hook", pattern=DECLINES, to=receiver.url))
        fill(store, batches=2)
        take(store)
        with stopping(courier(bus, Clock(200))):
            until(lambda: not bus.letters(state="waiting"))
    assert {state for _, state in states(bus)} == {"delivered"}
    assert set(receiver.ids) == {one.id for one in bus.letters()}
    assert bus.destination(receiver.url).failing == 0


def test_a_dead_destination_delays_no_other_one(store, bus):
    with Receiver(204) as well, Receiver("hang") as slow:
        for name, one in (("well", well), ("slow", slow)):
            bus.subscribe(Subscription(name=name, pattern=DECLINES, to=one.url))
        fill(store, batches=3)
        take(store)
        with stopping(courier(bus, Clock())):
            until(lambda: not bus.letters(state="waiting", destination=well.url))
            assert bus.letters(state="waiting", destination=slow.url)
            assert not bus.letters(state="delivered", destination=slow.url)


def test_one_that_has_gone_is_left_alone_until_it_is_enabled(store, bus):
    with Receiver(410, 204) as receiver:
        bus.subscribe(Subscription(name="hook", pattern=DECLINES, to=receiver.url))
        fill(store, batches=1)
        take(store)
        with stopping(courier(bus)):
            until(lambda: bus.destination(receiver.url).disabled)
            assert "410" in bus.destination(receiver.url).disabled
            bus.change(receiver.url, disabled="")
            until(lambda: not bus.letters(state="waiting"))


def test_what_is_refused_or_fails_for_days_is_a_dead_letter_and_can_be_retried(store, bus):
    bus.subscribe(Subscription(name="inside", pattern=DECLINES, to="http://10.0.0.1/x"))
    with Receiver(500) as receiver:
        bus.subscribe(Subscription(name="hook", pattern=DECLINES, to=receiver.url))
        fill(store, batches=1)
        take(store)
        with stopping(courier(bus, Clock(3_000_000))):
            until(lambda: len(bus.letters(state="dead")) == 6)
        assert "private address" in bus.letters(subscription="inside")[0].said
        assert bus.letters(subscription="hook")[0].attempts > 3
        assert bus.purge(subscription="inside") == 3
        assert bus.retry(destination=receiver.url, now_ms=NOW_MS) == 3
        receiver.script = [204]
        with stopping(courier(bus)):
            until(lambda: not bus.letters(state="waiting"))
    assert {state for _, state in states(bus)} == {"delivered"}


def test_messages_of_a_paused_subscription_wait(store, bus):
    with Receiver(204) as receiver:
        bus.subscribe(Subscription(name="hook", pattern=DECLINES, to=receiver.url))
        bus.subscribe(Subscription(name="other", pattern=DECLINES, to=receiver.url))
        bus.pause("hook", paused=True)
        fill(store, batches=1)
        take(store)
        with stopping(courier(bus)):
            until(lambda: not bus.letters(state="waiting", subscription="other"))
            assert len(bus.letters(state="waiting", subscription="hook")) == 3
            bus.pause("hook", paused=False)
            until(lambda: not bus.letters(state="waiting"))
    assert bus.remove("hook", kept=[]) == 0


class Flaky:
    """Fails every other time, and remembers."""

    def __init__(self):
        self.chance, self.taken = Random(7), []

    def deliver(self, message):
        if self.chance.random() < 0.5:
            return AttemptOutcome(AttemptEnd.RETRY, "not now")
        self.taken.append(message.id)
        return AttemptOutcome(AttemptEnd.DELIVERED)

    def close(self):
        pass


def test_order_is_kept_for_each_card_where_it_is_promised(store, bus):
    bus.subscribe(
        Subscription(
            name="o", pattern='{"type": [{"wildcard": "*.decision.*"}]}', to="console:", ordered=True
        )
    )
    fill(store, batches=3)
    take(store)
    flaky = Flaky()
    with stopping(courier(bus, Clock(500), console=flaky)):
        until(lambda: not bus.letters(state="waiting"))
    keys = {one.id: one.key for one in bus.letters()}
    for key in set(keys.values()):
        offsets = [int(one.split(":")[2]) for one in flaky.taken if keys[one] == key]
        assert offsets == sorted(offsets)
        assert len(offsets) >= 8
