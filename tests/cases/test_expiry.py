"""Words and files of old cases go in portions, beside the people who work on other cases."""

import sqlite3
from contextlib import closing

import pytest
from tests.cases.desk import NOON, payment

from ringfence.adapters.cases import CasePersons, SqliteCases
from ringfence.cases import wire
from ringfence.cases.model import Attached
from ringfence.desks.person_search import NOBODY, PersonTokens
from ringfence.rulebook.desk import Who

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
ANNA = Who("anna", NOON)
LATER = NOON + 1


def attach(office, case, body=PNG):
    return office.desk.attach(case.id, office.book.case(case.id).version, "photo.png", body, ANNA)


@pytest.fixture
def closed(office):
    """Five closed cases with a note each; all have the same file."""
    made = []
    for number in range(5):
        case = office.take(payment(number))[0]
        case = office.act(case, wire.Note, text=f"spoke with {number}")
        made.append(office.close(attach(office, case)))
    return made


def kept(folder):
    with closing(sqlite3.connect(folder / "cases.db")) as opened:
        return opened.execute("SELECT count(*) FROM attachment").fetchone()[0]


def traced(book):
    said = []
    book._writer().set_trace_callback(said.append)
    return said


def test_a_dry_run_counts_while_somebody_writes(office, closed):
    with closing(SqliteCases(office.folder)) as book, office.book.work():
        assert CasePersons(book).expire(LATER, NOBODY, dry=True) == 10


def test_words_go_some_cases_at_a_time_and_only_once(office, closed, monkeypatch):
    monkeypatch.setattr("ringfence.adapters.cases.persons._AT_ONCE", 2)
    persons, said = CasePersons(office.book), traced(office.book)
    assert persons.expire(LATER, NOBODY) == 10
    updates = [at for at, one in enumerate(said) if one.startswith("UPDATE event")]
    ends = [at for at, one in enumerate(said) if one == "COMMIT"]
    assert len(updates) == 10
    assert [sum(at < end for at in updates) for end in ends[:3]] == [4, 8, 10]
    said.clear()
    assert persons.expire(LATER, NOBODY) == 0
    assert said.count("COMMIT") <= 1
    assert kept(office.folder) == 0


def test_a_file_stays_where_a_case_under_hold_has_it_or_one_that_got_it_meanwhile(office, closed):
    held = PersonTokens(person="", kind="", own=frozenset({"c-3"}))
    assert CasePersons(office.book).expire(LATER, held) == 8
    assert office.book.file(_sha256(office, closed[3])) == PNG
    fresh = office.take(payment(9))[0]

    class Meanwhile:
        """The file of cases; as the last transaction begins, somebody attaches the same file elsewhere."""

        def __init__(self):
            self.begun = 0

        def __getattr__(self, name):
            if name == "work":
                self.begun += 1
                if self.begun == 2:
                    attach(office, fresh)
            return getattr(office.book, name)

    assert CasePersons(Meanwhile()).expire(LATER, NOBODY) == 2
    assert office.book.file(_sha256(office, fresh)) == PNG


def test_content_that_a_run_left_behind_goes_with_the_next_one(office, closed):
    with office.book.work() as work:
        work.keep_file("0" * 64, b"nobody's")
    assert kept(office.folder) == 2
    CasePersons(office.book).expire(0, NOBODY)
    assert kept(office.folder) == 1


def _sha256(office, case):
    [found] = [one.change.sha256 for one in office.book.events(case.id) if isinstance(one.change, Attached)]
    return found
