"""Rule books as YAML, and the shipped one."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from ringfence.errors import RuleError
from ringfence.features.catalog import CATALOG
from ringfence.features.spec import FeatureSpec, entity
from ringfence.rulebook.checking import check
from ringfence.scoring.language.words import split
from ringfence.scoring.rulesets.books import (
    default_book,
    default_book_text,
    dump_book,
    load_book,
    shipped_rules_off,
)
from ringfence.scoring.rulesets.rules import Policy, Rule, RuleSet, compile_rules, fit

BOOK = """\
zone: Europe/Berlin
policy: {review_at: 50}
rules:
  - id: big
    title: Big
    when: amount > 1000
    outcome: review
    reason: BIG
    analyst: A big payment.
  - id: card_rush
    title: Rush
    when: >-
      card.count_1h > 5
      and amount > 10
    points: 20
    reason: RUSH
    analyst: Many payments.
    mode: shadow
"""


def test_a_book_is_read_and_written_without_loss():
    book = load_book(BOOK)
    assert [rule.id for rule in book.rules] == ["big", "card_rush"]
    assert book.policy.review_at == 50
    assert load_book(dump_book(book)) == book
    assert RuleSet.from_json(book.to_json()) == book


def test_the_digest_is_that_of_the_content():
    assert load_book(BOOK).digest == load_book("# a comment\n" + BOOK).digest
    assert load_book(BOOK).digest != load_book(BOOK.replace("1000", "1001")).digest
    assert len(load_book(BOOK).digest) == 16


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("outcome: review", "outcome: block", ["my.yaml, line 7", "rule 'big'", "block"]),
        ("title: Rush", "titel: Rush", ["my.yaml, line 10", "rule 'card_rush'", "titel"]),
        ("title: Rush", "title: [1]", ["my.yaml, line 11"]),
        ("id: card_rush", "id: big", ["two rules have the id 'big'"]),
        ("title: Big", "id: other", ["my.yaml, line 5", "twice"]),
        ("zone: Europe/Berlin", "zone: Mars", ["'Mars' is no time zone"]),
        ("zone: Europe/Berlin", "zone: ../../etc/passwd", ["is no time zone"]),
        ("points: 20", "points: 0", ["rule 'card_rush' does nothing"]),
        ("points: 20", "points: 2000", ["points are between"]),
        ("points: 20", "points: many", ["my.yaml, line 15", "card_rush"]),
        ("id: big", "id: 'a b'", ["rule id 'a b'"]),
        ("rules:", "rules: &x\n  - *x", ["aliases"]),
        ("zone: Europe/Berlin", "zone: [", ["my.yaml, line"]),
        ("zone: Europe/Berlin", "zone: !!python/name:os.system", ["could not determine a constructor"]),
    ],
)
def test_an_error_in_a_book_names_its_place(old, new, expected):
    with pytest.raises(RuleError) as caught:
        load_book(BOOK.replace(old, new, 1), "my.yaml")
    for part in expected:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "3", "[]", "rules: 3", "rules: {}", "\x00", "\ud800", "[" * 5000, "a: " * 3000, "- {" * 2000]
)
def test_what_is_no_book_is_refused(text):
    with pytest.raises(RuleError):
        load_book(text)


def test_texts_given_in_python_are_checked_too():
    assert Policy(on_failure="closed") == Policy(on_failure=type(Policy().on_failure).CLOSED)
    with pytest.raises(RuleError, match="approve, challenge, review, decline"):
        Rule(id="a", title="", when="true", outcome="block", reason="X", analyst="")


def test_the_shipped_book_fits_the_shipped_features():
    compiled, left_out = fit(default_book(), CATALOG)
    assert left_out == []
    assert len(compiled.active) + len(compiled.shadow) == len(default_book().every_rule)
    assert 40 <= len(CATALOG.names) <= 60


def test_the_shipped_book_tells_every_outcome_to_the_customer():
    """Analysts get a text for every rule, customers for every rule that stops a payment."""
    for rule in default_book().rules:
        assert rule.analyst
        assert rule.customer or rule.outcome in (None, "approve")


def test_every_feature_named_in_a_text_exists():
    named = {split(part.split("}")[0])[0] for part in default_book_text().split("{")[1:]}
    assert named
    assert named <= set(CATALOG.names)


def test_rules_that_a_specification_cannot_serve_are_left_out_with_the_reason(rule):
    book = RuleSet(rules=(rule("amount > 1", "plain"), rule("device.count_1h > 1", "needs_device")))
    compiled, left_out = fit(book, FeatureSpec.of(entity("card").count("1h")))
    assert [kept.id for kept in compiled.active] == ["plain"]
    assert [out.rule.id for out in left_out] == ["needs_device"]
    assert "device.count_1h" in left_out[0].why


def test_compiling_names_the_rule_that_is_wrong_even_when_it_rests(rule):
    spec = FeatureSpec.of(entity("card").count("1h"))
    for mode in ("active", "shadow", "draft", "paused"):
        with pytest.raises(RuleError, match=r"rule 'oops'.*unknown name"):
            compile_rules(RuleSet(rules=(rule("nothing > 1", "oops", mode=mode),)), spec)


def test_the_example_of_the_guide_is_a_book_that_compiles():
    guide = (Path(__file__).parents[2] / "docs/howto/rules.md").read_text("utf-8")
    book = load_book(guide.split("```yaml\n")[1].split("```")[0])
    compile_rules(book, CATALOG)
    python = doctest.DocTestParser().get_doctest(guide, {}, "rules.md", None, None)
    assert doctest.DocTestRunner().run(python).failed == 0


EXTENDING = """\
name: mine
extends: shipped
policy: {decline_at: 90}
rules:
  - {id: own, title: Own, when: amount > 9, points: 5, reason: OWN, analyst: Own.}
  - {id: watched, title: Mine, when: amount > 8, points: 5, reason: OWN, analyst: Own., mode: archived}
"""


def test_a_book_that_extends_the_shipped_one_has_its_rules_too():
    shipped, book = default_book(), load_book(EXTENDING)
    assert [rule.id for rule in book.rules[:2]] == ["own", "watched"]
    assert {rule.id for rule in book.every_rule} == {"own", *(rule.id for rule in shipped.every_rule)}
    assert len(book.rules) == len(shipped.rules) + 1
    assert book.policy.decline_at == 90
    assert book.policy.review_at == shipped.policy.review_at
    assert load_book(dump_book(book)).digest == book.digest
    assert shipped_rules_off(book, "mine") == []


def test_a_book_of_its_own_is_told_that_the_shipped_rules_are_off():
    count = len(default_book().every_rule)
    (said,) = shipped_rules_off(
        load_book(EXTENDING.replace("extends: shipped\n", "").replace("watched", "w")), "x"
    )
    assert said.startswith(f"x has 2 rules, and the shipped {count} are off")


def test_only_the_shipped_book_can_be_extended():
    with pytest.raises(RuleError, match="line 2: the only book to extend is shipped"):
        load_book(EXTENDING.replace("extends: shipped", "extends: other"))


def test_a_fault_of_a_book_that_extends_names_its_own_line():
    with pytest.raises(RuleError, match="line 5"):
        load_book(EXTENDING.replace("points: 5", "points: many", 1))
    found = check(EXTENDING.replace("amount > 9", "amuont > 9"), lambda book: compile_rules(book, CATALOG))
    assert [(fault.rule, fault.line) for fault in found.faults] == [("own", 5)]
