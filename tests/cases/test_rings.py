"""A ring has one case, which grows and takes up the cases of its members."""

from contextlib import closing

from msgspec.structs import replace
from tests.cases.desk import MINUTE, NOON, payment

from ringfence.adapters.links import undelivered
from ringfence.adapters.links.news import tell
from ringfence.adapters.links.schema import opened
from ringfence.api.monitoring.ring_watcher import RingWatcher
from ringfence.cases import wire
from ringfence.cases.fold import fold
from ringfence.cases.model import CaseState, Disposition, Subject
from ringfence.errors import StoreFullError
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.graph.rings import Node, RingNews


class StoppedClock:
    def __init__(self, at_ms):
        self.at_ms = at_ms

    def now_ms(self):
        return self.at_ms


def members(*names):
    return [Subject("account", name) for name in names]


def pay(office, number, account):
    return office.take(replace(payment(number), entities={"account": account}))[0]


def test_a_ring_has_one_case_which_takes_up_those_of_its_members_and_what_they_pay(office):
    first, second = pay(office, 1, "r1"), pay(office, 2, "r2")
    case = office.desk.ring(members("r1", "r2", "r3"), "ring-r1", "Ring of 3", NOON)
    assert case.id == first.id
    assert case.alerts == ["ring-r1"]
    assert office.book.case(second.id).merged_into == case.id
    assert pay(office, 3, "r3").id == case.id
    grown = office.desk.ring(members("r1", "r2", "r3", "r4"), "ring-r1", "Ring of 4", NOON)
    assert grown.id == case.id
    assert grown.subjects == members("r1", "r2", "r3", "r4")
    assert pay(office, 4, "r4").id == case.id


def test_rings_that_become_one_have_one_case(office):
    one = office.desk.ring(members("a", "b"), "ring-a", "Ring of 2", NOON)
    other = office.desk.ring(members("x", "y"), "ring-x", "Ring of 2", NOON)
    case = office.desk.ring(members("a", "b", "x", "y"), "ring-a", "Ring of 4", NOON)
    assert case.id == one.id
    assert case.subjects == members("a", "b", "x", "y")
    assert office.book.case(other.id).merged_into == one.id


def test_a_members_case_that_somebody_works_on_stays_theirs(office):
    pay(office, 1, "r1")
    held = pay(office, 2, "r2")
    office.act(held, wire.Assign, to="anna")
    case = office.desk.ring(members("r1", "r2", "r3"), "ring-r1", "Ring of 3", NOON)
    assert office.book.case(held.id).is_live
    assert case.subjects == members("r1", "r3")


def told(office, case):
    return [type(one.change).__name__ for one in office.book.events(case.id)]


def test_a_ring_that_grows_after_its_case_was_closed_is_a_note(office):
    case = office.desk.ring(members("r1", "r2"), "ring-1", "Ring of 2", NOON)
    pay(office, 1, "r1")
    office.close(case.id)
    grown = office.desk.ring(members("r1", "r2", "r3"), "ring-1", "Ring of 3", NOON)
    assert (grown.id, grown.state, grown.notes) == (case.id, CaseState.CLOSED, 1)
    later = pay(office, 2, "r2")
    assert later.id != case.id
    again = office.desk.ring(members("r1", "r2", "r3", "r4"), "ring-1", "Ring of 4", NOON)
    assert (again.id, again.notes, again.alerts) == (later.id, 1, [])  # where somebody sees it
    assert again.subjects == members("r1", "r2", "r3", "r4")


def test_a_ring_that_grows_opens_its_case_again_where_the_policy_says_so(office):
    office.having(reopen_days=7)
    case = office.desk.ring(members("r1", "r2"), "ring-1", "Ring of 2", NOON)
    pay(office, 1, "r1")
    office.close(case.id, Disposition.INCONCLUSIVE)
    grown = office.desk.ring(members("r1", "r2", "r3"), "ring-1", "Ring of 3", NOON)
    assert (grown.id, grown.state) == (case.id, CaseState.OPEN)
    assert grown.subjects == members("r1", "r2", "r3")
    assert told(office, grown)[-3:] == ["Reopened", "Noted", "Widened"]


def test_a_ring_grows_in_the_case_that_its_own_was_merged_into(office):
    case = office.desk.ring(members("r1", "r2"), "ring-1", "Ring of 2", NOON)
    host = pay(office, 1, "x")
    office.act(host, wire.Merge, other=case.id, other_version=case.version)
    assert office.book.case(host.id).alerts == ["ring-1"]
    office.close(host.id)
    grown = office.desk.ring(members("r1", "r2", "r3"), "ring-1", "Ring of 3", NOON)
    assert (grown.id, grown.notes) == (host.id, 1)
    office.act(grown, wire.Reopen, reason="it grew")
    office.act(case.id, wire.Unmerge)
    assert office.book.case(host.id).alerts == []
    own = office.desk.ring(members("r1", "r2", "r3"), "ring-1", "Ring of 3", NOON)
    assert (own.id, own.alerts) == (case.id, ["ring-1"])
    for one in (host, case):
        assert fold(office.book.events(one.id)) == office.book.case(one.id)


def test_news_that_fails_waits_ever_longer_and_holds_up_no_other(office, tmp_path):
    """Real news, cases and flags; only the log refuses some of them, as a full one does."""
    store, clock, refused, put = tmp_path / "links", StoppedClock(NOON), {"bad"}, []
    with closing(opened(store)) as connection:
        for name in ("bad", "good"):
            node = (Node("account", name),)
            tell(connection, RingNews(0, f"ring-{name}", "Ring of 1", 0.9, node, node, NOON, NOON + MINUTE))

    def take(events):
        (name,) = events.table.column("entity_id").to_pylist()
        put.append(name)
        if name in refused:
            raise StoreFullError("no room")

    watcher = RingWatcher(store, Tokenizer(b"k" * 32), take, office.desk, clock)
    assert watcher.deliver()
    assert (put, watcher.told) == (["bad", "good"], 1)
    for milliseconds, is_well, calls in ((900, True, 2), (100, False, 3), (1900, True, 3), (100, False, 4)):
        clock.at_ms += milliseconds
        assert (watcher.deliver(), len(put)) == (is_well, calls)
    refused.clear()
    clock.at_ms += 4000
    assert watcher.deliver()
    assert (watcher.told, undelivered(store)) == (2, [])
