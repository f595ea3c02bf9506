"""A draft asks whoever sits at a terminal, and writes what was answered."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ringfence.events.mapping import load_mapping

RINGFENCE = str(Path(sys.executable).with_name("ringfence"))
ROWS = "id,created_at,amount,card_id\n" + "".join(
    f'p{n},2025-05-01T10:0{n}:00Z,"{n + 1},500",c1\n' for n in range(6)
)

pytestmark = pytest.mark.slow


def at_a_terminal(folder, *answers):
    """The exit code, and what a person reads who answers each question in turn."""
    (folder / "in.csv").write_text(ROWS)
    ours, theirs = pty.openpty()
    command = [RINGFENCE, "sources", "--sniff", "in.csv", "--draft", "new.toml"]
    process = subprocess.Popen(command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said, given = b"", 0
    try:
        while more := os.read(ours, 4096):
            said += more
            if given < len(answers) and said.count(b"Which") > given:
                os.write(ours, f"{answers[given]}\n".encode())
                given += 1
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    return process.wait(60), said.decode()


@pytest.mark.parametrize(
    ("answers", "thousands", "decimal"), [([""], ",", "."), (["7", "x", "2"], None, ",")]
)
def test_a_question_is_asked_until_it_is_answered_and_the_mapping_goes_by_it(
    tmp_path, answers, thousands, decimal
):
    """Enter alone takes the first, which is the likelier one."""
    code, said = at_a_terminal(tmp_path, *answers)
    assert code == 0, said
    assert said.count("Which") == len(answers)
    assert "three digits after each comma, 1,500 for one" in said
    amount = load_mapping(str(tmp_path / "new.toml")).records[0].sources()["amount"]
    assert (amount.thousands, amount.decimal) == (thousands, decimal)
    assert "Check: amount has" not in said
