"""A country's name where payments have its code is told, in rules and on lists."""

from __future__ import annotations

import pytest

from ringfence.desks.lists import ListDesk
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.rulebook.checking import PartRate, Rate, check
from ringfence.rulebook.desk import Who
from ringfence.rulebook.entries import Entry
from ringfence.scoring.rulesets.actions import ListKind
from ringfence.scoring.rulesets.rules import Mode


def book(when: str) -> str:
    return f'rules:\n  - {{id: a, title: T, when: "{when}", points: 5, reason: R, analyst: A.}}\n'


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("country = 'Germany'", "write 'DE'"),
        ("amount > 5 AND country IN ('FR', 'ITALY')", "write 'IT'"),
        ("country <> 'Netherland'", "write 'NL'"),
        ("'Great Britain' = country OR amount > 9", "write 'GB'"),
    ],
)
def test_a_rule_that_asks_for_a_countrys_name_is_warned_of_with_its_code(when, said):
    (warning,) = check(book(when), lambda _: None).warnings
    assert warning.startswith("rule 'a' compares country with ")
    assert warning.endswith(said)


@pytest.mark.parametrize("when", ["country = 'DE'", "country = 'deu'", "country = '276'", "city = 'Georgia'"])
def test_a_code_and_another_fields_text_are_left_alone(when):
    assert check(book(when), lambda _: None).warnings == []


def test_a_name_that_some_payments_have_is_left_alone():
    part = PartRate("country = 'Germany'", 3)
    rates = [Rate("a", Mode.ACTIVE, 9, 3, [part])]
    assert check(book("country = 'Germany'"), lambda _: None, lambda _: rates).warnings == []


def test_an_entry_that_is_a_countrys_name_is_taken_and_told():
    desk = ListDesk(Tokenizer(b"0123456789abcdef"), lambda _: None)
    entries = [Entry("Deutschland"), Entry("DE"), Entry("Jordan", "customer")]
    done = desk.add("risky", ListKind.WATCH, entries, Who("ann", 1_750_000_000_000, ""))
    assert (done.taken, done.refused) == (3, [])
    assert done.warnings == ["'Deutschland' is the name of a country. Payments carry its code: add 'DE'"]
