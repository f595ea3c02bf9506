"""Amounts lose decimals that nobody keeps only with a word about it."""

import json

import pytest


@pytest.mark.parametrize("json_lines", [False, True])
def test_run_tells_how_many_amounts_it_rounded(ringfence, tmp_path, json_lines):
    """Quietly, 12.345 became 12.34."""
    rows = [("12.345", "EUR"), ("12.3400", "EUR"), ("1500.5", "JPY"), ("1.234", "KWD")]
    names = ("transaction_id", "event_time", "amount", "currency")
    payments = [(f"t{at}", f"2024-05-01T10:0{at}:00Z", *row) for at, row in enumerate(rows)]
    if json_lines:
        text = "\n".join(json.dumps(dict(zip(names, one, strict=True))) for one in payments)
    else:
        text = "\n".join([",".join(names), *map(",".join, payments)])
    file = tmp_path / ("some.ndjson" if json_lines else "some.csv")
    file.write_text(text + "\n", "utf-8")
    ran = ringfence("run", str(file), "--data", str(tmp_path / "data"))
    assert "2 amounts had more decimals than their currency keeps" in ran.err + ran.out
