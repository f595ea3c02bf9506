"""Every mitigation of the threat model, and every failure of AWS that is known, names a test that exists."""

import re

import pytest

from .pages import ROOT

PAGE = ROOT / "docs" / "operations" / "threat-model.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text("utf-8").splitlines()
    if re.match(r"\| [STRIDE] \|", line)
]

AWS = ROOT / "docs" / "operations" / "aws.md"
FAILURES = re.findall(r"^\| .* \| `((?:tests|deploy)/[^`]+)` \|$", AWS.read_text("utf-8"), re.MULTILINE)


def test_all_six_kinds_are_there():
    assert {row[0] for row in ROWS} == set("STRIDE")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
def test_the_tests_that_a_row_names_exist(row):
    found = re.findall(r"`(tests/[^`]+)`", row[3])
    assert found
    for named in found:
        assert_there(named)


@pytest.mark.parametrize("named", FAILURES)
def test_the_test_of_a_failure_of_aws_exists(named):
    assert_there(named)


def test_the_table_of_failures_is_read():
    assert len(FAILURES) >= 18


def assert_there(named):
    path, _, name = named.partition("::")
    text = (ROOT / path).read_text("utf-8")
    assert re.search(rf"^( {{4}})?(async )?def {name}\(" if name else r"^ *def test_", text, re.MULTILINE)
