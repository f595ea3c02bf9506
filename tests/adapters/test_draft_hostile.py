"""Files that nobody exports: a draft says what is wrong with them, and takes no more time than others."""

import resource
import subprocess
import sys

import pytest
from tests.adapters.drafted import Drafted, written

from ringfence.errors import InputError

CPU_SECONDS = 30  # of the processor; a draft takes one or two

DRAFT = """
import sys
from ringfence.adapters.drafts import draft_mapping
from ringfence.errors import InputError
try:
    draft_mapping(sys.argv[1], "some", now_ms=1_785_000_000_000, answers={})
except InputError as error:
    print(error)
"""


def said_of(path):
    """What a process of few seconds says of a file; nothing where it was ended."""
    done = subprocess.run(
        [sys.executable, "-c", DRAFT, str(path)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS)),
    )
    return done.stdout


def test_many_empty_lines_in_what_should_be_json_take_no_longer_than_others(tmp_path):
    """Each line was looked at with all the empty ones behind it: a million took half a minute."""
    said = said_of(written(tmp_path, "x\n" + "\n" * 1_000_000 + "y", "some.json"))
    assert "none of the first lines is a JSON object" in said


def test_a_hundred_thousand_columns_are_refused(tmp_path):
    """Names that stand twice were counted for each column: the draft took minutes."""
    names = ",".join(f"c{at}" for at in range(100_000))
    values = ",".join(map(str, range(100_000)))
    said = said_of(written(tmp_path, f"{names}\n{values}\n{values}\n"))
    assert "100,000 columns" in said


@pytest.mark.parametrize("others", [0, 19])
def test_numbers_beyond_all_bounds_are_no_traceback(tmp_path, others):
    """OverflowError: cannot convert float infinity to integer."""
    amounts = ["9" * 400] * (20 - others) + ["1250"] * others
    lines = "".join(f"i{at},2026-05-01 10:00:{at:02},{one}\n" for at, one in enumerate(amounts))
    path = written(tmp_path, "id,when,amount\n" + lines)
    if others:
        assert "1 of 20 rows will be refused" in Drafted(path).said
    else:
        with pytest.raises(InputError, match="amount"):
            Drafted(path)
