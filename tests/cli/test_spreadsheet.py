"""`ringfence sql --format xlsx`: a workbook that any spreadsheet opens, without a formula in it."""

import io
import re
import sys
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ringfence.cli.terminal.spreadsheet import workbook
from ringfence.errors import InputError

from .conftest import payment, write_ndjson


def cells(content: bytes) -> dict[str, tuple[str, str]]:
    """By place its kind (`inlineStr`, `n`, `b`) and what is in it, as the file says."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        sheet = packed.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    found = re.findall(r'<c r="(\w+)"(?: s="\d+")?(?: t="(\w+)")?>(.*?)</c>', sheet)
    return {place: (kind or "n", re.sub("<[^>]+>", "", inner)) for place, kind, inner in found}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "http://x", "007", "{=1}"])
def test_a_text_stays_a_text_whatever_it_begins_with(text):
    assert cells(workbook(["a"], [[text]], 1))["A2"] == ("inlineStr", text)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (2**53, ("n", str(2**53))),
        (2**53 + 1, ("inlineStr", str(2**53 + 1))),
        (Decimal("12.345"), ("n", "12.345")),
        (Decimal("12345678901234567.89"), ("inlineStr", "12345678901234567.89")),
        (float("nan"), ("inlineStr", "nan")),
        (True, ("b", "1")),
        (date(2024, 5, 1), ("n", "45413")),
        (datetime(2024, 5, 1, 12, tzinfo=UTC), ("n", "45413.5")),
        (date(1899, 1, 1), ("inlineStr", "1899-01-01")),
        (["a", "=b"], ("inlineStr", "[&quot;a&quot;, &quot;=b&quot;]")),
    ],
)
def test_a_value_is_a_number_only_where_a_sheet_holds_it_exactly(value, told):
    kind, text = cells(workbook(["a"], [[value]], 1))["A2"]
    assert (kind, text.replace('"', "&quot;")) == told


def test_an_answer_larger_than_a_sheet_is_refused():
    with pytest.raises(InputError, match="--format csv"):
        workbook(["a"], [], 1_048_576)


def test_an_answer_is_a_workbook_in_a_file_and_never_on_a_terminal(ringfence, project, monkeypatch):
    ringfence("run", write_ndjson(project / "rows.ndjson", [payment(0, merchant_id="=cmd()")]))
    asked = ("sql", "SELECT merchant_id, amount FROM transactions", "--format", "xlsx")
    out = io.TextIOWrapper(io.BytesIO())
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", out)
        assert ringfence(*asked).code == 0
    found = cells(out.buffer.getvalue())
    assert (found["A1"][1], found["A2"], found["B2"]) == ("merchant_id", ("inlineStr", "=cmd()"), ("n", "20"))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    refused = ringfence(*asked)
    assert (refused.code, "> answer.xlsx" in refused.err) == (2, True)
