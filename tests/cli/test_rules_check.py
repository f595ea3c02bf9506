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
