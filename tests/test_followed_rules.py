"""Rules that a Flink job's control topic names: what is lost on the way is given again."""

from __future__ import annotations

import time

import pytest
from tests.spine import batch, payments

from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.followed_rules import FollowedRules
from ringfence.compose.deciding.session import open_session
from ringfence.errors import RuleError
from ringfence.events.activation import Part
from ringfence.saving import Snapshotting
from ringfence.scoring.rulesets.rules import Outcome
from ringfence.scoring.rulesets.ruleset import Rule, RuleSet
from ringfence.sharded.changes import activation_record

CARD = "4111111111111111"


def book(limit):
    rule = Rule(
        id="big", title="Big", when=f"amount > {limit}", outcome=Outcome.REVIEW, reason="BIG", analyst="Big."
    )  # fmt: skip
    return RuleSet(rules=(rule,))


def record(rules, **more):
    return activation_record(Part.RULES, rules.digest, rules.to_json(), **more)


@pytest.fixture
def session(tmp_path):
    with open_session(tmp_path / "data", load_definitions(None, None), Snapshotting()) as opened:
        opened.runner.ingest(batch(payments(3)))
        yield opened


def put(session, change):
    session.runner.commit([session.runner.activate(change)])
    assert session.desk().force.active() == change.column("entity_id")[0].as_py()


def test_rules_that_never_came_into_the_log_are_given_again(session):
    follow, rules = FollowedRules(session, lambda _text: None), book(5)
    assert follow(record(rules), 1) is not None  # and its batch fails
    change = follow(record(rules), 1)
    assert change is not None
    put(session, change)
    assert follow(record(rules), 1) is None  # in force already


def test_rules_that_were_taken_back_here_come_again_with_the_job(session):
    follow, first, second = FollowedRules(session, lambda _text: None), book(5), book(6)
    put(session, follow(record(first), 1))
    put(session, follow(record(second), 2))
    put(session, FollowedRules(session, lambda _text: None)(record(first), 3))  # by somebody else
    put(session, follow(record(second), 4))


def test_rules_of_before_come_back_while_others_are_on_their_way(session):
    follow, first, second = FollowedRules(session, lambda _text: None), book(5), book(6)
    put(session, follow(record(first), 1))
    assert follow(record(second), 2) is not None  # not in the log yet
    assert follow(record(first), 3) is not None


@pytest.mark.parametrize("at_ms", [2**62, 10**13, -5])
def test_a_senders_clock_dates_nothing_ahead_or_before_all_times(session, at_ms):
    change = FollowedRules(session, lambda _text: None)(record(book(5)), at_ms)
    assert 0 <= int(change.event_time_ms[0]) <= time.time() * 1000


def test_what_a_sender_writes_is_cleaned_and_cut(session):
    told = {"author": f"mira {CARD}\x1b[2J" + "a" * 5000, "note": f"card {CARD} " + "n" * 90_000}
    change = FollowedRules(session, lambda _text: None)(record(book(5), **told), 1)
    author, note = (change.column(name)[0].as_py() for name in ("attributes.author", "note"))
    assert CARD not in author + note
    assert "\x1b" not in author
    assert (len(author), len(note)) <= (200, 1000)
    kept = session.desk().book.changes()[-1]
    assert CARD not in kept.author + kept.note


def test_rules_without_their_text_are_refused_in_few_words(session):
    with pytest.raises(RuleError) as refused:
        FollowedRules(session, lambda _text: None)(activation_record(Part.RULES, "x" * 9000), 1)
    assert len(str(refused.value)) < 200
