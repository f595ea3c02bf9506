"""What a rule may do beside asking for an outcome."""

import pytest

from ringfence.errors import RuleError
from ringfence.scoring.rulesets.actions import AddTo, ListKind
from ringfence.scoring.rulesets.books import dump_book, load_book

RULE = "{id: a, title: A, when: amount > 9, reason: A, analyst: A., add_to: %s}"


def test_a_rule_may_do_nothing_but_add_to_a_list():
    book = load_book(
        f"rules: [{RULE % '{list: testers, entity: card, kind: block, days: 30, cap_per_day: 5}'}]"
    )
    action = book.rules[0].add_to
    assert action == AddTo(list="testers", entity="card", kind=ListKind.BLOCK, days=30, cap_per_day=5)
    assert load_book(dump_book(book)) == book


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{list: x, entity: cat}", "entity is one of card, customer"),
        ("{list: '', entity: card}", "1 to 80 characters"),
        ("{list: x, entity: card, kind: bad}", "Invalid enum value 'bad'"),
        ("{list: x, entity: card, days: 0}", "days are between 1 and 3,650"),
        ("{list: x, entity: card, cap_per_day: 1000000}", "cap_per_day is between 1 and 100,000"),
        ("{list: x, entity: card, until: 5}", "unknown field `until`"),
    ],
)
def test_an_action_that_makes_no_sense_is_refused(written, said):
    with pytest.raises(RuleError, match=said):
        load_book(f"rules: [{RULE % written}]")
