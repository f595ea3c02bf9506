"""Many cases at once, what is refused, and how cases are found."""

import pytest
from tests.cases.desk import MINUTE, NOON, payment

from ringfence.cases import wire
from ringfence.cases.actions import take_alert
from ringfence.cases.book import CaseQuery
from ringfence.cases.errors import UnknownCaseError
from ringfence.cases.model import Disposition, Raised, Subject
from ringfence.cases.policy import CasePolicy, parse_policy
from ringfence.cases.words import told
from ringfence.errors import InputError
from ringfence.rulebook.desk import Who


def test_many_cases_are_closed_at_once_and_one_that_is_refused_harms_no_other(office):
    office.take(*(payment(n) for n in range(1, 4)))
    office.next("bob")
    seen = [wire.Seen(id=f"C-{n}", version=2) for n in (1, 2, 3, 4)]
    act = wire.Close(version=1, disposition=Disposition.FALSE_POSITIVE)
    found = office.desk.bulk(wire.Bulk(cases=seen, act=act), Who("anna", NOON))
    assert [one.status for one in found] == ["refused", "done", "done", "refused"]
    assert "assigned by bob" in found[0].problem
    assert "no case" in found[3].problem


def test_payments_that_are_not_in_a_case_are_named_also_where_a_comma_would_join_a_card_number(office):
    office.take(payment(1))
    act = wire.Split(version=office.desk.view("C-1").case.version, payments=["41111111", "51111112"])
    with pytest.raises(InputError, match="41111111 and 51111112"):
        office.desk.act("C-1", act, Who("anna", NOON))


def test_what_cannot_be_is_refused_with_the_remedy(office):
    office.take(payment(1), payment(2))
    with pytest.raises(UnknownCaseError, match="cases list"):
        office.desk.view("C-99")
    for kind, asked, said in (
        (wire.Close, {"disposition": Disposition.CONFIRMED_FRAUD, "typology": "bad luck"}, "typologies are"),
        (wire.Close, {"disposition": Disposition.FALSE_POSITIVE, "block": ["card"]}, "only confirmed fraud"),
        (wire.Close, {"disposition": Disposition.CONFIRMED_FRAUD, "block": ["planet"]}, "cannot be blocked"),
        (wire.Close, {"disposition": Disposition.CONFIRMED_FRAUD, "payments": ["t-2"]}, "not in case C-1"),
        (wire.Move, {"queue": "nowhere"}, "queues are default"),
        (wire.Split, {"payments": ["t-1"]}, "leaves at least one"),
        (wire.Merge, {"other": "C-1", "other_version": 2}, "into itself"),
        (wire.Note, {"text": " \n"}, "empty"),
    ):
        with pytest.raises(InputError, match=said):
            office.act("C-1", kind, **asked)
    assert office.book.case("C-1").version == 2
    with pytest.raises(InputError, match="another name"):
        office.next("system")


def test_cases_are_found_by_the_beginning_of_an_id(office):
    office.take(payment(1, customer="ada-lovelace"), payment(2, customer="bob"))
    for text, found in (("ada", ["C-1"]), ("c-2", ["C-2"]), ("2", ["C-2"]), ("nobody", [])):
        assert [case.id for case in office.book.cases(CaseQuery(text=text), NOON)] == found


def raised(number, payment, **subject):
    whom = next((Subject(*one) for one in subject.items()), None)
    return Raised(id=f"alert-{number}", title="velocity, high", payment=payment, subject=whom, at_ms=NOON)


def test_an_alert_joins_the_case_of_its_payment_or_of_its_entity_once(office):
    office.take(payment(1, customer="ada"))

    def take(alert):
        with office.book.work() as work:
            return take_alert(work, office.policy, alert)

    for joining in (raised(7, "t-1", card="k-1"), raised(8, "t-77", customer="ada")):
        assert take(joining).id == "C-1"
        assert take(joining) is None
    assert office.book.case("C-1").alerts == ["alert-7", "alert-8"]
    elsewhere = raised(9, "t-99", card="k-77")
    assert take(elsewhere) is None  # the policy opens none
    office.having(alerts="open")
    assert take(elsewhere).subjects == [Subject("card", "k-77")]
    assert take(raised(10, "t-98", merchant="m")) is None  # of whom cases are not
    office.having(alerts="ignore")
    assert take(raised(11, "t-1", card="k-1")) is None


def test_a_hold_that_would_outlast_the_time_to_decide_is_refused():
    with pytest.raises(InputError, match="overdue before anybody is given it"):
        parse_policy("hold_minutes = 480")
    with pytest.raises(InputError, match="due after 5 minutes"):
        parse_policy('hold_minutes = 5\n[[queues]]\nname = "fast"\nsla_minutes = 5')
    assert parse_policy("hold_minutes = 479").hold_minutes == 479


def test_a_policy_names_what_is_wrong_with_it():
    policy = parse_policy(
        'subjects = ["card"]\n[[queues]]\nname = "large"\nmin_amount = 1000\nsla_minutes = 30\n'
    )
    assert policy.queue_for(payment(1, amount=2000), Subject("card", "k")) == "large"
    assert policy.due_ms("large", NOON) == NOON + 30 * MINUTE
    assert policy.due_ms("default", NOON) == NOON + 480 * MINUTE
    for text, said in (
        ("lease_minutes = 0", "lease_minutes"),
        ('subjects = ["planet"]', "planet"),
        ("colour = 1", "colour"),
        ("= 1", "no TOML"),
    ):
        with pytest.raises(InputError, match=said):
            parse_policy(text)
    assert CasePolicy().queue_names() == ["default"]


def test_what_was_blocked_is_told_by_kind(office):
    office.take(*(payment(number, customer="ada") for number in range(3)))
    office.close("C-1", block=["card", "customer"])
    assert told(office.book.events("C-1")[-1].change).endswith("blocked 3 cards and the customer")
