"""Rules that a Flink job refuses are told of where they are checked, put in force and looked at."""

import pytest
from tests.kafka import broker

from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.saving import Snapshotting
from ringfence.scoring.rulesets.books import load_book

BOOK = """name: own
rules:
  - id: burst
    title: Burst
    when: amount > 1
    mode: {}
    outcome: review
    reason: BURST
    analyst: Burst.
    add_to: {{list: bursts, entity: card, kind: watch}}
"""
ACTING, RESTING = BOOK.format("active"), BOOK.format("paused")


@pytest.fixture
def sends(monkeypatch):
    monkeypatch.setenv("RINGFENCE_KAFKA_CONTROL", "kafka://127.0.0.1:1/rules")


def refusals(warnings):
    return [one for one in warnings if "Flink job" in one]


@pytest.mark.usefixtures("sends")
def test_a_rule_that_adds_to_a_list_is_named_when_it_is_checked_and_before_it_takes_effect(project):
    with open_session(project / "data", load_definitions(None, None), Snapshotting()) as session:
        for measured in (True, False):
            assert len(refusals(session.check(ACTING, measured=measured).warnings)) == 1
            assert refusals(session.check(RESTING, measured=measured).warnings) == []
        told = refusals(session.warnings_on(load_book(ACTING, "own")))
        assert "'burst'" in told[0]
        assert "pause" in told[0]


def test_where_nothing_is_sent_to_a_job_there_is_nothing_to_tell(project):
    with open_session(project / "data", load_definitions(None, None), Snapshotting()) as session:
        assert refusals(session.check(ACTING, measured=False).warnings) == []


@pytest.mark.usefixtures("sends")
def test_a_check_of_a_file_names_it(ringfence, project):
    (project / "own.yaml").write_text(ACTING)
    assert "Flink job" in ringfence("rules", "check", "own.yaml").err


def test_doctor_notes_rules_in_force_and_refuses_a_topic_without_order(
    ringfence, project, payments, monkeypatch
):
    kafka = broker()
    (project / "rules.yaml").write_text(ACTING)
    ringfence("run", payments)
    monkeypatch.setenv("RINGFENCE_KAFKA_CONTROL", f"kafka://{kafka.address}/{kafka.topic()}")
    monkeypatch.setenv("RINGFENCE_PERSONAL_DATA", "vault")
    found = [one for one in ringfence("doctor", "--json", "--port", "1").json if one["part"] == "control"]
    assert [one["state"] for one in found] == ["ok", "note", "note"]
    assert "tokens" in found[1]["said"]
    assert "'burst'" in found[2]["said"]
    assert "pause" in found[2]["remedy"]
    monkeypatch.setenv("RINGFENCE_KAFKA_CONTROL", f"kafka://{kafka.address}/{kafka.topic(2)}")
    found = [one for one in ringfence("doctor", "--json", "--port", "1").json if one["part"] == "control"]
    assert found[0]["state"] == "BAD"
    assert "one partition" in found[0]["remedy"]
