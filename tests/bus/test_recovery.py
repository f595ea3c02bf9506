"""A destination that was dead and is back: how soon its messages are there, and what they cost it meanwhile.

The clock is the test's: it moves on by what a round says that there is nothing to do.
"""

from random import Random

import pytest
from tests.bus.test_outbox import NOW_MS, Clock, take
from tests.lakes import decisions, events

from ringfence.adapters.outbox import Courier
from ringfence.adapters.outbox.delivery import DestinationRound
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome
from ringfence.bus.subscription import Subscription
from ringfence.cli import execute
from ringfence.errors import StoreError

PATTERN = '{"type": ["com.ringfence.decision.made.v1"]}'
MINUTE_MS = 60_000
DAY_MS = 86_400_000
MOST_ROUNDS = 400_000  # three days of looks, each a second after the other, take 250,000


class Target:
    """Takes what comes from `well_ms` on, apart from messages that it never takes."""

    def __init__(self, clock, well_ms=0, refused=()):
        self.clock, self.well_ms, self.refused = clock, well_ms, set(refused)
        self.attempts, self.taken = [], {}

    def deliver(self, message):
        now_ms = self.clock.ms
        self.attempts.append((now_ms, message.id))
        if now_ms < self.well_ms or message.id in self.refused:
            return AttemptOutcome(AttemptEnd.RETRY, "503 Not now")
        self.taken[message.id] = now_ms
        return AttemptOutcome(AttemptEnd.DELIVERED)

    def close(self):
        pass

    def tried(self, message_id):
        return sum(one == message_id for _, one in self.attempts)


@pytest.fixture
def clock():
    return Clock()


def waiting(store, bus, count):
    bus.subscribe(Subscription(name="s", pattern=PATTERN, to="console:"))
    base = store.log.end_offset("events")
    store.commit([events(base, count + 1), decisions(base, count + 1)])
    take(store)


@pytest.fixture
def delivery(bus, clock):
    """Makes what delivers to a target."""
    made = []

    def deliver_to(target, seed=1):
        courier = Courier(bus, {"console": target}, clock, Random(seed))
        made.append(DestinationRound(bus, bus.destination("console:"), courier.attempt, clock, Random(seed)))
        return made[-1]

    yield deliver_to
    for one in made:
        one.start()
        one.stop()
        one.join()


def go_on(one, clock, done, slowest_ms=1000):
    """Deliver until it is done, in so many rounds; a pause is `slowest_ms` at most."""
    for _ in range(MOST_ROUNDS):
        if done():
            return
        seconds = one._deliver()
        clock.ms += min(slowest_ms, round(seconds * 1000)) if seconds else 1
    pytest.fail(f"it is not done after {MOST_ROUNDS:,} rounds")


def left(bus):
    ((count,),) = bus.database.rows("SELECT count(*) FROM message WHERE state = 'waiting'")
    return count


@pytest.mark.parametrize("seed", range(2))
def test_thousands_of_messages_arrive_within_a_minute_of_their_destinations_return(
    store, bus, clock, delivery, seed
):
    waiting(store, bus, 3000)
    target = Target(clock, NOW_MS + 2 * MINUTE_MS)
    go_on(delivery(target, seed), clock, lambda: not left(bus))
    assert len(target.taken) == 3000
    assert max(target.taken.values()) <= target.well_ms + MINUTE_MS + 5000
    assert sum(at < target.well_ms for at, _ in target.attempts) < 64 + 20


def test_a_destination_that_fails_for_a_second_is_tried_again_after_seconds(store, bus, clock, delivery):
    """A whole portion that fails is one failure of the destination, not sixty-four in a row."""
    waiting(store, bus, 500)
    target = Target(clock, NOW_MS + 1000)
    go_on(delivery(target), clock, lambda: not left(bus), 100)
    assert max(target.taken.values()) <= target.well_ms + 5000


def test_few_messages_arrive_within_a_minute_after_hours(store, bus, clock, delivery):
    """Their own waits have grown to an hour; the destination is tried every minute at least."""
    waiting(store, bus, 2)
    target = Target(clock, NOW_MS + 180 * MINUTE_MS)
    go_on(delivery(target), clock, lambda: not left(bus))
    assert max(target.taken.values()) <= target.well_ms + MINUTE_MS + 5000
    assert len(target.attempts) < 2 * 180 + 20
    gaps = [
        after - before for (before, _), (after, _) in zip(target.attempts, target.attempts[1:], strict=False)
    ]
    assert len(set(gaps[20:])) > 20, "the waits are spread"


def test_messages_that_alone_are_refused_keep_their_own_waits(store, bus, clock, delivery):
    """They trip the breaker, and the others show again and again that the destination is well."""
    waiting(store, bus, 9)
    bad = [one.id for one in bus.letters()[:6]]
    target = Target(clock, refused=bad)
    until_ms = NOW_MS + 10 * MINUTE_MS
    go_on(delivery(target), clock, lambda: clock.ms > until_ms)
    assert len(target.taken) == 3
    assert max(target.taken.values()) <= NOW_MS + MINUTE_MS
    before = {one: target.tried(one) for one in bad}
    for _ in range(30):
        waiting(store, bus, 9)
        until_ms = clock.ms + MINUTE_MS
        go_on(delivery(target), clock, lambda: clock.ms > until_ms)  # noqa: B023 (called at once)
    assert len(target.taken) == 3 + 270
    assert max(target.tried(one) - before[one] for one in bad) < 16


def test_what_a_dead_destination_keeps_waiting_is_given_up_after_days_though_never_tried(
    store, bus, clock, delivery
):
    """One message a minute is tried: without this, what comes faster would wait for ever."""
    waiting(store, bus, 8000)
    bus.subscribe(Subscription(name="held", pattern=PATTERN, to="console:", start={"decisions": 7998}))
    take(store)
    bus.pause("held", paused=True)
    target = Target(clock, NOW_MS + 30 * DAY_MS)
    one = delivery(target)
    go_on(one, clock, lambda: clock.ms > NOW_MS + 2.9 * DAY_MS, MINUTE_MS)
    assert bus.letters(state="dead") == []
    go_on(one, clock, lambda: clock.ms > NOW_MS + 3.1 * DAY_MS, MINUTE_MS)
    assert {one.subscription for one in bus.letters(state="waiting")} <= {"held"}
    assert {one.said for one in bus.letters(state="dead", limit=9000)} == {"503 Not now"}


def test_what_a_pause_holds_back_is_not_given_up_and_has_its_days_after_the_pause(
    store, bus, clock, delivery
):
    bus.subscribe(Subscription(name="held", pattern=PATTERN, to="console:", start={"decisions": 0}))
    waiting(store, bus, 9)
    target = Target(clock, NOW_MS + 8 * DAY_MS)
    one = delivery(target)

    def given_up(by_day):
        go_on(one, clock, lambda: clock.ms > NOW_MS + by_day * DAY_MS, 10 * MINUTE_MS)
        return bus.letters(state="dead", subscription="held")

    assert given_up(0.1) == []
    bus.pause("held", paused=True)
    held = {letter.id for letter in bus.letters(state="waiting", subscription="held")}
    assert held
    assert given_up(2) == []
    for _ in range(3):  # what comes meanwhile tries the destination
        waiting(store, bus, 9)
        assert given_up((clock.ms - NOW_MS) / DAY_MS + 1.4) == []
    bus.pause("held", paused=False)
    assert given_up(7.9) == []
    go_on(one, clock, lambda: not left(bus), MINUTE_MS)
    assert held <= set(target.taken)


@pytest.mark.parametrize("by_address", [False, True])
def test_a_retry_by_hand_does_not_wait_for_the_breaker(store, bus, clock, delivery, by_address):
    waiting(store, bus, 9)
    target = Target(clock, NOW_MS + 90 * MINUTE_MS)
    one = delivery(target)
    go_on(one, clock, lambda: clock.ms >= target.well_ms)
    assert bus.destination("console:").open_until_ms > clock.ms
    chosen = bus.letters(state="waiting")[0].id
    asked = ["--to", "console:"] if by_address else [chosen]
    assert execute(["outbox", "retry", *asked, "--data", str(store.folder)]) == 0
    now_ms = clock.ms
    go_on(one, clock, lambda: not left(bus))
    assert max(target.taken.values()) <= now_ms + 1000


@pytest.mark.parametrize("act", ["retry", "purge"])
def test_an_unknown_message_is_named_and_nothing_is_done_for_the_others(store, bus, clock, capsys, act):
    waiting(store, bus, 2)
    before = bus.letters()
    asked = ["outbox", act, before[0].id, "nope", "--data", str(store.folder)]
    assert execute(asked) == 2
    assert "no message 'nope'" in capsys.readouterr().err
    assert bus.letters() == before


def test_what_waits_since_before_an_upgrade_follows_the_first_success(store, bus, clock, delivery):
    """Of those attempts it was noted how many failed, and not when."""
    waiting(store, bus, 30)
    with bus.database.transaction() as connection:
        hour_ms = clock.ms + 60 * MINUTE_MS
        connection.execute("UPDATE message SET attempts = 9, due_ms = ?, tried_ms = 0", (hour_ms,))
        bus.change_within(connection, "console:", failing=9, open_until_ms=clock.ms + 1000)
    target = Target(clock)
    go_on(delivery(target), clock, lambda: not left(bus))
    assert max(target.taken.values()) <= NOW_MS + 5000


def test_an_outcome_that_cannot_be_noted_is_no_wish_to_try_at_once(store, bus, clock, delivery):
    waiting(store, bus, 9)
    with bus.database.transaction() as connection:
        connection.execute("DELETE FROM message WHERE seq > (SELECT min(seq) FROM message)")
        connection.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON destination BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    target = Target(clock)
    asked = AttemptOutcome(AttemptEnd.RETRY, "429", 3600.0)
    target.deliver = lambda message: target.attempts.append((clock.ms, message.id)) or asked
    one = delivery(target)
    with pytest.raises(StoreError):
        go_on(one, clock, lambda: False)
    with bus.database.transaction() as connection:
        connection.execute("DROP TRIGGER full")
    go_on(one, clock, lambda: clock.ms > NOW_MS + 50 * MINUTE_MS)
    assert len(target.attempts) == 1


def test_a_courier_that_starts_again_knows_what_a_destination_asked_for(store, bus, clock, delivery):
    """`Retry-After` holds over a restart, and also when an attempt that was under way succeeds."""
    waiting(store, bus, 200)
    answers = [AttemptOutcome(AttemptEnd.RETRY, "429", 3600.0), AttemptOutcome(AttemptEnd.DELIVERED)]
    target = Target(clock)
    target.deliver = lambda message: (
        target.attempts.append((clock.ms, message.id)) or answers[len(target.attempts) % 2]
    )
    one = delivery(target)
    one._deliver()
    one._deliver()
    begun = len(target.attempts)
    assert begun <= 64  # a portion
    for _ in range(3):
        again = delivery(target)
        go_on(again, clock, lambda: clock.ms >= NOW_MS + 50 * MINUTE_MS)
        clock.ms = NOW_MS + 1000
    assert len(target.attempts) == begun
