"""A ring has one case, which grows and takes up the cases of its members."""

from msgspec.structs import replace
from tests.cases.desk import NOON, payment

from ringfence.cases import wire
from ringfence.cases.model import Subject


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
