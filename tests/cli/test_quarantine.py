import json

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
    assert "2 records, 2 wait" in ringfence("quarantine", "list").out
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


def test_a_conflicting_payment_stays_a_conflict(ringfence, project):
    ringfence("run", write_ndjson(project / "rows.ndjson", [payment(0), payment(0, amount=7.0)]))
    ended = ringfence("quarantine", "replay", "--all", "--json")
    assert (ended.code, ended.json) == (4, {"conflict": 1})


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
