"""Statements that anybody may write run in a process that ends with whoever asks."""

import subprocess
import sys
from contextlib import closing

import pytest

from ringfence.adapters.lake.confined import ConfinedLake
from ringfence.adapters.sqlite import Store
from ringfence.errors import InputError


def test_it_answers_refuses_and_ends_amid_a_statement_once_the_server_is_gone(tmp_path):
    Store.open(tmp_path / "data").close()
    command = [sys.executable, "-m", "ringfence.compose.folder.confined", str(tmp_path / "data")]
    with closing(ConfinedLake(command)) as lake:
        assert lake.sql("SELECT 1 AS n", 10, 60).to_pylist() == [{"n": 1}]
        with pytest.raises(InputError, match="nowhere"):
            lake.sql("SELECT * FROM nowhere", 10, 60)
        process = lake._process
        endless = b'["SELECT count(*) FROM range(1000000000000000)", 10, 3600]'
        process.stdin.write(b"Q" + len(endless).to_bytes(4, sys.byteorder) + endless)
        process.stdin.close()  # as the system does for a server that was killed
        try:
            assert process.wait(60) == 0
        except subprocess.TimeoutExpired:
            pytest.fail("it computes on")


def test_whoever_takes_too_long_to_answer_is_late_and_not_too_large(monkeypatch):
    monkeypatch.setattr("ringfence.adapters.lake.confined._GRACE_SECONDS", 0.05)
    with closing(ConfinedLake(["sleep", "3600"])) as lake, pytest.raises(InputError, match="in time"):
        lake.sql("SELECT 1", 10, 0.0)


def test_a_process_that_ends_by_itself_needed_too_much_memory():
    with closing(ConfinedLake(["true"])) as lake, pytest.raises(InputError, match="memory"):
        lake.sql("SELECT 1", 10, 60.0)
