"""Headers with more or fewer names than the rows have cells."""

import pytest
from tests.adapters.drafted import CARD, NOW, Drafted, written

from ringfence.adapters.drafts import draft_mapping
from ringfence.adapters.drafts.trial import tried
from ringfence.errors import InputError
from ringfence.events.mapping import parse_mapping

HEADER = "txn_id,created_at,amount,card_id"
LINES = [f"t{at},2024-05-01 10:{at:02}:00,{at + 200}.50,c{at % 5}" for at in range(20)]


def amounts(form, every=1):
    """Rows with an amount in the third of four columns, of which some are written in another form."""
    rows = []
    for at in range(20):
        amount = form.format(at + 200) if at % every == 0 else f"{at + 200}.50"
        rows.append(f"t{at},2024-05-01 10:{at:02}:00,{amount},c{at % 5}")
    return rows


def file_of(folder, header, rows):
    return written(folder, "\n".join([header, *rows, ""]))


def refused(file):
    with pytest.raises(InputError) as told:
        draft_mapping(str(file), "some", now_ms=NOW, answers={})
    return str(told.value)


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("Rs. 1,20,{}.00", "Rs. 1,20,200.00 for one"),
        ("$1,{}.50", "$1,200.50 for one"),
        ("1,{}", "1,200 for one"),
        ("{},50", "200,50 for one"),
        ("EUR 1,{}.00", "EUR 1,200.00 for one"),
    ],
)
def test_amounts_that_the_separator_parts_are_told_and_never_taken_for_others(tmp_path, form, shown):
    """Rs. 1,20,003.00 was drafted as 3.00: the header was dropped, the amount was the last part."""
    said = refused(file_of(tmp_path, HEADER, amounts(form)))
    assert "line 1 names 4 columns" in said
    assert "without quotes" in said
    assert shown in said
    assert "export the file again with quotes" in said


def test_the_last_column_is_no_exception(tmp_path):
    rows = [f"t{at},2024-05-01 10:{at:02}:00,c{at % 5},$1,{at + 200}.50" for at in range(20)]
    assert "$1,200.50 for one" in refused(file_of(tmp_path, "txn_id,created_at,card_id,amount", rows))


def test_amounts_that_the_separator_parts_in_most_rows_cost_no_header(tmp_path):
    rows = amounts("1,{}.50", 2)
    rows += [row.replace("t", "u", 1) for row in rows if row.count(",") > 3]
    said = refused(file_of(tmp_path, HEADER, rows))
    assert "line 1 names 4 columns, and most rows have 5 cells, as line 2 has" in said


def test_amounts_that_the_separator_parts_in_few_rows_are_refused_row_by_row(tmp_path):
    found = Drafted(file_of(tmp_path, HEADER, amounts("1,{}.50", 3)))
    assert found.fields["amount"] == "amount"
    assert found.values["amount"][0] == "201.50"
    assert found.refused == 7
    assert "7 of 20 rows have more or fewer cells" in found.said
    assert "need quotes" in found.said


def test_a_file_with_a_preamble_and_one_with_a_single_row_are_told_too(tmp_path):
    rows = amounts("$1,{}.50")
    assert "line 2 names 4 columns" in refused(file_of(tmp_path, f"Statement of May\n{HEADER}", rows))
    assert "line 1 names 4 columns" in refused(file_of(tmp_path, HEADER, rows[:1]))
    assert "line 1 names 4 columns" in refused(file_of(tmp_path, "取引,日時,金額,カード", rows))


def test_card_numbers_beside_such_amounts_are_shown_by_no_message(tmp_path):
    rows = [f"t{at},2024-05-01 10:{at:02}:00,{CARD},$1,{at + 200}.50" for at in range(20)]
    said = refused(file_of(tmp_path, "txn_id,created_at,card,amount", rows))
    assert "without quotes" in said
    assert CARD not in said


def test_a_name_that_the_separator_parts_is_told(tmp_path):
    said = refused(file_of(tmp_path, HEADER.replace("amount", "Amount, EUR"), LINES))
    assert "line 1 names 5 columns, and most rows have 4 cells" in said
    assert "A name with the separator (,) in it stands without quotes" in said


@pytest.mark.parametrize(
    ("header", "more", "said"),
    [
        (HEADER, "{},", "the rows end with separators"),
        (HEADER, "{},,,,,,,", "the rows end with separators"),
        (HEADER + ",,", "{}", "the header ends with separators"),
    ],
)
def test_separators_at_the_ends_of_lines_cost_no_names(tmp_path, header, more, said):
    found = Drafted(file_of(tmp_path, header, [more.format(row) for row in LINES]))
    assert said in found.said
    assert_read(found)


def test_numbers_of_rows_without_a_name_cost_no_names(tmp_path):
    found = Drafted(file_of(tmp_path, HEADER, [f"{at},{row}" for at, row in enumerate(LINES, 1)]))
    assert "the rows begin with their number" in found.said
    assert_read(found)


def assert_read(found):
    """All payments are read, by the names of the header."""
    assert [found.fields["transaction_id"], found.fields["amount"]] == ["txn_id", "amount"]
    assert found.fields["card_id"] == "card_id"
    trial = tried(str(found.path), parse_mapping(found.text, "some"), NOW, None)
    assert (trial.payments, trial.refused.total()) == (20, 0)
    assert found.values["amount"][0] == "200.50"


@pytest.mark.parametrize("form", ["2567-05-{:02} 10:00:00", "{:02}/05/2567 10:00"])
def test_years_of_the_buddhist_calendar_are_named_with_the_remedy(tmp_path, form):
    rows = [f"t{at},{form.format(at + 1)},{at}.50,c{at}" for at in range(20)]
    said = refused(file_of(tmp_path, HEADER, rows))
    assert "2567 is 2024 in the Buddhist calendar of Thailand" in said
    assert "with Gregorian years" in said
