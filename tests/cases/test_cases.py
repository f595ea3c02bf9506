"""What happens to cases, in the file where they are kept."""

import json
import threading
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace
from tests.cases.desk import MINUTE, NOON, Office, payment

from ringfence.cases import wire
from ringfence.cases.book import CaseQuery
from ringfence.cases.errors import CaseStateError, SecondPersonError, StaleCaseError
from ringfence.cases.fold import fold
from ringfence.cases.model import CaseState, Disposition, Snoozed, Subject, encode
from ringfence.cases.policy import Queue, Reporting
from ringfence.cases.report import report_xml
from ringfence.errors import CorruptError, InputError
from ringfence.rulebook.desk import Who
from ringfence.scoring.rulesets.rules import Outcome

DAY = 24 * 60 * MINUTE


def test_a_review_opens_a_case_and_what_follows_joins_it(office):
    """Of the same customer; a challenge joins and opens none, an approval does neither."""
    first, again, other, joins, alone, passes = office.take(
        payment(1, customer="ada"),
        payment(2, customer="ada", probability=0.9),
        payment(3, customer="bob"),
        payment(4, customer="ada", outcome=Outcome.CHALLENGE),
        payment(5, customer="eve", outcome=Outcome.CHALLENGE),
        payment(6, customer="ada", outcome=Outcome.APPROVE),
    )
    assert first.id == again.id == joins.id == "C-1"
    assert other.id == "C-2"
    assert alone is None
    assert passes is None
    case = office.book.case("C-1")
    assert case.totals.payments == 3
    assert case.totals.amount == 300
    assert case.totals.loss == 190
    assert case.totals.score == 90
    assert case.subjects == [Subject("customer", "ada")]
    assert office.take(payment(1, customer="ada")) == [None]  # it is in a case


def test_the_state_is_what_its_events_come_to(office):
    office.take(*(payment(n, customer="ada") for n in range(5)), payment(9, customer="bob"))
    case = office.next()
    case = office.act(case, wire.Note, text="asked")
    case = office.act(case, wire.Escalate, reason="many")
    new = office.act(case, wire.Split, payments=["t-0", "t-3"])
    case = office.book.case(case.id)
    other = office.book.case("C-2")
    case = office.act(case, wire.Merge, other="C-2", other_version=other.version)
    case = office.close(case)
    office.act(case, wire.Reopen, reason="chargeback")
    office.act("C-2", wire.Unmerge)
    office.act(new, wire.Snooze, minutes=5)
    for found in ("C-1", "C-2", "C-3"):
        assert fold(office.book.events(found)) == office.book.case(found)
    ids = {
        found: {one.transaction_id for one in office.book.payments(found)} for found in ("C-1", "C-2", "C-3")
    }
    assert ids == {"C-1": {"t-1", "t-2", "t-4"}, "C-2": {"t-9"}, "C-3": {"t-0", "t-3"}}
    assert {found: office.book.case(found).totals.payments for found in ids} == {"C-1": 3, "C-2": 1, "C-3": 2}


def test_a_case_takes_back_what_was_merged_into_it_before(office):
    """A into B, B into C; then B out of C, A out of B: each has its own again."""
    office.take(*(payment(n, customer=f"c-{n}") for n in (1, 2, 3)), payment(4, customer="c-1"))

    def merge(case, other):
        office.act(case, wire.Merge, other=other, other_version=office.book.case(other).version)

    def content():
        found = ("C-1", "C-2", "C-3")
        return [sorted(one.transaction_id for one in office.book.payments(case)) for case in found]

    merge("C-2", "C-1")
    merge("C-3", "C-2")
    assert content() == [[], [], ["t-1", "t-2", "t-3", "t-4"]]
    office.act("C-2", wire.Unmerge)
    assert content() == [[], ["t-1", "t-2", "t-4"], ["t-3"]]
    assert [office.book.case(one).totals.payments for one in ("C-2", "C-3")] == [3, 1]
    office.act("C-1", wire.Unmerge)
    assert content() == [["t-1", "t-4"], ["t-2"], ["t-3"]]
    merge("C-1", "C-2")  # the other way round
    assert content() == [["t-1", "t-2", "t-4"], [], ["t-3"]]


def test_a_report_states_amounts_by_currency(office):
    office.take(payment(1, customer="ada"))
    office.take(replace(payment(2, customer="ada", amount=7.5), currency="USD"), payment(3, customer="ada"))
    case = office.close(office.next())
    payments, events = office.book.payments(case.id), office.book.events(case.id)
    root = ET.fromstring(report_xml(case, payments, events, Reporting(currency="EUR"), "anna", NOON))
    assert root.findtext("reason").startswith("3 payments, 200.00 EUR, 7.50 USD in all.")
    euro, dollar, _ = root.findall("transaction")
    foreign = "t_from_my_client/from_foreign_currency"
    assert (euro.findtext("amount_local"), euro.find(foreign)) == ("100.00", None)
    assert dollar.find("amount_local") is None
    assert [one.text for one in dollar.find(foreign)] == ["USD", "7.50"]


def test_events_out_of_order_are_no_case(office):
    office.take(payment(1))
    events = office.book.events("C-1")
    with pytest.raises(CorruptError, match="does not follow"):
        fold(events[1:])
    with pytest.raises(CorruptError, match="does not follow"):
        fold([events[0], events[0]])


def test_a_stale_view_is_refused_with_what_changed(office):
    office.take(payment(1))
    seen = office.book.case("C-1")
    office.act(seen, wire.Note, by="bob", text="the bank called")
    with pytest.raises(StaleCaseError, match="noted by bob") as caught:
        office.close(seen)
    [missed] = caught.value.missed
    assert missed.change.text == "the bank called"
    assert caught.value.case.version == seen.version + 1
    assert office.book.case("C-1").state is CaseState.OPEN


def test_a_payment_that_joins_makes_a_disposition_stale(office):
    """Nobody labels a payment that they have not seen."""
    office.take(payment(1, customer="ada"))
    seen = office.book.case("C-1")
    office.take(payment(2, customer="ada"))
    with pytest.raises(StaleCaseError, match="joined by system"):
        office.close(seen)


def test_the_queue_is_ordered_by_expected_loss_over_time_left(office):
    """500 due in an hour goes before 2000 due in eight: 8.3 a minute against 4.2."""
    office.having(
        sla_minutes=480,
        queues=[Queue(name="fast", reasons=["VELOCITY"], sla_minutes=60, outcomes=["decline"])],
    )
    office.take(
        payment(1, amount=100),
        payment(2, amount=4000),
        payment(3, amount=1000, outcome=Outcome.DECLINE),
    )
    found = office.book.cases(CaseQuery(), NOON)
    assert [case.id for case in found] == ["C-3", "C-2", "C-1"]
    assert [round(case.urgency(NOON), 2) for case in found] == [8.33, 4.17, 0.1]
    office.act("C-1", wire.Escalate)
    assert office.next().id == "C-1"


def test_next_gives_a_case_to_one_analyst_and_takes_it_back_after_a_while(office):
    office.take(payment(1, amount=900), payment(2, amount=100))
    mine = office.next("anna")
    assert mine.id == "C-1"
    assert office.next("anna").id == "C-1"
    assert office.next("bob").id == "C-2"
    assert office.next("eve") is None
    with pytest.raises(CaseStateError, match="anna is working"):
        office.close(mine, by="eve")
    later = NOON + 16 * MINUTE
    assert office.next("eve", later).id == "C-1"
    with pytest.raises(StaleCaseError, match="assigned by eve"):
        office.close(mine, by="anna", at=later)


def test_a_case_that_is_passed_goes_to_others_first(office):
    office.take(payment(1, amount=900), payment(2, amount=100))
    mine = office.next("anna")
    assert office.next("anna", passing=mine).id == "C-2"
    assert office.next("bob").id == "C-1"


def test_two_analysts_at_once_handle_each_of_500_cases_once(office):
    """Each thread has a connection of its own, as two processes would."""
    office.take(*(payment(n, amount=1 + n) for n in range(500)))
    done = {"anna": [], "bob": []}
    failures, both = [], threading.Barrier(2)

    def work(name):
        try:
            with Office(office.folder) as own:
                done[name].append(own.close(own.next(name), Disposition.FALSE_POSITIVE, by=name).id)
                both.wait()  # else one may be done before the other has begun
                while case := own.next(name):
                    own.close(case, Disposition.FALSE_POSITIVE, by=name)
                    done[name].append(case.id)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(name,)) for name in done]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sorted(done["anna"] + done["bob"]) == sorted(f"C-{n}" for n in range(1, 501))
    assert all(done.values())
    assert office.book.count(CaseQuery(states=(CaseState.CLOSED,)), NOON) == 500
    for case in office.book.cases(CaseQuery(states=(CaseState.CLOSED,), limit=500), NOON):
        assert case.finding.by in done
        assert case.id in done[case.finding.by]


def test_a_snoozed_case_comes_back(office):
    office.take(payment(1))
    case = office.act(office.next(), wire.Snooze, minutes=60, reason="awaiting customer")
    assert isinstance(office.book.events("C-1")[-1].change, Snoozed)
    assert office.next("bob") is None
    [queue] = office.desk.queues(NOON)
    assert (queue.ready, queue.resting) == (0, 1)
    assert office.next("bob", NOON + 61 * MINUTE).id == case.id


def test_a_new_case_is_held_before_it_is_handed_out(office):
    office.having(hold_minutes=10).take(payment(1))
    assert office.next(at=NOON + 9 * MINUTE) is None
    assert office.next(at=NOON + 10 * MINUTE).id == "C-1"


def test_a_large_case_is_closed_by_two(office):
    office.having(four_eyes_above=500).take(payment(1, amount=800), payment(2, amount=20))
    asked = office.close("C-1", typology="card_testing", block=["card"])
    assert asked.state is CaseState.PROPOSED
    assert not office.book.outgoing()
    with pytest.raises(SecondPersonError, match="anna proposed this"):
        office.act(asked, wire.Approve, by="anna")
    with pytest.raises(CaseStateError, match="second person"):
        office.close(asked, by="bob")
    assert office.next("anna").id == "C-2"
    assert office.next("bob").id == "C-1"
    for second in (
        Who("key:2", NOON, made_by=("key:1", "anna")),
        Who("key:3", NOON, made_ms=NOON + 1),  # was made for this
    ):
        with pytest.raises(SecondPersonError, match="the key that would approve"):
            office.desk.act("C-1", wire.Approve(version=office.book.case("C-1").version), second)
    open_again = office.act("C-1", wire.Reject, by="bob", reason="ask the customer")
    assert open_again.state is CaseState.OPEN
    office.close(open_again, by="anna", typology="card_testing", block=["card"])
    done = office.act("C-1", wire.Approve, by="bob")
    assert done.finding.by == "bob"
    assert office.book.events("C-1")[-1].change.proposed_by == "anna"
    assert len(office.book.outgoing()) == 2
    assert office.close("C-2").state is CaseState.CLOSED


def test_a_large_case_needs_two_people_however_it_is_split_and_merged(office):
    office.take(*(payment(n, customer="ada", amount=200) for n in range(4)), payment(9, amount=20))
    office.having(four_eyes_above=500)
    part = office.act("C-1", wire.Split, payments=["t-0", "t-1"])
    smaller = office.act(part, wire.Split, payments=["t-0"])
    small = office.book.case("C-2")
    host = office.act(small, wire.Merge, other=smaller.id, other_version=smaller.version)
    assert host.totals.amount == 220
    for case in ("C-1", part.id, host.id):
        assert office.close(case).state is CaseState.PROPOSED, case
    assert not office.book.outgoing()
    for case in ("C-1", "C-2", part.id, smaller.id):
        assert fold(office.book.events(case)) == office.book.case(case)


def test_a_case_that_was_kept_before_its_highest_amount_was_needs_two_people_all_the_same(office):
    office.take(*(payment(n, customer="ada", amount=400) for n in range(2)))
    kept = json.loads(encode(office.book.case("C-1")))
    del kept["highest"]
    with office.book.work() as work:
        work.connection.execute("UPDATE standing SET body = ?", (json.dumps(kept).encode(),))
    new = office.having(four_eyes_above=500).act("C-1", wire.Split, payments=["t-0"])
    assert office.close(new).state is CaseState.PROPOSED
    assert office.close("C-1").state is CaseState.PROPOSED


def test_what_changed_since_does_not_tell_of_a_report(office):
    office.take(payment(1))
    closed = office.close("C-1")
    office.desk.report("C-1", Who("carla", NOON))
    with pytest.raises(StaleCaseError) as refused:
        office.act(closed, wire.Reopen, reason="chargeback")
    assert refused.value.missed == []
    assert "report" not in str(refused.value)
    assert "carla" not in str(refused.value)
    for shown, seen in ((False, "closed"), (True, "reported")):
        last = office.desk.view("C-1", with_reports=shown).events[-1]
        assert type(last.change).__name__.lower() == seen


def test_a_report_that_could_not_be_made_is_not_on_record(office):
    """Neither one that could not be laid out, nor one of a case that somebody changed meanwhile."""
    office.take(payment(1))
    before = office.close("C-1")

    def broken(report):
        assert report.startswith(b"<?xml")
        raise InputError("PDF needs ReportLab")

    def meanwhile(report):
        office.act("C-1", wire.Note, text="wait")
        return report

    for laid_out, refusal in ((broken, InputError), (meanwhile, StaleCaseError)):
        with pytest.raises(refusal):
            office.desk.report("C-1", Who("carla", NOON), laid_out)
    kept = [type(one.change).__name__ for one in office.book.events("C-1", before.version)]
    assert kept == ["Noted"]


def test_what_was_found_reaches_the_log_once(office):
    office.take(payment(1, customer="ada"), payment(2, customer="ada"), payment(3))
    office.close("C-1", payments=["t-2"], block=["card"], typology="stolen_card")
    office.close("C-2", Disposition.INCONCLUSIVE)
    label, block = office.book.outgoing()
    assert (label.transaction_id, label.label, label.by) == ("t-2", True, "anna")
    assert label.note == "case C-1: confirmed fraud, stolen_card"
    assert block.subject == Subject("card", "k-2")
    office.book.delivered([label.id])
    assert [one.id for one in office.book.outgoing()] == [block.id]


def test_a_closed_case_takes_no_disposition_and_is_reopened_with_what_was_found(office):
    office.take(payment(1, customer="ada"))
    closed = office.close("C-1", Disposition.FALSE_POSITIVE)
    with pytest.raises(CaseStateError, match="reopen it first"):
        office.close(closed)
    again = office.act(closed, wire.Reopen, by="bob", reason="a chargeback came")
    assert again.state is CaseState.OPEN
    assert [one.disposition for one in again.earlier] == [Disposition.FALSE_POSITIVE]
    changed = office.close(again, by="bob")
    assert changed.finding.disposition is Disposition.CONFIRMED_FRAUD
    assert len({one.id for one in office.book.outgoing()}) == 2
    office.take(payment(2, customer="ada"))
    assert office.book.case("C-2").previous == "C-1"
    with pytest.raises(CaseStateError, match="open case already: C-2"):
        office.act(office.book.case("C-1"), wire.Reopen)


def test_a_new_payment_reopens_an_inconclusive_case_where_the_policy_says_so(office):
    office.having(reopen_days=7).take(payment(1, customer="ada"))
    office.close("C-1", Disposition.INCONCLUSIVE)
    [case] = office.take(payment(2, customer="ada", at=NOON + DAY))
    assert case.id == "C-1"
    assert case.state is CaseState.OPEN
    office.close("C-1", Disposition.INCONCLUSIVE, at=NOON + DAY)
    [late] = office.take(payment(3, customer="ada", at=NOON + 9 * DAY))
    assert late.id == "C-2"


def test_a_case_of_two_customers_is_not_reopened_while_one_of_them_has_another(office):
    """Else the second customer had two open cases, and the follower could go no further."""
    office.having(reopen_days=7).take(payment(1, customer="ada"), payment(2, customer="bob"))
    office.act("C-1", wire.Merge, other="C-2", other_version=office.book.case("C-2").version)
    office.close("C-1", Disposition.INCONCLUSIVE)
    office.having().take(payment(3, customer="bob"))
    [case] = office.having(reopen_days=7).take(payment(4, customer="ada"))
    assert case.id == "C-4"
    assert office.book.case("C-1").state is CaseState.CLOSED


def test_an_overdue_case_is_escalated_once(office):
    office.take(payment(1, amount=10), payment(2, amount=5000))
    assert office.desk.sweep(NOON + 479 * MINUTE) == 0
    assert office.desk.sweep(NOON + 481 * MINUTE) == 2
    assert office.desk.sweep(NOON + 482 * MINUTE) == 0
    assert office.book.case("C-1").escalated
    office.having(on_overdue="close").take(payment(3, at=NOON))
    assert office.desk.sweep(NOON + 481 * MINUTE) == 1
    assert office.book.case("C-3").finding.disposition is Disposition.INCONCLUSIVE
