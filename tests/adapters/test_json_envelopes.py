"""Payments within one JSON object, however its lines are broken: an envelope is no broken record."""

import json

import pytest
from tests.adapters.drafted import NOW, Drafted, written

from ringfence.adapters.drafts.trial import tried
from ringfence.adapters.files.json_stream import json_lines
from ringfence.adapters.files.paths import CutShortError, opened
from ringfence.errors import InputError
from ringfence.events.mapping import parse_mapping

PAYMENTS = [
    {"id": f"i{at}", "when": f"2026-05-01T10:0{at}:00Z", "amount": 10.5 + at, "card": f"c{at}"}
    for at in range(6)
]
LINES = [json.dumps(one) for one in PAYMENTS]
BODY = ",\n".join(LINES)


@pytest.mark.parametrize(
    ("text", "each"),
    [
        ('{"data":[\n' + BODY + "\n]}\n", "data"),
        ('{"data": [\r\n' + BODY.replace("\n", "\r\n") + '\r\n], "next": null}\r\n', "data"),
        ('{"data":[' + BODY + "]}\n", "data"),
        ('{"data": [\n  {\n' + BODY[1:] + "\n]}", "data"),
        ('{"data":[\n' + LINES[0] + "\n]}\n", "data"),
        ('{"count": 6, "hits": {"hits": [\n' + BODY + "\n]}}\n", "hits.hits"),
        ("".join(f"\x1e{line}\n" for line in LINES), None),
    ],
    ids=["line by line", "CRLF", "the first beside it", "objects over lines", "one", "deep", "RFC 7464"],
)
def test_an_envelope_with_its_records_on_lines_of_their_own_is_read(tmp_path, text, each):
    """Every line but the last was refused: "no JSON object: Input data was truncated"."""
    found = Drafted(written(tmp_path, text, "some.json"))
    trial = tried(str(found.path), parse_mapping(found.text, "some"), NOW, None)
    assert (trial.payments, trial.refused.total()) == (text.count('"id"'), 0)
    assert found.top.get("file", {}).get("each") == each


def lines_of(path):
    with opened(str(path)) as source:
        return b"".join(json_lines(source)).split(b"\n")


def test_a_broken_line_of_records_costs_itself_alone(tmp_path):
    """Also one that ends within a list, as an envelope's first line does."""
    broken = '{"id": "i0", "tags": ['
    text = "\n".join([broken, *LINES, ""])
    assert lines_of(written(tmp_path, text, "some.json")) == [line.encode() for line in text.split("\n")]


def test_an_envelope_that_is_cut_off_is_said_to_be(tmp_path):
    path = written(tmp_path, '{"data":[\n' + BODY + "\n", "some.json")
    with pytest.raises(CutShortError, match="does not end"):
        lines_of(path)
    with pytest.raises(InputError, match="get a whole copy"):
        Drafted(path)


def test_an_envelope_larger_than_what_is_looked_at_first_is_drafted_and_a_huge_one_told_the_way_out(tmp_path):
    some = [one | {"note": "x" * 90_000} for one in PAYMENTS]
    found = Drafted(written(tmp_path, json.dumps({"data": some * 9}), "some.json"))
    assert found.fields["transaction_id"] == {"row_id": True}
    assert found.top["file"]["each"] == "data"
    with pytest.raises(InputError, match=r"jq -c '\.data\[\]'"):
        Drafted(written(tmp_path, json.dumps({"data": some * 40}), "some.json"))
