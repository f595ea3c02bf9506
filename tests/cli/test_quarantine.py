import json
from importlib import resources

import pytest

from .conftest import payment, write_ndjson


@pytest.fixture
def refused(ringfence, project):
    """One good payment and two bad records."""
    rows = [payment(0), payment(1, currency="XXQ"), payment(2, event_time="soon")]
    ringfence("run", write_ndjson(project / "rows.ndjson", rows))


def listed(ringfence, *options):
    return ringfence("quarantine", "list", "--json", *options).json_lines


@pytest.mark.usefixtures("refused")
def test_bad_records_are_listed_with_place_and_reason(ringfence):
    found = {row["reason"]: row for row in listed(ringfence)}
    assert set(found) == {"unknown_currency", "unparsable_time"}
    assert found["unknown_currency"]["source"].endswith("rows.ndjson")
    assert found["unknown_currency"]["position"] == 2
    assert "2 records, 2 await a retry" in ringfence("quarantine", "list").out
    assert len(listed(ringfence, "--reason", "unparsable_time")) == 1


@pytest.mark.usefixtures("refused")
def test_one_is_shown_with_its_original_bytes(ringfence):
    record = listed(ringfence, "--reason", "unparsable_time")[0]
    shown = ringfence("quarantine", "show", record["id"][:8])
    assert shown.code == 0
    assert '"event_time": "soon"' in shown.out
    assert json.loads(ringfence("quarantine", "show", record["id"], "--json").json["original"]) == payment(
        2, event_time="soon"
    )


@pytest.mark.usefixtures("refused")
def test_one_that_is_still_bad_stays(ringfence):
    ended = ringfence("quarantine", "replay", "--all")
    assert ended.code == 4
    assert {row["outcome"] for row in listed(ringfence)} == {"unknown_currency", "unparsable_time"}


def test_a_record_is_decided_once_its_mapping_is_put_right(ringfence, project):
    """The till writes day.month; the mapping said month.day."""

    def mapping(pattern):
        text = (
            'name = "till"\n[[records]]\n[records.fields]\ntransaction_id = "id"\namount = "amount"\n'
            f'event_time = {{ column = "when", format = "{pattern}" }}\n'
        )
        (project / "till.toml").write_text(text)

    (project / "till.csv").write_text("id,when,amount\na,05.01.2024,5\nb,25.01.2024,5\n")
    mapping("%m.%d.%Y")
    assert ringfence("run", "till.csv", "--mapping", "till.toml").code == 4
    assert ringfence("quarantine", "replay", "--all").code == 4
    mapping("%d.%m.%Y")
    ended = ringfence("quarantine", "replay", "--all", "--mapping", "till.toml", "--json")
    assert (ended.code, ended.json) == (0, {"accepted": 1})
    assert ringfence("decision", "b").code == 0
    assert ringfence("quarantine", "replay", "--all", "--json").json == {}
    again = listed(ringfence)[0]["id"]
    assert ringfence("quarantine", "replay", again, "--mapping", "till.toml", "--json").json == {
        "duplicate": 1
    }
    assert ringfence("replay", "--verify").code == 0


def test_a_record_whose_row_is_its_id_gets_the_same_id_again(ringfence, project):
    """The third payment's amount is negative; the second mapping knows better."""
    rows = [
        {
            "object_type": "transaction",
            "account": "a",
            "merchant": "m",
            "transaction_amount": amount,
            "time": "Aug 19, 2024, 02:50:00.123",
        }
        for amount in ("100", "200", "-300", "400")
    ]
    write_ndjson(project / "rows.ndjson", rows)
    ringfence("run", "rows.ndjson", "--mapping", "micro-macro")
    text = resources.files("ringfence.events").joinpath("mappings", "micro-macro.toml").read_text()
    assert 'amount = "transaction_amount"' in text
    fixed = text.replace('amount = "transaction_amount"', "amount = { constant = 300 }")
    (project / "fixed.toml").write_text(fixed)
    ended = ringfence("quarantine", "replay", "--all", "--mapping", "fixed.toml", "--json")
    assert ended.json == {"accepted": 1}
    again = ringfence("run", "rows.ndjson", "--mapping", "fixed.toml", "--json").json
    assert (again["transactions"], again["quarantined"]) == (0, {"conflict": 3})  # its amounts are others
    assert len(ringfence("decisions", "--json").json_lines) == 4


def test_a_conflicting_payment_stays_a_conflict(ringfence, project):
    ringfence("run", write_ndjson(project / "rows.ndjson", [payment(0), payment(0, amount=7.0)]))
    ended = ringfence("quarantine", "replay", "--all", "--json")
    assert (ended.code, ended.json) == (4, {"conflict": 1})


def test_one_that_a_mapping_does_not_fit_is_told_and_the_others_are_tried(ringfence, project):
    (project / "days.csv").write_text(
        "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT\n1,2018-04-41 10:00:00,c,t,10.0\n"
    )
    ringfence("run", "days.csv")
    ringfence("run", write_ndjson(project / "rows.ndjson", [payment(0), payment(1, amount=-5)]))
    ended = ringfence("quarantine", "replay", "--all", "--mapping", "canonical", "--json")
    assert (ended.code, ended.json) == (4, {"unparsable_time": 1, "negative_amount": 1})
    assert "has no column 'transaction_id'" in ended.err


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "nothing"), "no record begins"),
        (("replay",), "--all"),
        (("replay", "zz"), "no record begins"),
    ],
)
def test_what_cannot_be_found_is_an_error(ringfence, arguments, told):
    ended = ringfence("quarantine", *arguments)
    assert ended.code == 2
    assert told in ended.err
