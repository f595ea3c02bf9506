"""What is said of a book before it is saved."""

from __future__ import annotations

from tests.spine import START_MS, batch, payments

from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.errors import RuleError
from ringfence.features.catalog import CATALOG
from ringfence.rulebook.checking import check
from ringfence.rulebook.entries import Entry, to_events
from ringfence.saving import Snapshotting
from ringfence.scoring.rulesets.actions import ListKind
from ringfence.scoring.rulesets.books import default_book_text, load_book
from ringfence.scoring.rulesets.rules import compile_rules

RULE = "  - {{id: {}, title: T, when: {}, points: 5, reason: R, analyst: A., mode: {}}}\n"


def text(*rules):
    return "rules:\n" + "".join(RULE.format(*rule) for rule in rules)


def fit(ruleset):
    compile_rules(ruleset, CATALOG)


def test_every_rule_is_looked_at_and_told_with_its_line():
    found = check(
        text(("a", "amount > x", "active"), ("b", "amount", "draft"), ("c", "amount > 1", "active")), fit
    )
    assert found.digest is None
    assert [(fault.rule, fault.line) for fault in found.faults] == [("a", 2), ("b", 3)]


def test_a_typology_that_does_not_compile_is_told_by_itself():
    typology = "{id: t, title: T, reason: R, analyst: A., at: 5, signals: [{when: nothing > 1, weight: 9}]}"
    wrong = text(("a", "amount > 1", "active")) + f"typologies:\n  - {typology}\n"
    (fault,) = check(wrong, fit).faults
    assert (fault.rule, fault.line) == ("typology.t", 4)


def test_a_text_that_is_no_book_has_one_fault_with_its_line():
    (fault,) = check("rules:\n  - {id: a, title: A}\n", fit).faults
    assert (fault.rule, fault.line) == (None, 2)


def test_a_rule_that_always_fires_is_warned_of_with_its_measured_rate(tmp_path):
    """Also one that rests: that is before it takes effect."""
    with open_session(tmp_path / "data", load_definitions(None, None), Snapshotting()) as session:
        session.runner.ingest(batch([row for row in payments(300) if "transaction_id" in row]))
        events, _ = to_events(
            [Entry(f"card-{n}", "card") for n in range(40)],
            "all",
            ListKind.WATCH,
            author="x",
            now_ms=session.clock.now_ms(),
            tokenizer=session.tokenizer,
        )
        session.runner.commit([session.runner.put(events)])
        rules = (
            ("always", "amount >= 0", "draft"),
            ("listed", "card_id IN LIST 'all'", "active"),
            ("rare", "amount > 80000", "active"),
            ("gone", "amount >= 0", "archived"),
        )
        found = check(text(*rules), fit, session.rates)
    assert found.faults == []
    rates = {rate.rule: rate for rate in found.rates}
    assert (rates["always"].judged, rates["always"].fired, rates["always"].mode) == (300, 300, "draft")
    assert 0 < rates["rare"].share < 0.5
    assert "gone" not in rates
    assert sorted(warning.split("'")[1] for warning in found.warnings) == ["always", "listed"]
    assert "fires on every one of the last 300 payments" in found.warnings[0]


def test_a_list_that_does_not_exist_is_warned_of_with_the_nearest_name(tmp_path):
    acts = "add_to: {list: own list, entity: card}"
    rules = text(("a", "card_id IN LIST 'stole'", "active"), ("b", "card_id IN LIST 'own list'", "active"))
    rules += f"  - {{id: c, title: T, when: amount > 9, reason: R, analyst: A., {acts}}}\n"
    with open_session(tmp_path / "data", load_definitions(None, None), Snapshotting()) as session:
        events, _ = to_events(
            [Entry("d")], "stolen", ListKind.WATCH, author="x", now_ms=START_MS, tokenizer=session.tokenizer
        )
        session.runner.commit([session.runner.put(events)])
        (warning,) = session.check(rules).warnings
        assert session.warnings_on(load_book(rules)) == [warning]
    assert warning.startswith("rule 'a' asks for list 'stole', which does not exist")
    assert "stolen" in warning


def test_without_payments_there_is_nothing_to_warn_of(tmp_path):
    with open_session(tmp_path / "data", load_definitions(None, None), Snapshotting()) as session:
        found = check(text(("always", "amount >= 0", "active")), fit, session.rates)
    assert (found.warnings, found.rates[0].judged) == ([], 0)


def test_the_shipped_book_has_no_fault():
    assert check(default_book_text(), fit).faults == []


def test_a_fit_that_refuses_everything_refuses_each_rule():
    def never(_ruleset):
        raise RuleError("no")

    assert len(check(text(("a", "amount > 1", "active"), ("b", "amount > 2", "active")), never).faults) == 2
