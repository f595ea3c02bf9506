"""`ringfence sources --explain`: what a mapping makes of a file, before anything is kept."""

from pathlib import Path

import pytest

CASES = Path(__file__).parent.parent / "adapters" / "cases"
MAPPING = """
[[records]]
[records.fields]
event_time = { join = ["Date", "Time"], format = "%m/%d/%Y %H:%M:%S", zone_column = "TimeZone" }
amount = { column = "Gross", thousands = ",", other_sign = "skip" }
transaction_id = "Transaction ID"
currency = "Currency"
"""


@pytest.fixture
def paypal(project):
    (project / "paypal.toml").write_text(MAPPING)
    return str(CASES / "paypal" / "in.csv")


def test_each_field_is_shown_with_what_it_reads_and_what_will_be_stored(ringfence, paypal):
    ended = ringfence("sources", "--explain", paypal, "--mapping", "paypal.toml", "--json")
    assert ended.code == 0
    fields = {one["field"]: (one["reads"], one["values"]) for one in ended.json["fields"]}
    assert fields["event_time"] == (
        "Date + Time, format '%m/%d/%Y %H:%M:%S', zone column TimeZone",
        ["2025-10-26T06:30:00.000Z", "2025-10-26T07:10:00.000Z"],
    )
    assert fields["amount"] == ("Gross, thousands ',', other sign skip", ["1,500.00 USD", "99.99 USD"])
    assert ended.json["skipped"] == 2
    assert "1,500.00 USD" in ringfence("sources", "--explain", paypal, "--mapping", "paypal.toml").out


def test_what_is_refused_is_shown_with_its_reason(ringfence, paypal, project):
    (project / "paypal.toml").write_text(MAPPING.replace(', other_sign = "skip"', ""))
    ended = ringfence("sources", "--explain", paypal, "--mapping", "paypal.toml")
    assert "2 refused as negative_amount, the first: row 3: amount:" in ended.err


def test_a_file_that_nothing_fits_needs_a_mapping(ringfence, project):
    (project / "strange.csv").write_text("wann,wieviel\n2025-05-01,5\n")
    assert "--mapping" in ringfence("sources", "--explain", "strange.csv").err


def test_rows_that_the_mapping_skips_are_counted_by_run(ringfence, paypal):
    ended = ringfence("run", paypal, "--mapping", "paypal.toml", "--json")
    assert (ended.json["transactions"], ended.json["skipped"], ended.code) == (2, 2, 0)
    assert "2 rows skipped" in ringfence("run", paypal, "--mapping", "paypal.toml").out


@pytest.mark.parametrize(
    ("last", "told"), [(b"t2,2024-05-01T10:01:00Z,12", True), (b"t2,2024-05-01T10:01:00Z,1234.50\r\n", False)]
)
def test_a_table_that_ends_within_a_line_is_decided_and_doubted(ringfence, project, last, told):
    head = b"transaction_id,event_time,amount\r\nt1,2024-05-01T10:00:00Z,9.00\r\n"
    (project / "pay.csv").write_bytes(head + last)
    (project / "utf16.csv").write_bytes((head + b"t3,2024-05-01T10:01:00Z,5\n").decode().encode("utf-16"))
    ended = ringfence("run", "pay.csv", "utf16.csv")
    assert ("pay.csv does not end with a newline" in ended.err) is told
    assert "utf16.csv does not" not in ended.err
