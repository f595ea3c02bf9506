"""200 rounds, each killed anywhere: between decision and outbox, outbox and delivery, and after it."""

from random import Random

import pytest
from tests.lakes import decisions, events

from ringfence.adapters.outbox import Bus, Courier, OutboxFollower
from ringfence.adapters.outbox.delivery import DestinationRound
from ringfence.adapters.sqlite import Store
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome
from ringfence.bus.subscription import Subscription
from ringfence.follow.pump import advance

ROUNDS = 200
PATTERN = '{"type": ["com.ringfence.decision.made.v1"], "data": {"outcome": ["decline"]}}'


class _KilledError(BaseException):
    """The process ends here."""


class Dangerous:
    """Takes messages, refuses some, and has the process killed before or after it took one."""

    def __init__(self, chance):
        self.chance, self.taken, self.is_calm = chance, [], False

    def deliver(self, message):
        danger = 1.0 if self.is_calm else self.chance.random()
        if danger < 0.1:
            raise _KilledError
        if danger < 0.2:
            return AttemptOutcome(AttemptEnd.RETRY, "not now")
        self.taken.append(message.id)
        if danger < 0.3:
            raise _KilledError
        return AttemptOutcome(AttemptEnd.DELIVERED)

    def close(self):
        pass


class Clock:
    ms = 0

    def __call__(self):
        self.ms += 1000
        return self.ms


class Portion(DestinationRound):
    """One portion of messages; what becomes of them is not noted where the process has ended."""

    def __init__(self, bus, destination, receiver, clock, chance):
        self.is_killed = False
        courier = Courier(bus, {"console": receiver}, clock, chance)

        def attempt(to, letter):
            try:
                return courier.attempt(to, letter)
            except _KilledError:
                self.is_killed = True
                return AttemptOutcome(AttemptEnd.RETRY)

        super().__init__(bus, destination, attempt, clock, chance)

    def _note(self):
        if self.is_killed:
            raise _KilledError
        super()._note()


def batches_killed(batches, after):
    for number, batch in enumerate(batches):
        if number == after:
            raise _KilledError
        yield batch


@pytest.mark.parametrize("seed", [1, 2])
def test_every_message_arrives_with_its_id_and_in_order_whatever_is_killed(tmp_path, seed):
    chance, clock = Random(seed), Clock()
    receiver = Dangerous(chance)
    with Store.open(tmp_path / "data") as store:
        bus = Bus(store.folder)
        bus.subscribe(Subscription(name="s", pattern=PATTERN, to="console:", ordered=True))
        (destination,) = bus.destinations()
        for number in range(ROUNDS):
            base = store.log.end_offset("events")
            if number % 4 == 0:
                store.commit([events(base, 10), decisions(base, 10)])
            follower = OutboxFollower(store.log, store.folder, "log", clock)
            try:
                if chance.random() < 0.3:
                    at = follower.positions().get("decisions", 0)
                    follower.take(
                        "decisions", batches_killed(store.log.read("decisions", at), chance.randrange(2))
                    )
                advance(store.log, follower, "decisions")
                Portion(bus, destination, receiver, clock, chance)._deliver()
            except _KilledError:
                pass
            follower.close()
        receiver.is_calm = True
        follower = OutboxFollower(store.log, store.folder, "log", clock)
        advance(store.log, follower, "decisions")
        while bus.letters(state="waiting"):
            clock.ms += 3_600_000
            Portion(bus, destination, receiver, clock, chance)._deliver()
        keys = {one.id: one.key for one in bus.letters(limit=10_000)}
        follower.close()
        bus.close()
    once = list(dict.fromkeys(receiver.taken))
    declined = [n for n in range(ROUNDS // 4 * 10) if n % 4 == 0 and n % 10 != 9]
    assert len(once) == len(declined)
    assert set(once) == set(keys)
    assert len(receiver.taken) > len(once)
    for key in set(keys.values()):
        offsets = [int(one.split(":")[2]) for one in once if keys[one] == key]
        assert offsets == sorted(offsets)
