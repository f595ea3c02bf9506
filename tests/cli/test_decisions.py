import csv
import io

import pytest

from .conftest import payment, write_ndjson


@pytest.fixture
def decided(ringfence, project):
    """Two cards at two shops; the first card is tested with small amounts."""
    rows = [payment(n, amount=2.0) for n in range(6)]
    rows += [payment(n, card_id="card-2", merchant_id="kiosk") for n in range(6, 9)]
    ringfence("run", write_ndjson(project / "rows.ndjson", rows))


def ids(ended) -> list[str]:
    return [row["transaction_id"] for row in ended.json_lines]


@pytest.mark.usefixtures("decided")
class TestDecisions:
    def test_are_listed_newest_first(self, ringfence):
        assert ids(ringfence("decisions", "--json", "--limit", "3")) == ["p8", "p7", "p6"]

    def test_of_one_card(self, ringfence):
        assert ids(ringfence("decisions", "--json", "--entity", "card=card-2")) == ["p8", "p7", "p6"]

    def test_of_one_merchant(self, ringfence):
        assert ids(ringfence("decisions", "--json", "--entity", "merchant=kiosk")) == ["p8", "p7", "p6"]

    def test_of_a_time(self, ringfence):
        span = ["--since", "2024-05-01T12:01:00", "--until", "2024-05-01T12:03:00Z"]
        assert ids(ringfence("decisions", "--json", *span)) == ["p2", "p1"]

    def test_of_an_outcome(self, ringfence):
        assert ids(ringfence("decisions", "--json", "--outcome", "decline")) == ["p5", "p4"]

    def test_of_a_rule(self, ringfence):
        assert ids(ringfence("decisions", "--json", "--rule", "card_testing")) == ["p5", "p4"]

    def test_are_a_table_for_people(self, ringfence):
        out = ringfence("decisions", "--outcome", "decline").out
        assert "CARD_TESTING" in out
        assert "2024-05-01 12:05:00" in out

    def test_that_do_not_exist_are_said_to(self, ringfence):
        assert "No decision matches" in ringfence("decisions", "--rule", "account_fan_out").err


@pytest.mark.usefixtures("decided")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--entity", "card"), "KIND=ID"),
        (("--entity", "cart=1"), "KIND=ID"),
        (("--since", "noon"), "is no time"),
    ],
)
def test_a_filter_that_makes_no_sense_says_how_to_write_it(ringfence, options, told):
    ended = ringfence("decisions", *options)
    assert ended.code == 2
    assert told in ended.err


@pytest.mark.usefixtures("decided")
class TestDecision:
    def test_shows_reasons_features_versions_and_the_payment(self, ringfence):
        out = ringfence("decision", "p5").out
        assert "DECLINE" in out
        assert "6 payments of 5 or less on this card within 10 minutes." in out
        assert "to the customer: We stopped several small payments" in out
        assert "card.count_small_10m" in out
        assert "merchant_id: shop" in out

    def test_leaves_out_attributes_that_only_other_payments_have(self, ringfence, project):
        line = '{"transaction_id": "%s", "event_time": 1709287200000, "amount": 1, "attributes": {%s}}\n'
        (project / "two.ndjson").write_text(line % ("q1", '"basket": 3') + line % ("q2", '"coupon": "x"'))
        assert ringfence("run", "two.ndjson").code == 0
        told = ringfence("decision", "q1").out
        assert "attributes.basket: 3" in told
        assert "coupon" not in told

    def test_is_everything_for_a_program(self, ringfence):
        found = ringfence("decision", "p5", "--json").json
        assert found["features"]["card.count_small_10m"] == 6
        assert set(found["versions"]) == {"features", "rules"}
        assert found["explained"][0]["code"] == "CARD_TESTING"
        assert found["event"]["amount"] == 2.0

    def test_that_does_not_exist_is_an_error(self, ringfence):
        ended = ringfence("decision", "p99")
        assert (ended.code, ended.out) == (2, "")
        assert "no decision on transaction 'p99'" in ended.err


@pytest.mark.usefixtures("decided")
class TestSql:
    QUESTION = "SELECT outcome, count(*) AS n FROM decisions GROUP BY outcome ORDER BY outcome"

    def test_answers_as_a_table(self, ringfence):
        assert "approve" in ringfence("sql", self.QUESTION).out

    def test_answers_as_csv(self, ringfence):
        out = ringfence("sql", self.QUESTION, "--format", "csv").out
        assert out.split() == ["outcome,n", "approve,7", "decline,2"]

    def test_answers_as_json(self, ringfence):
        rows = ringfence("sql", self.QUESTION, "--format", "json").json_lines
        assert rows == [{"outcome": "approve", "n": 7}, {"outcome": "decline", "n": 2}]

    def test_knows_features_as_rules_write_them(self, ringfence):
        found = ringfence("sql", "SELECT max(card.count_1h) AS most FROM features", "--format", "json")
        assert found.json == {"most": 6.0}

    @pytest.mark.parametrize("statement", ["DROP TABLE decisions", "SELECT * FROM nothing", "SELEC 1"])
    def test_that_is_no_question_is_an_error(self, ringfence, statement):
        ended = ringfence("sql", statement)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("Error: ")


def test_a_folder_without_a_store_is_an_error(ringfence):
    ended = ringfence("decisions", "--data", "nowhere")
    assert ended.code == 3
    assert "there is no store here yet" in ended.err
    assert "ringfence run" in ended.err
    assert "--data" in ended.err


HOSTILE = [
    payment(0, transaction_id="=1+1", merchant_id="shop\u202egro", attributes={"note": "@SUM\u202e(1)"}),
    payment(1, transaction_id="+p", attributes={"note": "\x1b]0;gone\x07", "balance": -5}),
    payment(2, transaction_id="p\n2", attributes={"note": "\t=1"}),
]


class TestTextOfStrangers:
    @pytest.fixture(autouse=True)
    def _decided(self, ringfence, project):
        ringfence("run", write_ndjson(project / "rows.ndjson", HOSTILE))

    QUESTION = (
        'SELECT transaction_id AS "=id", attributes.note AS n, merchant_id, attributes.balance AS b, '
        "-amount AS a FROM transactions ORDER BY event_time"
    )

    def test_is_no_formula_in_csv_and_numbers_stay_numbers(self, ringfence):
        rows = list(csv.reader(io.StringIO(ringfence("sql", self.QUESTION, "--format", "csv").out)))
        assert rows[0] == ["'=id", "n", "merchant_id", "b", "a"]
        assert rows[1] == ["'=1+1", "'@SUM\\u202e(1)", "shopgro", "", "-20.0"]
        assert rows[2] == ["'+p", "\\x1b]0;gone\\x07", "shop", "-5.0", "-20.0"]
        assert rows[3][1] == "'\t=1"

    @pytest.mark.parametrize("form", ["table", "csv", "json"])
    def test_does_not_steer_the_terminal(self, ringfence, form):
        asked = 'SELECT attributes.note, merchant_id || chr(155) AS "\x1b[2J" FROM transactions'
        out = ringfence("sql", asked, "--format", form).out
        assert not set(out) & set("\x1b\x07\x9b\u202e")
        assert "gone" in out

    def test_makes_no_row_of_its_own(self, ringfence):
        assert "p\\n2" in ringfence("decisions").out

    def test_an_unknown_table_is_answered_with_those_that_there_are(self, ringfence):
        ended = ringfence("sql", "SELECT * FROM payments")
        assert ended.code == 2
        assert "The tables are events, transactions, labels" in ended.err


@pytest.mark.usefixtures("decided")
def test_a_rule_that_no_version_has_is_an_error_with_the_nearest(ringfence):
    ended = ringfence("decisions", "--rule", "card_testin")
    assert ended.code == 2
    assert "no version of the rules has a rule 'card_testin' (did you mean card_testing?)" in ended.err
    assert ringfence("decisions", "--rule", "account_fan_out").code == 0
