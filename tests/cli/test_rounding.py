"""Amounts lose decimals that nobody keeps only with a word about it."""

import json

import pytest


@pytest.mark.parametrize("json_lines", [False, True])
def test_run_tells_how_many_amounts_it_rounded(ringfence, tmp_path, json_lines):
    """Quietly, 12.345 became 12.34."""
    rows = [("12.00001", "EUR"), ("12.3400", "EUR"), ("1500.5", "JPY"), ("1.234", "KWD")]
    names = ("transaction_id", "event_time", "amount", "currency")
    payments = [(f"t{at}", f"2024-05-01T10:0{at}:00Z", *row) for at, row in enumerate(rows)]
    if json_lines:
        text = "\n".join(json.dumps(dict(zip(names, one, strict=True))) for one in payments)
    else:
        text = "\n".join([",".join(names), *map(",".join, payments)])
    file = tmp_path / ("some.ndjson" if json_lines else "some.csv")
    file.write_text(text + "\n", "utf-8")
    ran = ringfence("run", str(file), "--data", str(tmp_path / "data"))
    assert "2 amounts had more decimals than their currency has" in ran.err + ran.out


def test_run_speaks_of_one_amount_as_of_one(ringfence, tmp_path):
    file = tmp_path / "some.csv"
    file.write_text("transaction_id,event_time,amount\nt0,2024-05-01T10:00:00Z,12.345\n", "utf-8")
    ran = ringfence("run", str(file), "--data", str(tmp_path / "data"))
    assert "1 amount had more decimals than its currency has" in ran.err + ran.out
    assert "it was rounded half to even" in ran.err + ran.out


def test_run_tells_of_digits_that_a_source_has_beyond_its_currencys(ringfence, tmp_path):
    """The source gives hundredths of a currency that has none."""
    file, mapping = tmp_path / "some.csv", tmp_path / "some.toml"
    rows = [f"t{at},2024-05-01T10:00:0{at}Z,UGX,{minor}" for at, minor in enumerate((150050, 150000))]
    file.write_text("\n".join(["id,at,currency,amount", *rows, ""]), "utf-8")
    mapping.write_text(
        'name = "some"\n[[records]]\n[records.fields]\n'
        'transaction_id = "id"\nevent_time = "at"\ncurrency = "currency"\n'
        'amount = { column = "amount", unit = "minor", digits = { UGX = 2 } }\n',
        "utf-8",
    )
    ran = ringfence("run", str(file), "--mapping", str(mapping), "--data", str(tmp_path / "data"))
    assert "1 amount had more decimals" in ran.err + ran.out
