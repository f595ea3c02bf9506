"""Each objective is made to fail: its budget burns, and subscribers, figures and `/readyz` say so."""

import asyncio
import itertools
import json
import threading
import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ringfence.adapters.outbox import OutboxFollower
from ringfence.alerts.policy import AlertPolicy
from ringfence.api.following import Following
from ringfence.api.monitoring.objective_watcher import ObjectiveWatcher
from ringfence.api.outboxes import Outboxes
from ringfence.bus.catalog import OBJECTIVE_BURNING, OBJECTIVE_RECOVERED, tables
from ringfence.bus.subscription import Subscription
from ringfence.compose.folder.store import open_roll
from ringfence.errors import StoreError
from ringfence.follow import catch_up
from ringfence.objectives import OBJECTIVES, PAGE, TICKET
from ringfence.ports import EVENTS, SLO_NEWS
from ringfence.store import BUS

from .conftest import NOW_MS, payment, running, session_in

DAYS_MS = 4 * 86_400_000
SHORT_MS = 6 * 3_600_000
NOBODY = AlertPolicy()
OUTCOMES = ("approve", "review", "challenge", "decline")
URGENT = "objective is not null and severity = 'page'"
OPENED = []  # by the test that runs


@pytest.fixture(autouse=True)
def left_closed():
    yield
    while OPENED:
        OPENED.pop().close()


class Hand:
    """A clock that the test moves, from the start of a minute: budgets pass over minutes to come."""

    def __init__(self):
        self.ms = NOW_MS // 60_000 * 60_000

    def now_ms(self):
        return self.ms


class Journal:
    """A store on a disk that takes so long for each step, and with `held` until somebody sets that."""

    def __init__(self, store, seconds=0.0, held=None):
        self.store, self.log, self.seconds, self.held = store, store.log, seconds, held

    def commit(self, *args, **more):
        if self.held is not None:
            assert self.held.wait(60)
        time.sleep(self.seconds)
        self.store.commit(*args, **more)


class Broken:
    """A log or a roll that fails at one thing, until it works."""

    def __init__(self, whole, method):
        self.whole, self.method, self.works = whole, method, False

    def __getattr__(self, name):
        if name == self.method and not self.works:
            raise StoreError("no room")
        return getattr(self.whole, name)


class Watched:
    """A server, its watcher of objectives by a clock of ours, and what was told."""

    def __init__(self, client, subscribed=True):
        server = client.server
        self.client, self.server, self.hand = client, server, Hand()
        self.numbers = itertools.count()
        self.store = server.session.store
        self.bus = server.outboxes.bus
        if subscribed:
            self.bus.subscribe(Subscription(name="on-call", to="console:", pattern=URGENT))
        self.following = Following(self.store, self.hand)
        outboxes = Outboxes(self.store, self.hand)
        OPENED.extend([self.following, outboxes])
        self.watcher = server.objectives
        self.watcher.__init__(  # by a clock of ours
            *(server.metrics, self.following, outboxes),
            *(self.store.log, self.hand, self.store.folder),
        )

    def payment(self):
        """One that nobody has asked for: the same again is answered from memory."""
        return payment(f"p{next(self.numbers)}")

    def look(self, times=1, every_ms=10_000):
        for _ in range(times):
            self.hand.ms += every_ms
            self.watcher.look()

    def told(self):
        log = self.store.log
        found = [table for batch in log.read(SLO_NEWS) for table in tables(SLO_NEWS, [batch], log, "here")]
        every = itertools.chain(*(table.events(list(range(len(at)))) for at, table in found))
        return [(one["type"], one["subject"], one["data"]["severity"]) for one in every]

    def deliver(self, policy=NOBODY):
        """What the outbox makes of it for the subscriber."""
        follower = OutboxFollower(
            self.store.log, self.store.folder, "here", self.hand.now_ms, policy, lambda _: None
        )
        catch_up(self.store.log, follower)
        follower.close()
        return [json.loads(one.event) for one in self.bus.letters(limit=100)]

    def figures(self):
        registry = CollectorRegistry()
        registry.register(self.watcher)
        return generate_latest(registry).decode()


async def slow(watched):
    watched.server.runner.journal = Journal(watched.store, 0.06)
    for _ in range(12):
        assert (await watched.client.post("/v1/decisions", json=watched.payment())).status_code == 200
    watched.look()


async def refused(watched):
    held = threading.Event()  # until all that can be refused are
    watched.server.runner.journal = Journal(watched.store, held=held)
    posts = (watched.client.post("/v1/decisions", json=watched.payment()) for _ in range(30))
    asked = {asyncio.ensure_future(one) for one in posts}
    try:
        statuses = [(await one).status_code for one in itertools.islice(asyncio.as_completed(asked), 10)]
    finally:
        held.set()
    assert statuses == [503] * 10
    await asyncio.gather(*asked)
    watched.look()


async def at_the_deadline(watched):
    watched.server.runner.journal = Journal(watched.store, 0.5)
    asked = [watched.client.post("/v1/decisions", json=watched.payment()) for _ in range(12)]
    for one in await asyncio.gather(*asked):
        assert one.json()["degraded"] == ["deadline"]
    watched.look()


async def late(watched):
    roll = open_roll(watched.store.folder)
    roll.declare("lake", [EVENTS], 1)
    roll.report("lake", {EVENTS: 0}, watched.hand.ms)
    roll.close()
    assert (await watched.client.post("/v1/decisions", json=payment())).status_code == 200
    watched.look(20)


async def undelivered(watched):
    watched.bus.subscribe(Subscription(name="all", to="https://nobody.example/hook", pattern="score >= 0"))
    assert (await watched.client.post("/v1/decisions", json=payment())).status_code == 200
    assert watched.deliver()
    watched.look(45)


FORCED = {
    "latency": (slow, {}),
    "availability": (refused, {"most_waiting": 4}),
    "decided": (at_the_deadline, {"deadline_ms": 40}),
    "followers": (late, {}),
    "delivery": (undelivered, {}),
}


@pytest.mark.parametrize("name", [one.name for one in OBJECTIVES])
def test_an_objective_that_is_missed_is_told_to_everybody_and_so_is_its_end(tmp_path, name):
    force, options = FORCED[name]

    async def whole():
        with session_in(tmp_path / "data") as session:
            async with running(session, **options) as client:
                watched = Watched(client)
                await force(watched)
                ready = (await client.get("/readyz")).json()
                page = watched.figures()
                messages = [one for one in watched.deliver() if one["type"] == OBJECTIVE_BURNING]
                first = watched.told()
                watched.look(every_ms=SHORT_MS)  # a ticket waits until that has been watched
                await force(watched)
                watched.hand.ms += DAYS_MS
                watched.look(40 if name in ("followers", "delivery") else 1)
                return first, watched.told(), ready["warnings"], page, messages

    first, told, warnings, page, messages = asyncio.run(whole())
    assert (OBJECTIVE_BURNING, name, PAGE) in first
    assert (OBJECTIVE_BURNING, name, TICKET) not in first
    assert (OBJECTIVE_BURNING, name, TICKET) in told
    assert any(name in one and "page" in one for one in warnings)
    assert f'ringfence_slo_burning{{objective="{name}",severity="page"}} 1.0' in page
    assert [one["subject"] for one in messages if one["data"]["severity"] == PAGE].count(name) == 1
    assert all(one["data"]["severity"] == PAGE for one in messages)
    if name not in ("followers", "delivery"):  # these go on
        assert (OBJECTIVE_RECOVERED, name, PAGE) in told


def test_a_server_that_keeps_its_promises_tells_nothing(api):
    async def talk(client):
        watched = Watched(client, subscribed=False)
        for number in range(30):
            assert (await client.post("/v1/decisions", json=payment(f"t{number}"))).status_code == 200
        assert (await client.post("/v1/decisions", json={})).status_code in (400, 422)
        watched.server.metrics.deciding.fast = watched.server.metrics.deciding.answered  # however slow we are
        watched.look(50)
        return watched.told(), watched.watcher.warnings(), watched.figures()

    told, warnings, page = api(talk)
    assert (told, warnings) == ([], [])
    assert 'ringfence_slo_events_total{objective="availability"} 30.0' in page


def test_what_cannot_be_read_is_missed_itself_and_silences_no_other_alarm(tmp_path):
    async def whole():
        with session_in(tmp_path / "data") as session:
            bus_file = tmp_path / "data" / BUS
            bus_file.write_bytes(b"no database" * 1000)
            async with running(session) as client:  # a restart works, too
                watched = Watched(client, subscribed=False)
                await slow(watched)
                first = watched.told()
                roll = watched.following._roll
                watched.following._roll = Broken(roll, "entries")
                watched.look(20)
                watched.following._roll = roll
                return first, watched.told()

    first, told = asyncio.run(whole())
    assert (OBJECTIVE_BURNING, "latency", PAGE) in first
    assert {name for kind, name, _ in told if kind == OBJECTIVE_BURNING} == {
        *("latency", "delivery", "followers")
    }


def test_a_message_that_quiet_hours_hold_back_is_not_late(api):
    async def talk(client):
        watched = Watched(client, subscribed=False)
        watched.hand.ms = NOW_MS - NOW_MS % 86_400_000 + 23 * 3_600_000
        team = AlertPolicy(team=("console:",), outcomes=OUTCOMES, quiet="22:00-07:00", quiet_below="critical")
        assert (await client.post("/v1/decisions", json=payment())).status_code == 200
        watched.deliver(team)
        [held] = watched.bus.letters()
        with watched.bus.database.transaction() as connection:  # the server's clock is not ours
            due_ms = watched.hand.ms + 8 * 3_600_000
            connection.execute("UPDATE message SET due_ms = ? WHERE id = ?", (due_ms, held.id))
        watched.look(200)
        night = watched.told()
        watched.hand.ms = due_ms
        watched.look(60)
        return night, watched.told()

    night, told = api(talk)
    assert night == []
    assert (OBJECTIVE_BURNING, "delivery", PAGE) in told  # they are over, and nobody sends it


def test_what_the_log_cannot_take_is_told_once_it_can(api):
    async def broken(client):
        watched = Watched(client, subscribed=False)
        server, log = watched.server, Broken(watched.store.log, "append")
        watched.watcher = ObjectiveWatcher(
            *(server.metrics, watched.following, Outboxes(watched.store, watched.hand)),
            *(log, watched.hand, watched.store.folder),
        )
        with pytest.raises(StoreError):
            await slow(watched)
        assert watched.told() == []
        log.works = True
        watched.look()
        return watched.told()

    told = api(broken)
    assert told.count((OBJECTIVE_BURNING, "latency", PAGE)) == 1


def test_budgets_are_kept_for_the_next_server_when_this_one_stops(tmp_path):
    async def once(answered):
        with session_in(tmp_path / "data") as session:
            async with running(session) as client:
                watched = Watched(client, subscribed=False)
                for number in range(answered):
                    assert (await client.post("/v1/decisions", json=payment(f"t{number}"))).status_code == 200
                watched.look()
                return watched.watcher.standings()[0].counts[60][1]

    assert asyncio.run(once(5)) == 5
    assert asyncio.run(once(0)) == 5


def test_a_folder_that_takes_no_budgets_keeps_no_news_from_the_log(api):
    async def talk(client):
        watched = Watched(client, subscribed=False)
        (watched.store.folder / "watch").write_text("no folder")
        await slow(watched)
        watched.look(10)
        return watched.told()

    assert (OBJECTIVE_BURNING, "latency", PAGE) in api(talk)
