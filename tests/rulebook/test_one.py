"""One rule as a text of its own."""

import pytest

from ringfence.errors import RuleError
from ringfence.rulebook.one import STAGES, at_stage, dump_rule, load_rule, stage_of, with_rule
from ringfence.scoring.books import default_book


def test_every_shipped_rule_is_the_same_after_its_text():
    for rule in default_book().rules:
        assert load_rule(dump_rule(rule)) == rule


def test_a_rule_goes_through_its_stages_and_back_into_its_book():
    book = default_book()
    rule = book.rules[3]
    for stage in STAGES:
        moved = at_stage(rule, stage)
        assert stage_of(moved) == stage
        changed = with_rule(book, moved)
        assert [one.id for one in changed.rules] == [one.id for one in book.rules]
        assert next(one for one in changed.rules if one.id == rule.id) == moved
    assert at_stage(at_stage(rule, "tenth"), "active").rollout is None
    with pytest.raises(RuleError, match="draft, shadow, tenth, active"):
        at_stage(rule, "half")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("id: a\ntitle: A\nwhen: amount > 1\noutcome: revie\nreason: A\nanalyst: a\n", "line 4"),
        ("", "the rule"),
        ("- id: a\n- id: b\n", "the rule"),
        ("id: a\nid: b\n", "line 2"),
        ("id: 'a\n", "the rule"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text, problem):
    with pytest.raises(RuleError, match=problem):
        load_rule(text)
