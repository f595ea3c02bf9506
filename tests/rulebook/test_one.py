"""One rule as a text of its own."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.errors import RuleError
from ringfence.rulebook.single_rule import STAGES, at_stage, dump_rule, load_rule, stage_of, with_rule
from ringfence.scoring.rulesets.books import default_book


def test_every_shipped_rule_is_the_same_after_its_text():
    for rule in default_book().rules:
        assert load_rule(dump_rule(rule)) == rule


TEXTS = st.text(st.sampled_from("a9 \n'\"#:-|>&{[%\\,\té"), max_size=160)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, st.dictionaries(st.sampled_from(["x", "limit"]), TEXTS | st.integers(0, 9).map(float)))
def test_a_rule_keeps_its_line_breaks_quotes_and_comments(when, analyst, parameters):
    rule = msgspec.structs.replace(
        default_book().rules[0], when=when, analyst=analyst, customer=when + analyst, parameters=parameters
    )
    assert load_rule(dump_rule(rule)) == rule


def test_a_comment_in_a_condition_ends_with_its_line():
    when = "amount > 9 -- large\nand amount < 100"
    rule = msgspec.structs.replace(default_book().rules[0], when=when)
    assert load_rule(dump_rule(rule)).when == when


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
