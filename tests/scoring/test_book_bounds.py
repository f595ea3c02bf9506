"""A rule book's text is bounded in what it may grow to, wherever it comes from."""

import pytest

from ringfence.errors import RuleError
from ringfence.rulebook.checking import check
from ringfence.scoring.rulesets.books import MAX_NODES, load_book


def rule(number, when="amount > 9"):
    return f"- {{id: r{number}, title: B, when: {when}, points: 5, reason: BIG, analyst: B.}}\n"


@pytest.mark.parametrize(
    "text",
    [
        "rules: [" + "{}," * MAX_NODES + "]",
        "rules: [" + "1," * (MAX_NODES + 1) + "]",
        "rules:\n" + "".join(map(rule, range(4000))),
        "".join(f"k{number}: 1\n" for number in range(MAX_NODES)),
    ],
    ids=["objects", "numbers", "rules", "names"],
)
def test_a_book_of_too_many_parts_is_refused_with_the_line(text):
    with pytest.raises(RuleError, match=r"line \d+: more than 50,000 names and values: split the book"):
        load_book(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nrules: [*b, *b]",
        "rules: &r [*r]",
        "rules: " + "[" * 5000,
        "rules: " + "{a: " * 5000,
        "rules:\n" + "".join("  " * depth + "- \n" for depth in range(400)),
        "<<: {rules: []}\n<<: {rules: []}",
        "rules: !!python/object/apply:os.system [true]",
        "rules: " + "9" * 100_000,
        "? [a, b]\n: 1",
        "rules: [\x00]",
        "--- 1\n--- 2\n",
    ],
)
def test_aliases_nesting_tags_and_numbers_without_end_are_refused(text):
    with pytest.raises(RuleError):
        load_book(text)


def test_a_thousand_rules_are_read():
    assert len(load_book("rules:\n" + "".join(map(rule, range(1000)))).rules) == 1000


def test_of_a_book_with_a_mistake_in_each_rule_the_first_ones_are_told():
    def fit(ruleset):
        if ruleset.rules:
            raise RuleError(f"{ruleset.rules[0].id} is wrong")

    found = check("rules:\n" + "".join(map(rule, range(500))), fit)
    assert [fault.rule for fault in found.faults] == [f"r{number}" for number in range(50)]
