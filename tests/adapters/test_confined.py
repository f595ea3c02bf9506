"""Statements that anybody may write run in a process that ends with whoever asks."""

import io
import subprocess
import sys
from contextlib import closing
from queue import SimpleQueue

import pytest
from tests.lakes import events

from ringfence.adapters.lake import Lake
from ringfence.adapters.lake.confined import _ASKED, _FRAME, ConfinedLake, _Heard, _read_on
from ringfence.adapters.lake.shapes import _TOGETHER
from ringfence.adapters.sqlite import Store
from ringfence.errors import InputError
from ringfence.ports.tables import BEHIND

_MANY = 4 * _TOGETHER
_SLOW = """
import sys
from pathlib import Path
from ringfence.adapters.lake import Lake, confined
from ringfence.adapters.sqlite import Store
confined._read_on = lambda lake, questions, answers: None
confined._PATIENCE = 0.0
confined.serve(Lake(Store.open(Path(sys.argv[1]), read_only=True), patience=0.0))
"""  # questions alone take in what there is, a piece each

_BEGINS = """
import sys, time
from ringfence.adapters.lake import confined
asked = confined._received(sys.stdin.buffer)
confined._send(sys.stdout.buffer, confined._BEGUN, asked.number, b"")
time.sleep(3600)
"""


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A busy machine may take longer to start a process than a person waits for an answer."""
    monkeypatch.setattr("ringfence.adapters.lake.confined._BEGIN_SECONDS", 200.0)


def _apart(number):
    """One event in a batch of its own, as live traffic leaves them."""
    return events(number, 1)


def test_it_answers_refuses_and_ends_amid_a_statement_once_the_server_is_gone(tmp_path):
    Store.open(tmp_path / "data").close()
    command = [sys.executable, "-m", "ringfence.compose.folder.confined", str(tmp_path / "data")]
    with closing(ConfinedLake(command)) as lake:
        assert lake.sql("SELECT 1 AS n", 10, 60).to_pylist() == [{"n": 1}]
        with pytest.raises(InputError, match="nowhere"):
            lake.sql("SELECT * FROM nowhere", 10, 60)
        process = lake._process
        endless = b'["SELECT count(*) FROM range(1000000000000000)", 10, 3600]'
        process.stdin.write(_FRAME.pack(_ASKED, 99, len(endless)) + endless)
        process.stdin.close()  # as the system does for a server that was killed
        try:
            assert process.wait(60) == 0
        except subprocess.TimeoutExpired:
            pytest.fail("it computes on")


def test_a_statement_that_takes_too_long_ends_the_process(monkeypatch):
    monkeypatch.setattr("ringfence.adapters.lake.confined._GRACE_SECONDS", 0.05)
    with closing(ConfinedLake([sys.executable, "-c", _BEGINS])) as lake:
        with pytest.raises(InputError, match="did not come in time"):
            lake.sql("SELECT 1", 10, 0.0)
        assert lake._process is None


def test_a_process_that_still_reads_the_log_is_left_at_it(monkeypatch):
    """Were it ended, the next question would begin with the same reading, and none ever had an answer."""
    monkeypatch.setattr("ringfence.adapters.lake.confined._BEGIN_SECONDS", 0.05)
    with closing(ConfinedLake(["sleep", "3600"])) as lake:
        with pytest.raises(InputError, match="go on with it: ask again"):
            lake.sql("SELECT 1", 10, 0.0)
        assert lake._process.poll() is None


def test_a_process_that_hangs_before_a_statement_is_ended_and_the_next_question_has_another(monkeypatch):
    monkeypatch.setattr("ringfence.adapters.lake.confined._BEGIN_SECONDS", 0.05)
    with closing(ConfinedLake(["sleep", "3600"])) as lake:
        monkeypatch.setattr("ringfence.adapters.lake.confined._SILENCE_SECONDS", 0.0)  # it has begun nothing
        with pytest.raises(InputError, match="go on with it: ask again"):
            lake.sql("SELECT 1", 10, 0.0)
        first = lake._process
        monkeypatch.setattr("ringfence.adapters.lake.confined._OPENING_SECONDS", 0.0)
        with pytest.raises(InputError, match="opened anew"):
            lake.sql("SELECT 1", 10, 0.0)
        assert first.poll() is not None
        assert lake._process is None


def test_a_word_of_its_reading_shows_that_a_process_does_not_hang(monkeypatch):
    """
    begins       asked    a word   asked                  hangs
    0 ·········· 1000 ··· 1050 ··· 1100 ··· 60 seconds ··· 1161
    """
    now = [0.0]
    monkeypatch.setattr("ringfence.adapters.lake.confined.monotonic", lambda: now[0])
    heard = _Heard()
    now[0] = 1000.0
    heard.asked()
    assert not heard.is_silent()  # nobody had asked
    now[0] = 1050.0
    heard.listen(io.BytesIO(_FRAME.pack(b"R", 0, 0)))
    now[0] = 1100.0
    heard.asked()
    assert not heard.is_silent()
    now[0] = 1161.0
    assert heard.is_silent()


def test_an_answer_that_comes_late_is_not_that_of_the_next_question(tmp_path, monkeypatch):
    Store.open(tmp_path / "data").close()
    with closing(ConfinedLake([sys.executable, "-c", _SLOW, str(tmp_path / "data")])) as lake:
        with monkeypatch.context() as impatient:
            impatient.setattr("ringfence.adapters.lake.confined._BEGIN_SECONDS", 0.0)
            with pytest.raises(InputError, match="ask again"):
                lake.sql("SELECT 1 AS n", 10, 60)
        assert lake.sql("SELECT 2 AS n", 10, 60).to_pylist() == [{"n": 2}]


def test_a_process_that_ends_by_itself_needed_too_much_memory():
    with closing(ConfinedLake(["true"])) as lake, pytest.raises(InputError, match="memory"):
        lake.sql("SELECT 1", 10, 60.0)


def test_a_question_far_behind_the_log_is_answered_from_what_there_is_and_the_next_one_knows_more(tmp_path):
    """Reading what the log has gained outlasts the question that it began with."""
    with Store.open(tmp_path / "data") as store:
        store.commit([_apart(number) for number in range(_MANY)])
    command = [sys.executable, "-c", _SLOW, str(tmp_path / "data")]
    with closing(ConfinedLake(command)) as lake:
        first = lake.sql("SELECT count(*) AS n FROM events", 10, 60)
        known = first.to_pylist()[0]["n"]
        assert 0 < known < _MANY
        said = first.schema.metadata[BEHIND].decode()
        assert said == f"events as of offset {known:,}, {_MANY - known:,} records behind"
        process = lake._process
        while lake.sql("SELECT count(*) AS n FROM events", 10, 60).to_pylist()[0]["n"] < _MANY:
            assert lake._process is process
        assert lake.sql("SELECT 1 AS n", 10, 60).schema.metadata is None


def test_reading_goes_on_between_two_questions_and_tells_so(tmp_path, monkeypatch):
    monkeypatch.setattr("ringfence.adapters.lake.confined._STEP_SECONDS", 0.0)  # each step is one piece
    with Store.open(tmp_path / "data") as store:
        store.commit([_apart(number) for number in range(_MANY)])
        with closing(Lake(store, patience=0.0)) as lake:
            questions = SimpleQueue()
            _read_on(lake, questions, told := io.BytesIO())
            assert not lake.behind()
            assert told.getvalue().startswith(_FRAME.pack(b"R", 0, 0))
            assert lake.sql("SELECT count(*) AS n FROM events").to_pylist() == [{"n": _MANY}]
