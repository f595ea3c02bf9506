"""Every mitigation of the threat model names a test that exists."""

import re

import pytest

from .pages import ROOT

PAGE = ROOT / "docs" / "operations" / "threat-model.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text("utf-8").splitlines()
    if re.match(r"\| [STRIDE] \|", line)
]


def test_all_six_kinds_are_there():
    assert {row[0] for row in ROWS} == set("STRIDE")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
def test_the_test_that_a_row_names_exists(row):
    (named,) = re.findall(r"`(tests/[^`]+)`", row[3])
    path, _, name = named.partition("::")
    text = (ROOT / path).read_text("utf-8")
    assert re.search(rf"^( {{4}})?(async )?def {name}\(" if name else r"^ *def test_", text, re.MULTILINE)
