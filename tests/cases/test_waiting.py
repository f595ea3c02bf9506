"""Since when a case waits, what queues call the oldest, and the outcome of cases that trade payments."""

import json

from tests.cases.desk import MINUTE, NOON, payment

from ringfence.cases import wire
from ringfence.cases.model import encode
from ringfence.scoring.rulesets.rules import Outcome

DAY = 24 * 60 * MINUTE


def oldest(office, at=NOON):
    (queue,) = office.book.queues(at)
    return queue.oldest_ms


def test_the_oldest_of_a_queue_has_waited_since_its_first_alert_whichever_case_that_is_in(office):
    """
    minute   0        10        20        30
             ada 1    ada 2     bob       now
             └─ C-1 ───┘        C-2
    """
    at = [NOON + 10 * number * MINUTE for number in range(4)]
    office.take(
        *(payment(n, customer="ada", at=at[n]) for n in range(2)), payment(2, customer="bob", at=at[2])
    )
    second = office.act("C-1", wire.Split, at=at[3], payments=["t-1"])
    assert (second.opened_ms, second.waiting_ms) == (at[3], at[1])
    office.close("C-1")
    assert oldest(office, at[3]) == at[1]
    office.act("C-2", wire.Merge, at=at[3], other=second.id, other_version=second.version)
    assert office.book.case("C-2").waiting_ms == at[1]
    office.act(second.id, wire.Unmerge, at=at[3])
    assert office.book.case("C-2").waiting_ms == at[2]


def test_a_reopened_case_waits_since_then_and_one_that_rests_does_not_wait(office):
    office.take(payment(1, customer="ada"), payment(2, customer="bob", at=NOON + MINUTE))
    office.act("C-1", wire.Snooze, minutes=60)
    assert oldest(office, NOON + 2 * MINUTE) == NOON + MINUTE
    assert oldest(office, NOON + 60 * MINUTE) == NOON
    office.close("C-2")
    office.close("C-1")
    office.act("C-1", wire.Reopen, at=NOON + DAY, reason="chargeback")
    assert oldest(office, NOON + DAY) == NOON + DAY


def test_a_case_that_was_kept_before_it_said_since_when_it_waits_waits_since_it_was_opened(office):
    (case,) = office.take(payment(1, customer="ada"))
    body = json.loads(encode(case))
    del body["waiting_ms"], body["totals"]["first_ms"]
    with office.book.work() as work:
        work.connection.execute("UPDATE standing SET body = ?", (json.dumps(body).encode(),))
    assert oldest(office) == NOON
    assert office.act(case, wire.Note, text="asked", at=NOON + MINUTE).waiting_ms == NOON


def test_a_case_has_the_strictest_outcome_of_the_payments_that_it_has_now(office):
    office.take(payment(1, customer="ada"), payment(2, customer="bob", outcome=Outcome.DECLINE))
    other = office.book.case("C-2")
    host = office.act("C-1", wire.Merge, other=other.id, other_version=other.version)
    assert host.outcome is Outcome.DECLINE
    split = office.act(host, wire.Split, payments=["t-2"])
    assert (office.book.case("C-1").outcome, split.outcome) == (Outcome.REVIEW, Outcome.DECLINE)
