"""Siblings of known troubles: times of other clocks, numbers that count nothing, JSON of other shapes."""

import json

import pyarrow as pa
import pytest
from tests.adapters.drafted import NOW, Drafted, written

from ringfence.adapters.drafts.trial import tried
from ringfence.errors import InputError
from ringfence.events.mapping import parse_mapping
from ringfence.events.values.times import format_ms, strptime_ms, to_ms


def read(found):
    trial = tried(str(found.path), parse_mapping(found.text, "some"), NOW, None)
    return trial.payments, trial.refused.total()


def rows(header, row, count=12):
    return header + "\n" + "".join(row(at) + "\n" for at in range(count))


def timed(folder, time, header="id,date,amount"):
    return Drafted(written(folder, rows(header, lambda at: f"i{at},{time(at)},1{at}.50")))


@pytest.mark.parametrize(
    ("before", "noon"),
    [
        ("2026/5/{} 上午 9:15:00", "2026/5/{} 下午 9:15:00"),
        ("2026/05/{:02} 午前9時15分", "2026/05/{:02} 午後9時15分"),
        ("2026-05-{:02} 오전 9:15", "2026-05-{:02} 오후 9:15"),
        ("2026-05-{:02} 9:15 ص", "2026-05-{:02} 9:15 م"),
        ("{}/5/2026 9:15:00 πμ", "{}/5/2026 9:15:00 μμ"),
        ("{:02}/05/2026 9:15 पूर्वाह्न", "{:02}/05/2026 9:15 अपराह्न"),
        ("{:02}.05.2026 9:15 ÖÖ", "{:02}.05.2026 9:15 ÖS"),
        ("{:02}/05/2026 9:15 SA", "{:02}/05/2026 9:15 CH"),
        ("2026.05.{:02}. de. 9:15", "2026.05.{:02}. du. 9:15"),
        ("05/{:02}/2026 9:15a", "05/{:02}/2026 9:15p"),
    ],
)
def test_clocks_of_twelve_hours_have_words_of_many_languages(tmp_path, before, noon):
    found = timed(tmp_path, lambda at: (noon if at % 2 else before).format(at + 1))
    assert found.times[:2] == ["2026-05-01T09:15:00", "2026-05-02T21:15:00"]
    assert read(found) == (12, 0)


def test_words_that_are_no_half_of_a_day_leave_a_clock_as_it_is():
    assert strptime_ms("2026-05-01 09:15:00 CEST", "%Y-%m-%d %H:%M:%S")[1] == 2
    assert strptime_ms("2026-05-01 09:15 XX", "%Y-%m-%d %I:%M %p")[1] == 2


@pytest.mark.parametrize(
    ("time", "order", "second"),
    [
        ("{:02}/05/2026 01:15 p. m.", "day", "2026-05-02T13:15:00"),
        ("05/{:02}/2026 13:15", "month", "2026-05-02T13:15:00"),
    ],
)
def test_payments_have_been_made_so_that_days_to_come_tell_the_order(tmp_path, time, order, second):
    """Rows of August to December were refused, or no mapping was written, where July was not over."""
    found = timed(tmp_path, lambda at: time.format(at + 1))
    assert found.times[1] == second
    assert found.questions["day_order"].answers[0] == order
    assert read(found) == (12, 0)


def test_a_century_before_the_year_is_followed_by_the_month(tmp_path):
    """Five of twelve rows were refused: 1260508 was taken as the fifth of August."""
    found = timed(tmp_path, lambda at: f"1260{501 + at}")
    assert (found.times[2], read(found)) == ("2026-05-03T00:00:00", (12, 0))


def test_dates_without_end_and_a_clock_that_runs_ahead_do_not_hide_the_time(tmp_path):
    """No mapping was written: when "seems to be other times"."""
    odd = {3: "9999-12-31T00:00:00Z", 4: "0001-01-01T00:00:00Z"}
    found = timed(tmp_path, lambda at: odd.get(at, f"2026-05-01T10:{at:02}:00Z"), "id,when,amount")
    assert read(found) == (10, 2)
    ahead = timed(tmp_path, lambda at: f"202{7 if at == 5 else 6}-05-01T10:{at:02}:00Z", "id,when,amount")
    assert read(ahead) == (11, 1)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("2017-01-01T08:59:60.750+09:00", "2017-01-01T00:00:00.000Z"),
        ("2026-05-01T10:00:00 \u22120300", "2026-05-01T13:00:00.000Z"),
        ("2026-05-01T10:00:00\u221203:00", "2026-05-01T13:00:00.000Z"),
    ],
)
def test_leap_seconds_and_the_minus_of_iso_8601_are_read(text, stored):
    ms, bad = to_ms(pa.array([text, "2026-05-01T10:58:60Z", "2026-05-01T10:00:61Z"]), "iso", None)
    assert (format_ms(int(ms[0])), bad.tolist()) == (stored, [False, True, True])


@pytest.mark.parametrize("name", ["from_bank", "imei", "ZIP", "bank_branch", "sender_account"])
def test_numbers_that_count_nothing_are_texts(tmp_path, name):
    header = f"id,when,amount,customer,counterparty,account,{name}"
    who = "c{0},p{0},a{0},35{0}"
    text = rows(header, lambda at: f"i{at},2026-05-01 10:{at:02}:00,1{at}.5,{who.format(at)}")
    assert Drafted(written(tmp_path, text)).attributes[name]["type"] == "text"


@pytest.mark.parametrize("name", ["customer_age", "is_bank", "card_present", "account_balance", "items"])
def test_numbers_that_count_stay_numbers(tmp_path, name):
    """card_present was the card's id."""
    is_flag = name in ("is_bank", "card_present")
    text = rows(
        f"id,when,amount,{name}",
        lambda at: f"i{at},2026-05-01 10:{at:02}:00,1{at}.5,{at % 2 if is_flag else 30 + 7 * at % 5}",
    )
    assert Drafted(written(tmp_path, text)).attributes[name]["type"] == "number"


def test_an_account_is_no_payment_however_seldom_it_repeats(tmp_path):
    """The second payment of an account was refused as a conflict."""
    text = rows(
        "account_number,amount,date", lambda at: f"{10_000_000 + 7919 * at},1{at}.5,2026-05-{at + 1:02}"
    )
    found = Drafted(written(tmp_path, text))
    assert found.fields["transaction_id"] == {"row_id": True}
    assert found.fields["account_id"] == "account_number"


def test_the_currency_of_original_amounts_is_not_that_of_booked_ones(tmp_path):
    """100.50 was stored as US dollars."""
    text = rows("id,when,Buchungsbetrag,Originalbetrag,Originalwährung",
                lambda at: f"i{at},2026-05-01 10:{at:02}:00,1{at}.50,11{at}.00,USD")  # fmt: skip
    found = Drafted(written(tmp_path, text))
    assert "currency" not in found.fields
    assert "no column names a currency" in found.said
    other = Drafted(found.path, amount="Originalbetrag")
    assert other.fields["currency"] == "Originalwährung"


def test_amounts_of_which_a_few_are_marked_as_credits_are_said_to_be(tmp_path):
    text = rows("id,when,amount",
                lambda at: f"i{at},2026-05-01 10:{at:02}:00,1{at}.50{'' if at % 4 else ' CR'}")  # fmt: skip
    assert (
        "3 of 12 amounts of amount are marked as credits, as 10.50 CR"
        in Drafted(written(tmp_path, text)).said
    )


_PAYMENTS = [
    {"id": f"i{at}", "when": f"2026-05-01T10:0{at}:00Z", "amount": 10.5 + at, "card": "c"} for at in range(3)
]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps({one["id"]: one for one in _PAYMENTS}), "one object holds 3 records.*jq"),
        (
            json.dumps({name: [one[name] for one in _PAYMENTS] for name in _PAYMENTS[0]}),
            "holds columns.*orient",
        ),
        (json.dumps({"columns": ["id"], "data": [["i1"], ["i2"]]}), "holds columns.*orient"),
        (json.dumps([list(one.values()) for one in _PAYMENTS]), "its rows are lists"),
        ("// exported\n[{\n// one\n}]", "has comments"),
        (")]}',\n" + json.dumps(_PAYMENTS), "code around the JSON"),
        ("back(" + json.dumps(_PAYMENTS) + ");", "code around the JSON"),
        (repr(_PAYMENTS), "json.dumps"),
        ("id,when,amount\n1,2,3\n", "--format csv"),
    ],
)
def test_json_of_other_shapes_is_told_the_way_out(tmp_path, text, said):
    """One object of records became one payment; others were "none of the first lines is a JSON object"."""
    with pytest.raises(InputError, match=f"(?s){said}"):
        Drafted(written(tmp_path, text, "some.json"))


def test_json_under_the_name_of_csv_is_told_its_format(tmp_path):
    with pytest.raises(InputError, match="--format ndjson"):
        Drafted(written(tmp_path, "\n".join(map(json.dumps, _PAYMENTS)), "some.csv"))


def test_half_a_pair_of_utf_16_is_no_traceback(tmp_path):
    """UnicodeEncodeError, in the label's choice."""
    lines = [json.dumps(one | {"card": "c\ud800"} if one["id"] == "i1" else one) for one in _PAYMENTS]
    assert read(Drafted(written(tmp_path, "\n".join(lines), "some.json"))) == (2, 1)


def test_totals_between_the_payments_do_not_cost_them_their_ids(tmp_path):
    """Subtotal stood twice among the ids: row numbers were made of all."""
    text = rows("id,when,amount,card", lambda at: f"i{at},2026-05-01 10:{at:02}:00,1{at}.50,c{at % 3}"
                + ("\nSubtotal,,42.00," if at % 4 == 1 else ""), 20)  # fmt: skip
    found = Drafted(written(tmp_path, text))
    assert found.fields["transaction_id"] == "id"
    assert read(found) == (20, 0)
    assert "lines of totals between the payments are skipped" in found.said
