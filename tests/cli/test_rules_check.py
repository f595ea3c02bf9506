"""`ringfence rules check` over payments: why a rule never fires."""

from pathlib import Path

CASE = Path(__file__).parents[1] / "exports" / "33-rule-on-text"


def test_a_number_compared_with_text_is_named_with_what_to_write(ringfence):
    ringfence("run", CASE / "in.csv")
    ended = ringfence("rules", "check", CASE / "mcc_number.yaml", "--json")
    (found,) = ended.json_lines
    (rate,) = found["rates"]
    assert (rate["judged"], rate["fired"], rate["parts"][0]["fired"]) == (48, 0, 0)
    assert "write attributes.mcc IN ('5967', '7995')" in found["warnings"][0]
    assert found["digest"] is not None


def test_the_remedy_fires_on_the_payments_that_match(ringfence, project):
    ringfence("run", CASE / "in.csv")
    book = project / "rules.yaml"
    book.write_text((CASE / "mcc_number.yaml").read_text().replace("(5967, 7995)", "('5967', '7995')"))
    ended = ringfence("rules", "check", book)
    assert "Warning" not in ended.err
    assert "33.33 %" in ended.out


def test_rules_that_go_by_what_a_file_never_gives_are_named(ringfence, project):
    book = project / "mine.yaml"
    rule = "  - {id: far, title: T, when: lat > 80, points: 5, reason: R, analyst: A.}\n"
    book.write_text((CASE / "mcc_number.yaml").read_text() + rule)
    source = ("--source", CASE / "in.csv")
    (found,) = ringfence("rules", "check", book, *source, "--json").json_lines
    assert found["warnings"] == [f"rule 'far' goes by lat, which no payment in {CASE / 'in.csv'} has"]
    listed = {
        one["id"]: one["never_given"] for one in ringfence("rules", "list", *source, "--json").json_lines
    }
    assert "device_id" in listed["new_device_transfer"]
    assert listed["card_testing"] == []
    table = ringfence("rules", "list", *source)
    assert "never given" in table.out
    assert "rule 'typology.structuring' goes by account_id, which no payment in" in table.err


def test_a_text_that_is_asked_for_as_true_or_false_is_named_with_what_to_write(ringfence, project):
    """A CSV without a mapping of its types has texts; both rules were true of none without a word."""
    rows = "".join(f"t{at},2024-05-01T10:0{at}:00Z,1.00,{('true', 'false')[at % 2]},web\n" for at in range(6))
    names = "transaction_id,event_time,amount,attributes.flag,channel\n"
    (project / "pay.csv").write_text(names + rows)
    ringfence("run", "pay.csv")
    conditions = ["attributes.flag", "attributes.flag = false", "NOT attributes.flag", "channel LIKE 'W%'"]
    book = "".join(
        f'  - {{id: r{at}, title: T, when: "{when}", points: 5, reason: R, analyst: A.}}\n'
        for at, when in enumerate(conditions)
    )
    (project / "mine.yaml").write_text(f"name: x\nrules:\n{book}")
    (found,) = ringfence("rules", "check", "mine.yaml", "--json").json_lines
    said = "\n".join(found["warnings"])
    assert said.count("write attributes.flag = 'true'") == 1
    assert said.count("write attributes.flag = 'false'") == 2
    assert [rate["parts"][0]["why"] for rate in found["rates"]][3] == "channel was 'web'"


def test_a_list_that_nobody_is_on_is_named_by_the_command_too(ringfence, project):
    ringfence("run", CASE / "in.csv")
    book = project / "mine.yaml"
    rule = "{id: a, title: T, when: card_id IN LIST 'stolen', points: 5, reason: R, analyst: A.}"
    book.write_text(f"rules:\n  - {rule}\n")
    (found,) = ringfence("rules", "check", book, "--json").json_lines
    assert found["warnings"] == [
        "rule 'a' asks for list 'stolen', which does not exist: it is as if it were empty"
    ]
    ringfence("lists", "add", "stolen", "k1", "--kind", "block")
    (found,) = ringfence("rules", "check", book, "--json").json_lines
    assert found["warnings"] == []


def test_a_country_in_another_code_than_payments_have_is_named(ringfence, project):
    rows = "".join(f"t{at},2024-05-01T10:0{at}:00Z,1.00,DE\n" for at in range(6))
    (project / "pay.csv").write_text("transaction_id,event_time,amount,country\n" + rows)
    ringfence("run", "pay.csv")
    book = project / "mine.yaml"
    text = "  - {{id: {}, title: T, when: \"country = '{}'\", points: 5, reason: R, analyst: A.}}\n"
    book.write_text("rules:\n" + text.format("three", "DEU") + text.format("other", "FR"))
    (found,) = ringfence("rules", "check", book, "--json").json_lines
    (warning,) = found["warnings"]
    assert warning.startswith("rule 'three': country = 'DEU' was true of none of the last 6 payments")
    assert warning.endswith("did you mean 'DE'?")


def test_a_text_that_nothing_fills_in_is_refused_when_checked_and_keeps_no_run_from_starting(
    ringfence, project
):
    book = project / "rules.yaml"
    rule = (
        "{id: large, title: Large, when: amount > 5, outcome: review, reason: L, analyst: 'It is {amount}.'}"
    )
    book.write_text(f"name: old\nrules:\n  - {rule}\n")
    checked = ringfence("rules", "check", book)
    assert checked.code == 2
    assert "names {amount}" in " ".join(checked.err.split())
    ran = ringfence("run", CASE / "in.csv", "--rules", book)
    assert ran.code == 0
    assert "Warning: rule 'large': its text names {amount}" in " ".join(ran.err.split())
