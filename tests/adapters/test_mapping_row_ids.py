"""Ids told from what stands in a row: the same again, and never those of another row."""

from __future__ import annotations

import pytest
from tests.adapters.exports import NOW, TOKENIZER, Outcome, case, mapping

from ringfence.adapters.files import read_original

ROW_IDS = mapping('"when"', '"amount"', 'transaction_id = { row_id = true }\nmerchant_id = "shop"')


def test_ids_of_rows_never_meet_those_of_next_month_and_are_the_same_when_read_again(tmp_path):
    files = [case("monthly-exports/jun.csv"), case("monthly-exports/jul.csv")]
    june, july = (Outcome(file, ROW_IDS).column("transaction_id") for file in files)
    assert len({*june, *july}) == 4
    assert Outcome(files, ROW_IDS, batch_rows=1).column("transaction_id") == june + july
    both = tmp_path / "half-year.csv"
    lines = [file.read_text().splitlines(keepends=True) for file in files]
    both.write_text("".join([*lines[1], *lines[0][1:]]))
    assert Outcome(both, ROW_IDS).column("transaction_id") == july + june


def test_equal_rows_of_one_file_are_different_payments(tmp_path):
    twice = tmp_path / "twice.csv"
    twice.write_text("when,amount,shop\n" + "2025-06-01T10:00:00Z,5.00,a\n" * 3)
    ids = Outcome(twice, ROW_IDS).column("transaction_id")
    assert ids == [ids[0], f"{ids[0]}-2", f"{ids[0]}-3"]
    assert Outcome(twice, ROW_IDS, batch_rows=2).column("transaction_id") == ids


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_row_read_again_from_quarantine_has_the_id_that_it_would_have_had(tmp_path, form):
    text = ROW_IDS + 'card_number = "pan"\n'
    if form == "csv":
        file = tmp_path / "rows.csv"
        file.write_text("when,amount,shop,pan\n2025-06-01,5.00,a,4111111111111111\n")
    else:
        file = tmp_path / "rows.ndjson"
        file.write_text('{"when": "2025-06-01", "amount": 5.0, "shop": "a", "pan": "4111111111111111"}\n')
    refused = Outcome(
        file, text.replace('event_time = "when"', 'event_time = { column = "when", format = "%Y" }')
    )
    good = Outcome(file, text)
    assert b"4111111111111111" not in refused.bad[0].original
    again = read_original(refused.bad[0].original, form, good.mapping, TOKENIZER, NOW)
    assert again.events.table.to_pylist() == good.rows
