"""The time that a case has: it stands still while the case rests, and does not stand in for a person."""

import pytest
from tests.cases.desk import MINUTE, NOON, payment

from ringfence.cases import model, wire
from ringfence.cases.fold import fold
from ringfence.cases.model import CaseState

HOUR = 60 * MINUTE


@pytest.mark.parametrize("on_overdue", ["escalate", "close"])
def test_a_case_that_awaits_the_customer_is_not_overdue_meanwhile(office, on_overdue):
    """
    opened      snoozed                    wakes       due
    |--- 1 h ---|---------- 24 h ----------|--- 7 h ---|
    """
    office.having(on_overdue=on_overdue, sla_minutes=480).take(payment(1))
    asked = office.act("C-1", wire.Snooze, at=NOON + HOUR, minutes=1440, reason="awaiting customer")
    assert asked.due_ms == NOON + 32 * HOUR
    assert office.desk.sweep(NOON + 24 * HOUR) == 0
    assert office.book.case("C-1").snoozed_until_ms == NOON + 25 * HOUR
    assert office.desk.sweep(NOON + 32 * HOUR) == 1
    assert fold(office.book.events("C-1")) == office.book.case("C-1")


@pytest.mark.parametrize("ends", [wire.Wake, wire.Escalate])
def test_a_case_that_wakes_early_has_the_time_that_it_had(office, ends):
    office.having(sla_minutes=480).take(payment(1))
    office.act("C-1", wire.Snooze, at=NOON + HOUR, minutes=1440)
    longer = office.act("C-1", wire.Snooze, at=NOON + 2 * HOUR, minutes=2880)
    assert longer.due_ms == NOON + 57 * HOUR
    again = office.act("C-1", ends, at=NOON + 10 * HOUR)
    assert again.snoozed_until_ms is None
    assert again.due_ms == NOON + 17 * HOUR


@pytest.mark.parametrize("ends", [wire.Wake, wire.Escalate])
def test_a_case_snoozed_before_clocks_stood_still_is_due_as_it_was(office, ends):
    """
    opened      snoozed   wakes       would wake     due
    |--- 1 h ---|--- 1 h ---|··· 1 h ···|··· 5 h ···|
    """
    office.having(sla_minutes=480).take(payment(1))
    with office.book.work() as work:
        work.append("C-1", model.Snoozed(until_ms=NOON + 3 * HOUR, reason=""), "anna", NOON + HOUR)
    assert office.act("C-1", ends, at=NOON + 2 * HOUR).due_ms == NOON + 8 * HOUR


def test_the_due_time_that_a_merge_brought_to_a_snoozed_case_stays_when_it_wakes(office):
    office.having(sla_minutes=480).take(payment(1), payment(2, at=NOON + HOUR))
    office.act("C-1", wire.Snooze, at=NOON + HOUR, minutes=120)
    version = office.book.case("C-2").version
    merged = office.act("C-1", wire.Merge, at=NOON + 2 * HOUR, other="C-2", other_version=version)
    assert merged.due_ms == NOON + 9 * HOUR  # that of the other
    assert office.act("C-1", wire.Wake, at=NOON + 2 * HOUR).due_ms == NOON + 9 * HOUR


def test_a_large_case_is_not_closed_by_the_clock(office):
    office.having(on_overdue="close", four_eyes_above=500).take(payment(1, amount=800), payment(2))
    assert office.desk.sweep(NOON + 9 * HOUR) == 2
    large, small = office.book.case("C-1"), office.book.case("C-2")
    assert (large.state, large.escalated) == (CaseState.OPEN, True)
    assert small.state is CaseState.CLOSED
    assert office.desk.sweep(NOON + 10 * HOUR) == 0


def test_a_merged_case_is_due_when_the_first_of_the_two_was(office):
    """
    C-1   |-------- 8 h --------|
    C-2      |-------- 8 h --------|      merged into either: due with C-1
    """
    for first, host, other in ((1, "C-1", "C-2"), (3, "C-4", "C-3")):
        office.take(payment(first), payment(first + 1, at=NOON + HOUR))
        version = office.book.case(other).version
        merged = office.act(host, wire.Merge, at=NOON + 2 * HOUR, other=other, other_version=version)
        assert merged.due_ms == NOON + 8 * HOUR
        assert fold(office.book.events(host)) == office.book.case(host)
    back = office.act("C-2", wire.Unmerge, at=NOON + 3 * HOUR)
    assert back.due_ms == NOON + 9 * HOUR


def test_an_escalated_case_stays_escalated_in_the_case_that_takes_it(office):
    """Else the clock would close, as part of another case, what somebody put before all others."""
    office.having(on_overdue="close").take(payment(1), payment(2, at=NOON + HOUR))
    urgent = office.act("C-1", wire.Escalate, at=NOON + HOUR, reason="the press calls")
    host = office.act("C-2", wire.Merge, at=NOON + HOUR, other="C-1", other_version=urgent.version)
    assert host.escalated
    assert office.desk.sweep(NOON + 9 * HOUR) == 0
    assert office.book.case("C-2").state is CaseState.OPEN


@pytest.mark.parametrize("on_overdue", ["escalate", "close"])
def test_a_proposal_that_waits_too_long_is_escalated_and_never_closed_by_the_clock(office, on_overdue):
    office.having(on_overdue=on_overdue, four_eyes_above=500).take(payment(1, amount=800))
    assert office.close("C-1").state is CaseState.PROPOSED
    assert office.desk.sweep(NOON + 7 * HOUR) == 0
    assert office.desk.sweep(NOON + 9 * HOUR) == 1
    waiting = office.book.case("C-1")
    assert (waiting.state, waiting.escalated, waiting.proposed_by) == (CaseState.PROPOSED, True, "anna")
    assert office.book.events("C-1")[-1].change.reason == "its approval is overdue"
    assert office.desk.sweep(NOON + 10 * HOUR) == 0
    assert office.act("C-1", wire.Approve, by="bob", at=NOON + 10 * HOUR).state is CaseState.CLOSED


def test_an_overdue_proposal_is_left_alone_where_the_policy_does_nothing(office):
    office.having(on_overdue="nothing", four_eyes_above=500).take(payment(1, amount=800))
    office.close("C-1")
    assert office.desk.sweep(NOON + 9 * HOUR) == 0
    assert not office.book.case("C-1").escalated
