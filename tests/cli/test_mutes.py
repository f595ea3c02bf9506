"""What is muted exists, or somebody is told."""

import pytest

from .conftest import payment, write_ndjson


@pytest.fixture
def decided(project, ringfence):
    rows = [payment(number, card_id=f"card-{number:05}") for number in range(3)]
    assert ringfence("run", write_ndjson(project / "payments.ndjson", rows)).code == 0
    return project


def muted(ringfence):
    return [(one["typology"], one["entity_id"]) for one in ringfence("alerts", "mutes", "--json").json]


@pytest.mark.parametrize("name", ["card_testing", "CARD_TESTING", "*"])
def test_what_there_is_is_muted_without_a_note(decided, ringfence, name):
    ended = ringfence("alerts", "mute", name, "--entity", "card-00001")
    assert (ended.code, "Note" in ended.err) == (0, False), ended.err
    assert muted(ringfence) == [(name, "card-00001")]


def test_a_name_that_no_rule_ever_had_is_refused_with_the_nearest(decided, ringfence):
    """It would have muted nothing, in silence."""
    ended = ringfence("alerts", "mute", "card_testng", "--entity", "*")
    assert ended.code == 2
    assert "no rule, typology or reason is called 'card_testng': did you mean card_testing?" in ended.err
    assert muted(ringfence) == []


def test_a_rule_of_before_and_a_card_that_has_not_paid_are_muted_with_a_note(decided, ringfence):
    (decided / "rules.yaml").write_text(
        "rules:\n- {id: mine, title: x, when: amount > 1e6, outcome: review, reason: MINE, analyst: x}\n"
    )
    rows = [payment(9, card_id="card-00009")]
    assert ringfence("run", "--rules", "rules.yaml", write_ndjson(decided / "more.ndjson", rows)).code == 0
    assert "Note" not in ringfence("alerts", "mute", "mine", "--entity", "*").err
    ended = ringfence("alerts", "mute", "card_testing", "--entity", "card-77777")
    assert ended.code == 0
    assert "Note: card_testing is not among the rules in force" in ended.err
    assert "Note: no payment names card-77777" in ended.err
    assert ("card_testing", "card-77777") in muted(ringfence)


@pytest.mark.parametrize("given", [("--for", "0s"), ("--for", "367d"), ("--entity", " ")])
def test_no_time_a_time_without_an_end_and_nobody_are_refused(decided, ringfence, given):
    """It was taken, and muted nothing, or a rule for centuries."""
    ended = ringfence("alerts", "mute", "card_testing", "--entity", "card-00001", *given)
    assert ended.code == 2, ended.out
    assert muted(ringfence) == []


def test_a_card_number_is_muted_as_its_token(decided, ringfence):
    assert ringfence("alerts", "mute", "card_testing", "--entity", "4111111111111111").code == 0
    ((_, entity),) = muted(ringfence)
    assert entity.startswith("tok_")
    assert b"4111111111111111" not in b"".join(
        file.read_bytes() for file in decided.glob("ringfence-data/bus.db*")
    )
    assert ringfence("alerts", "unmute", "card_testing", "--entity", "4111 1111 1111 1111").code == 0
    assert muted(ringfence) == []


def test_the_audit_trail_names_whom_a_mute_was_about_and_who_had_set_it(decided, ringfence):
    for hours, by in (("1h", "mira"), ("2h", "tom")):
        given = ("--entity", "card-00001", "--for", hours, "--author", by)
        assert ringfence("alerts", "mute", "card_testing", *given).code == 0
    assert ringfence("alerts", "unmute", "card_testing", "--entity", "card-00001").code == 0
    records = ringfence("audit", "list", "--action", "alert", "--json").json
    acts = sorted(
        (one for one in records if one["action"] in ("alert.muted", "alert.unmuted")),
        key=lambda one: one["number"],
    )
    assert [one["object"] for one in acts] == ["card_testing card-00001"] * 3
    assert [one["details"].get("before", "").partition(" ")[0] for one in acts] == ["", "mira", "tom"]
