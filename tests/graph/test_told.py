"""What is told of rings: signs that a ring did not make itself, once for each member, until a flag ends."""

import asyncio
from contextlib import closing

import pytest
from tests.cases.desk import NOON, Office
from tests.graph.streams import HOUR_MS, START_MS
from tests.graph.test_rings import logged
from tests.graph.test_shapes import GRAPH as PAYS
from tests.graph.test_shapes import SCATTER, kept

from ringfence.adapters.links import LinkFollower, StoredLinks, macro, undelivered
from ringfence.adapters.links.news import delivered
from ringfence.adapters.links.schema import opened
from ringfence.api.monitoring.ring_watcher import RingWatcher
from ringfence.cases import wire
from ringfence.cases.model import Disposition, Subject
from ringfence.errors import StoreError
from ringfence.events.model import Kind
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.features.links import Graph, uses
from ringfence.ports import EVENTS

GRAPH = Graph.of(uses("account", "email"), windows=[], fraud_memory="100h")


class Followed:
    """A follower that is fed payments, some of them stopped."""

    def __init__(self, folder):
        self.folder = folder
        self.follower = LinkFollower(folder, GRAPH)
        self.count = 0

    def pay(self, accounts, hour, *, stopped=False):
        rows = []
        for account in accounts.split():
            row = {"transaction_id": f"t{self.count}", "event_time_ms": START_MS + hour * HOUR_MS}
            rows.append(row | {"account_id": account, "email": account if account in "yz" else "shared"})
            self.count += 1
        if stopped:
            with closing(opened(self.folder)) as file:
                names = [(row["transaction_id"], self.count) for row in rows]
                file.executemany("INSERT INTO pending VALUES (?, ?)", names)
        self.take(rows)
        return [row["transaction_id"] for row in rows]

    def take(self, rows):
        self.follower.take(EVENTS, [logged(self.follower.positions()[EVENTS], rows)])

    def label(self, transaction, fraud, hour):
        row = {"kind": Kind.LABEL, "event_id": f"l{transaction}", "transaction_id": transaction}
        self.take([row | {"event_time_ms": START_MS + hour * HOUR_MS, "label": fraud}])

    def score(self):
        with StoredLinks.looking(self.folder) as book:
            return book.rings(1)[0].score


@pytest.fixture
def ring(tmp_path):
    """Four accounts of one address; payments of three of them were stopped, and all four were told."""
    followed = Followed(tmp_path)
    followed.pay("a b c d", 0)
    followed.pay("a b c", 1, stopped=True)
    yield followed
    followed.follower.close()


def told(folder):
    found = undelivered(folder)
    delivered(folder, [news.number for news in found])
    return [{node.id for node in news.joined} for news in found]


def test_a_ring_does_not_feed_itself(ring):
    score = ring.score()
    assert told(ring.folder) == [set("abcd")]
    ring.pay("a d", 2, stopped=True)  # by our own flag
    assert ring.score() == score
    ring.pay("e", 3, stopped=True)  # by other signs
    assert told(ring.folder) == [{"e"}]
    assert ring.score() > score


def test_what_was_cleared_is_no_sign(ring):
    told(ring.folder)
    score = ring.score()
    for number in (4, 5, 6):
        ring.label(f"t{number}", False, 2)
    ring.pay("e", 3, stopped=True)
    assert ring.score() < score


def test_a_flag_is_told_again_before_it_ends_and_forgotten_after(ring):
    told(ring.folder)
    ring.pay("y z", 40)  # the clock goes by more than one payment
    ring.pay("e", 40, stopped=True)
    assert told(ring.folder) == [{"e"}]
    ring.pay("y z", 60)
    ring.pay("f", 60, stopped=True)
    assert told(ring.folder) == [set("abcdf")]
    for hour in (500, 501, 502):
        ring.pay("y z", hour)
    with closing(opened(ring.folder, read_only=True)) as file:
        assert file.execute("SELECT count(*) FROM told").fetchone() == (0,)


def test_many_that_were_stopped_are_looked_at_in_small_transactions(tmp_path):
    followed = Followed(tmp_path)
    names = " ".join(f"x{n}" for n in range(130))
    followed.pay("first", 0)
    followed.pay(names, 1, stopped=True)
    with closing(opened(tmp_path)) as file:
        assert file.execute("SELECT count(*) FROM payment WHERE stopped = 1").fetchone() == (130,)
        assert file.execute("SELECT count(*) FROM pending").fetchone() == (0,)
        file.execute("INSERT INTO pending SELECT id, 0 FROM payment WHERE stopped = 1")
        file.execute("UPDATE payment SET stopped = 0")
        assert macro.look_around(file, set())
        assert file.execute("SELECT count(*) FROM payment WHERE stopped <> 0").fetchone() == (50,)
    followed.follower.close()


class Clock:
    def now_ms(self):
        return NOON


def watcher(folder, office, log):
    return RingWatcher(folder, Tokenizer(bytes(32)), log.append, office.desk, Clock())


def test_a_false_positive_mutes_its_ring(tmp_path):
    with Office(tmp_path) as office:
        kept(tmp_path, SCATTER, flagged="m2")
        log = []
        told = watcher(tmp_path, office, log)
        told.deliver()
        case = office.book.case(office.desk.ring([Subject("account", "m2")], "ring-1", "again", NOON).id)
        office.act(case, wire.Close, disposition=Disposition.FALSE_POSITIVE)
        follower = LinkFollower(tmp_path, PAYS)
        flag = {"kind": Kind.FLAG, "event_id": "g", "entity_type": "account", "entity_id": "s"}
        follower.take(EVENTS, [logged(7, [flag | {"event_time_ms": START_MS + 9 * HOUR_MS}])])
        follower.close()
        assert [node.id for news in undelivered(tmp_path) for node in news.joined] == ["s"]
        told.deliver()
        assert undelivered(tmp_path) == []
        assert len(log) == 1
        with office.book.work() as work:
            assert work.live_case_of(Subject("account", "s")) is None


def test_news_are_told_again_after_the_file_could_not_be_read(tmp_path):
    (tmp_path / "links.sqlite").write_text("no database")
    with pytest.raises(StoreError):
        undelivered(tmp_path)

    async def served(told):
        told.start(asyncio.get_running_loop())
        await asyncio.sleep(0.05)
        (tmp_path / "links.sqlite").unlink()
        kept(tmp_path, SCATTER, flagged="m2")
        async with asyncio.timeout(60):
            while not told.told:
                await asyncio.sleep(0.01)
        await told.stop()

    with Office(tmp_path) as office:
        log = []
        told = watcher(tmp_path, office, log)
        asyncio.run(served(told))
    assert told.told == len(log) == 1
