"""What is not kept quite as it was written is told: decimals, credits, times that a clock skips."""

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


def of_rows(ringfence, tmp_path, *rows, zone="UTC"):
    file, mapping = tmp_path / "some.csv", tmp_path / "some.toml"
    file.write_text("\n".join(["id,at,amount", *rows, ""]), "utf-8")
    mapping.write_text(
        'name = "some"\n[[records]]\n[records.fields]\ntransaction_id = "id"\namount = "amount"\n'
        f'event_time = {{ column = "at", zone = "{zone}" }}\n',
        "utf-8",
    )
    ran = ringfence("run", str(file), "--mapping", str(mapping), "--data", str(tmp_path / "data"))
    return ran.err + ran.out


def test_run_tells_of_credits_that_it_took_as_payments(ringfence, tmp_path):
    """A few `CR` among payments were payments without a word."""
    rows = [
        f"t{at},2024-05-01T10:00:0{at}Z,{amount}" for at, amount in enumerate(("12.00", "8.00 CR", "9.50"))
    ]
    assert "1 amount marked as a credit (CR) was taken as a payment" in of_rows(ringfence, tmp_path, *rows)


def test_run_tells_of_local_times_that_the_clock_of_their_zone_skips(ringfence, tmp_path):
    """02:10 and 02:50 of that night became one moment."""
    rows = [f"t{minute},2024-03-31T02:{minute}:00,5" for minute in (10, 50)] + ["t3,2024-03-31T03:10:00,5"]
    told = of_rows(ringfence, tmp_path, *rows, zone="Europe/Berlin")
    assert "2 local times were skipped when clocks went forward" in told


@pytest.mark.parametrize(
    ("amount", "remedy"),
    [
        ("1.5k", "cents are lost: export whole amounts"),
        ("3 Mio EUR", "cents are lost: export whole amounts"),
        ("10050 H", "export plain numbers with a sign"),
        ("12%", "name the column that holds the amount"),
        ("0000125}", "COBOL"),
        ("0000125B", "COBOL"),
        ("twelve", "write digits, such as 1250.50"),
    ],
)
def test_an_amount_that_cannot_be_read_is_refused_with_the_remedy(ringfence, tmp_path, amount, remedy):
    of_rows(ringfence, tmp_path, "t1,2024-05-01T10:00:00Z,5", f"t2,2024-05-01T10:00:01Z,{amount}")
    listed = ringfence("quarantine", "list", "--data", str(tmp_path / "data"))
    assert remedy in " ".join((listed.out + listed.err).split())
