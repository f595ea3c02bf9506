"""The time that a case has: it stands still while the case rests, and does not stand in for a person."""

import pytest
from tests.cases.desk import MINUTE, NOON, payment

from ringfence.cases import wire
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


def test_a_large_case_is_not_closed_by_the_clock(office):
    office.having(on_overdue="close", four_eyes_above=500).take(payment(1, amount=800), payment(2))
    assert office.desk.sweep(NOON + 9 * HOUR) == 2
    large, small = office.book.case("C-1"), office.book.case("C-2")
    assert (large.state, large.escalated) == (CaseState.OPEN, True)
    assert small.state is CaseState.CLOSED
    assert office.desk.sweep(NOON + 10 * HOUR) == 0
