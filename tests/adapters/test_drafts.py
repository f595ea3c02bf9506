"""Drafts of mappings for files of which nothing is known: what is chosen, said, and what will be stored."""

import pytest
from tests.adapters.drafted import CARD, CASES, NOW, Drafted, table, written

from ringfence.adapters.drafts import draft_mapping
from ringfence.errors import InputError


def test_columns_are_told_by_name_and_values(tmp_path):
    found = Drafted(
        table(
            tmp_path,
            {
                "order_id": ["a", "b"],
                "created_date": ["31.12.2023 10:00", "01.01.2024 11:30"],
                "card_number": [CARD, "5500 0000 0000 0004"],
                "client": ["u1", "u1"],
                "amt": ["12.50", "3"],
                "is_fraud": ["no", "yes"],
                "score": [0.5, None],
                "note": ["x", ""],
            },
        )
    )
    assert found.fields == {
        "transaction_id": "order_id",
        "event_time": {"column": "created_date", "format": "%d.%m.%Y %H:%M", "zone": "UTC"},
        "card_number": "card_number",
        "customer_id": "client",
        "amount": "amt",
    }
    assert found.label["column"] == "is_fraud"
    assert {name: item["type"] for name, item in found.attributes.items()} == {
        "score": "number",
        "note": "text",
    }
    assert CARD not in found.text + found.said + str(found.values)


@pytest.mark.parametrize(
    "file",
    sorted(
        path for path in CASES.rglob("*.*") if not {"iso8583", "labels", "other-calendars"} & set(path.parts)
    ),
    ids=lambda path: path.name,
)
def test_no_draft_refuses_its_own_file(file):
    """One row at most, which is said: an unquoted comma, a point among commas, microseconds among seconds."""
    found = Drafted(file)
    assert found.refused <= 1
    assert bool(found.refused) == ("will be refused" in found.said)
    assert CARD not in found.text + found.said + str(found.values)


def test_a_bank_is_not_who_pays(tmp_path):
    names = "step,amount,nameOrig,nameDest,bankOrig,bankDest"
    rows = [f"{n // 40},{n + 0.5},{n * 7 % 90},{n * 11 % 90},bank_{n % 3},bank_{n % 2}" for n in range(400)]
    text = Drafted(written(tmp_path, "\n".join([names, *rows]))).text
    assert 'customer_id = "nameOrig"' in text
    assert 'counterparty_id = "nameDest"' in text


def test_what_no_column_tells_is_not_written_but_said():
    with pytest.raises(InputError, match=r"no mapping is written.*time of the payment.*the amount"):
        Drafted(CASES / "iso8583" / "in.ndjson")


def test_a_mapping_that_would_refuse_most_rows_is_not_written(tmp_path):
    rows = "".join(f"a{n},2090-01-0{n + 1}T10:00:00Z,5.00\n" for n in range(5))
    with pytest.raises(InputError, match=r"no mapping is written.*out of range"):
        Drafted(written(tmp_path, "id,created_at,amount\n" + rows))


def test_ids_that_a_spreadsheet_has_rounded_are_named_and_are_no_keys():
    found = Drafted(CASES / "sci-ids" / "in.csv")
    assert found.fields["transaction_id"] == {"row_id": True}
    assert not {"card_id", "card_number"} & found.fields.keys()
    assert "card_number is damaged" in found.said
    assert "order_id is damaged" in found.said


@pytest.mark.parametrize("shown", ["NULL", "nan", "zeros", "empty", "ip0"])
def test_what_stands_for_nothing_is_no_key(shown):
    found = Drafted(CASES / "placeholder-ids" / f"{shown}.csv")
    assert not found.values.get("ip" if shown == "ip0" else "device_id")
    assert found.values["card_id"] == ("card-0", "card-1", "card-2")
    assert ("taken as missing" in found.said) == (shown != "empty")


def test_ids_that_count_from_0_keep_their_first():
    assert Drafted(CASES / "tabformer" / "in.csv").values["customer_id"] == ("0", "1")


def test_files_of_two_months_without_ids_do_not_meet():
    months = [Drafted(CASES / "monthly-exports" / f"{month}.csv") for month in ("jun", "jul")]
    assert all(found.fields["transaction_id"] == {"row_id": True} for found in months)


def test_security_data_of_cards_is_left_out():
    found = Drafted(CASES / "cvv" / "in.ndjson")
    assert not {"cardCVV", "enteredCVV"} & found.attributes.keys()
    assert "cardCVV is left out" in found.said
    assert found.fields["amount"] == "transactionAmount"
    assert found.label == {"column": "isFraud", "delay": "7d"}


@pytest.mark.parametrize(
    ("amounts", "values", "said"),
    [
        (["1.234,50", "7,00"], ("1,234.50", "7.00"), ""),
        (["1'234.50", "12.00"], ("1,234.50", "12.00"), ""),
        (["1 234,50", "7,00"], ("1,234.50", "7.00"), ""),
        (["12,34,567.50", "5.00"], ("1,234,567.50", "5.00"), ""),
        (["1.500", "2.250"], ("1.50", "2.25"), "three digits after each point"),
        (["-12.00", "-3.00", "5.00"], ("12.00", "3.00"), "below zero"),
        (["12.00", "3.00", "-5.00"], ("12.00", "3.00"), "above zero"),
        (["1999", "4999", "2490"], ("19.99", "49.99", "24.90"), "may be in cents"),
        (["€ 12.00", "€ 3.00"], ("12.00 EUR", "3.00 EUR"), ""),
        (["12.00 GBP", "3.00 GBP"], ("12.00 GBP", "3.00 GBP"), ""),
    ],
)
def test_amounts_in_every_spelling(tmp_path, amounts, values, said):
    rows = "".join(f"t{n}\t2025-05-01T10:0{n}:00Z\t{amount}\n" for n, amount in enumerate(amounts))
    found = Drafted(written(tmp_path, "txn_id\twhen\tamount\n" + rows))
    assert found.values["amount"] == values
    assert said in found.said
    assert found.refused == 0


@pytest.mark.parametrize(
    ("written_as", "form"),
    [
        (["01.03.2024 09:14"] * 4 + ["yesterday"], "%d.%m.%Y %H:%M"),
        (["03/21/2024", "03/04/2024"], "%m/%d/%Y"),
        (["03/02/2024", "03/04/2024"], "%d/%m/%Y"),
        (["20240301", "20240302"], "%Y%m%d"),
        (["2024/03/01 10:00"], "%Y/%m/%d %H:%M"),
        (["5 Mar 2024 10:00", "6 Mar 2024 11:00"], "%d %b %Y %H:%M"),
        (["20240301101500"], "%Y%m%d%H%M%S"),
        (["03/21/2024 01:02 PM"], "%m/%d/%Y %I:%M %p"),
    ],
)
def test_the_way_most_times_are_written_is_taken(tmp_path, written_as, form):
    found = Drafted(table(tmp_path, {"date": written_as, "amount": [1.5] * len(written_as)}))
    assert found.fields["event_time"]["format"] == form
    assert ("no times" in found.said) == ("yesterday" in written_as)
    assert ("day_order" in found.questions) == (form == "%d/%m/%Y")


def test_day_and_month_are_asked_about_and_the_answer_holds(tmp_path):
    file = written(tmp_path, "id,date,amount\na,03/02/2024,1.50\nb,03/04/2024,2.50\n")
    assert Drafted(file).times == ["2024-02-03T00:00:00", "2024-04-03T00:00:00"]
    assert "--answer day_order=month" in Drafted(file).said
    found = Drafted(file, day_order="month")
    assert found.times == ["2024-03-02T00:00:00", "2024-03-04T00:00:00"]
    assert "day_order" not in found.questions


def test_another_column_tells_which_of_day_and_month_is_first():
    found = Drafted(CASES / "inr-date-time" / "in.csv")
    assert "day_order" not in found.questions
    assert "day first, as in another column" in found.said


def test_two_columns_that_may_be_the_time_are_asked_about(tmp_path):
    file = written(
        tmp_path,
        "id,created,booked_date,amount\na,2025-05-01,2025-05-02,1.50\nb,2025-05-03,2025-05-04,2.50\n",
    )
    found = Drafted(file)
    assert found.questions["event_time"].answers == ("created", "booked_date")
    assert found.runner_up["event_time"] == "booked_date"
    assert Drafted(file, event_time="booked_date").times[0] == "2025-05-02T00:00:00"


def test_an_answer_that_is_no_column_or_no_choice_is_refused(tmp_path):
    file = written(tmp_path, "id,when,amount\na,03/02/2024,1.50\nb,03/04/2024,2.50\n")
    with pytest.raises(InputError, match=r"no such column.*did you mean amount"):
        Drafted(file, amount="amout")
    with pytest.raises(InputError, match="one of day, month"):
        Drafted(file, day_order="year")


def test_debits_and_credits_in_columns_of_their_own(tmp_path):
    file = written(
        tmp_path, "id,date,Debit,Credit\na,2025-05-01,12.50,\nb,2025-05-02,,100.00\nc,2025-05-03,3.00,\n"
    )
    assert Drafted(file).values["amount"] == ("12.50", "3.00")
    assert Drafted(file, payments="credit").values["amount"] == ("100.00",)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["0", "1"], {}),
        (["No", "Yes"], {}),
        (["legit", "fraud"], {"fraud": ["fraud"], "good": ["legit"]}),
        (["2", "1", "unknown"], {"fraud": ["1"], "good": ["2"], "unknown": ["unknown"]}),
        (["0", "1", "2"], {"fraud": ["1"], "good": ["0"], "unknown": ["2"]}),
    ],
)
def test_labels_in_numbers_and_in_words(tmp_path, words, options):
    rows = "".join(f"t{n},2025-05-01T10:0{n}:00Z,1.50,{words[n % len(words)]}\n" for n in range(6))
    found = Drafted(written(tmp_path, "id,when,amount,class\n" + rows))
    assert found.label == {"column": "class", "delay": "7d"} | options
    assert found.refused == 0


def test_what_is_known_only_later_and_clocks_are_left_out(tmp_path):
    found = Drafted(
        table(
            tmp_path,
            {
                "id": list(range(30)),
                "time": [1_700_000_000 + n for n in range(30)],
                "amount": [1.0] * 30,
                "fraud": [n % 2 for n in range(30)],
                "fraud_scenario": [n % 3 for n in range(30)],
                "refunded_amount": [0.5] * 30,
                "status": ["paid", "refunded"] * 15,
                "counter": list(range(30)),
                "V1": [(-1.0) ** n for n in range(30)],
            },
        )
    )
    assert list(found.attributes) == ["V1"]
    assert found.fields["event_time"] == {"column": "time", "format": "epoch_s"}
    for name in ("fraud_scenario", "refunded_amount", "status", "counter"):
        assert f"{name} is left out" in found.said


@pytest.mark.parametrize(
    ("number", "field"), [("411111******1111", "card_id"), ("XXXXXXXXXXXX1111", None), ("****1111", None)]
)
def test_masked_card_numbers_are_a_key_only_where_they_tell_cards_apart(tmp_path, number, field):
    rows = "".join(f"t{n},2025-05-01T10:0{n}:00Z,1.50,{number}\n" for n in range(4))
    found = Drafted(written(tmp_path, "id,when,amount,card_number\n" + rows))
    assert [name for name, source in found.fields.items() if source == "card_number"] == (
        [field] if field else []
    )
    assert found.refused == 0


def test_a_field_whose_values_are_refused_is_left_out_and_the_rows_stay(tmp_path):
    rows = "".join(f"t{n},2025-05-01T10:0{n}:00Z,1.50,{CARD if n else 'gift card'}\n" for n in range(8))
    found = Drafted(written(tmp_path, "id,when,amount,card_number\n" + rows))
    assert found.refused == 0
    assert "card_id is left out" in found.said
    assert CARD not in found.text + found.said


def test_small_whole_numbers_that_many_rows_share_are_days(tmp_path):
    found = Drafted(table(tmp_path, {"step": [n // 20 for n in range(100)], "amount": [1.5] * 100}))
    assert found.fields["event_time"] == {"column": "step", "format": "epoch_d", "offset_s": 1_577_836_800}
    assert "count days" in found.said


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (('{"data": [{"id": "a", "created": "2025-05-01T10:00:00Z", "amount": 1.5}, '
          '{"id": "b", "created": "2025-05-01T10:01:00Z", "amount": 2.5}], "has_more": false}'), "data."),
        (('[\n {"id": "a", "created": "2025-05-01T10:00:00Z", "amount": 1.5},\n'
          ' {"id": "b", "created": "2025-05-01T10:01:00Z", "amount": 2.5}\n]'), ""),
        (('{\n "id": "a",\n "created": "2025-05-01T10:00:00Z",\n "amount": 1.5\n}\n'
          '{\n "id": "b",\n "created": "2025-05-01T10:01:00Z",\n "amount": 2.5\n}'), ""),
    ],
)  # fmt: skip
def test_json_in_every_arrangement(tmp_path, text, where):
    found = Drafted(written(tmp_path, text, "some.json"))
    assert found.fields["transaction_id"] == f"{where}id"
    assert found.values["transaction_id"] == ("a", "b")
    assert found.values["amount"] == ("1.50", "2.50")


def test_a_file_without_an_object_gets_no_draft(tmp_path):
    with pytest.raises(InputError, match="none of the first lines"):
        draft_mapping(str(written(tmp_path, "[1]\n")), "some", "ndjson", now_ms=NOW)


def test_utf_16_is_read(tmp_path):
    text = "id\twhen\tamount\na\t2025-05-01T10:00:00Z\t1.50\nb\t2025-05-01T10:01:00Z\t2.50\n"
    found = Drafted(written(tmp_path, text, encoding="utf-16"))
    assert found.values["amount"] == ("1.50", "2.50")


@pytest.mark.parametrize(("step_s", "kept"), [(20, True), (3_600, False)])
def test_a_time_of_day_is_no_counter_only_because_the_rows_are_of_one_day(tmp_path, step_s, kept):
    rows = [f"t{row},{row * step_s},9.99,{row * step_s // 3600 / 24:.6f},{row}" for row in range(2000)]
    found = Drafted(written(tmp_path, "\n".join(["id,TransactionDT,amount,X1,n", *rows])))
    assert ("X1" in found.attributes) is kept
    assert "n" not in found.attributes
