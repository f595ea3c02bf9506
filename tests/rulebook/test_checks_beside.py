"""Books checked by a process beside the server: it says what a check here says, and never lasts too long."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec
import pytest
from tests.spine import batch, payments

from ringfence.api.handlers.requests import refusals
from ringfence.api.http.problems import Refusal
from ringfence.compose.deciding.checks import CheckQuestion, ChecksBeside, packed
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.compose.worker_process import received, send
from ringfence.errors import InputError, RuleError, StoreError
from ringfence.features.catalog import CATALOG
from ringfence.rulebook.desk import Who
from ringfence.rulebook.entries import Entry, to_events
from ringfence.saving import Snapshotting
from ringfence.scoring.rulesets.actions import ListKind
from ringfence.scoring.rulesets.books import load_book
from ringfence.scoring.rulesets.outcomes import Mode

RULE = "  - {{id: {}, title: T, when: {}, points: 5, reason: R, analyst: A.}}\n"
GOOD = "rules:\n" + RULE.format("some", "amount >= 100 and card_id IN LIST 'mine'")
GOOD += RULE.format("typo", "channel = 'onlin'")
BAD = "rules:\n" + RULE.format("never", "amount > 5 and amount < 3")
LARGE = "rules:\n" + "".join(RULE.format(f"r{n}", f"amount >= {n}") for n in range(1_500))
NOT_FITTING = "rules:\n" + RULE.format("strange", "nothing_known > 1")

pytestmark = pytest.mark.slow  # starts the process twice


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") / "data"
    with open_session(folder, load_definitions(None, None), Snapshotting()) as session:
        session.runner.ingest(batch([row for row in payments(300) if "transaction_id" in row]))
        entries = [Entry(f"card-{n}", "card") for n in range(40)]
        who = {"author": "x", "now_ms": session.clock.now_ms(), "tokenizer": session.tokenizer}
        events, _ = to_events(entries, "mine", ListKind.WATCH, **who)
        session.runner.commit([session.runner.put(events)])
        yield session


@pytest.fixture(scope="module")
def beside(session):
    with contextlib.closing(ChecksBeside(session.store.folder, CATALOG, session.checks)) as checks:
        yield checks


def running(checks):
    """Its process, by what the system lists of ours."""
    found = checks._apart._process
    return None if found is None or found.poll() is not None else found.pid


@pytest.mark.parametrize("text", [GOOD, BAD, NOT_FITTING, "rules: [", "", "{" * 5_000])
@pytest.mark.parametrize("measured", [True, False])
def test_it_says_what_a_check_here_says(session, beside, text, measured):
    lookups = session.view().lookups
    there = beside.check(text, lookups, measured=measured)
    assert there == session.checks.check(text, lookups, measured=measured)
    if text == GOOD:
        assert [rate.judged for rate in there.rates] == ([300, 300] if measured else [])


def test_it_measures_a_rule_set_and_sees_what_was_decided_since(session, beside):
    book, lookups = load_book(GOOD), session.view().lookups
    before = beside.tried(book, lookups)
    assert before == session.checks.tried(book, lookups)
    assert before.rates[0].fired
    later = [
        row | {"transaction_id": f"later-{row['transaction_id']}"}
        for row in payments(40)
        if "transaction_id" in row
    ]
    session.runner.ingest(batch(later))
    assert beside.tried(book, session.view().lookups).rates[0].judged == 300 + len(later)
    with pytest.raises(RuleError, match="nothing_known"):
        beside.tried(load_book(NOT_FITTING), lookups)


def test_one_that_takes_too_long_is_ended_and_a_book_that_is_saved_says_so(session, beside, monkeypatch):
    with contextlib.closing(ChecksBeside(session.store.folder, CATALOG, session.checks, 0.05)) as hasty:
        with pytest.raises(InputError, match=r"not checked within 0\.05 s"):
            hasty.check(LARGE, session.view().lookups, measured=True)
        assert running(hasty) is None
    if running(beside) is not None:
        os.kill(running(beside), signal.SIGKILL)
        beside._apart._process.wait(30)
    monkeypatch.setattr("ringfence.compose.worker_process.START_SECONDS", 0.01)
    with pytest.raises(StoreError, match=r"could not be started within 0\.01 s"):
        beside.check(GOOD, session.view().lookups, measured=True)
    assert running(beside) is None
    (warning,) = replace(session, checks=beside).warnings_on(load_book(GOOD))
    assert "was not measured" in warning


def test_one_that_takes_too_much_memory_is_ended_amid_its_question(session, beside, monkeypatch):
    lookups = session.view().lookups
    assert beside.check(BAD, lookups, measured=True).faults
    limit, _ = resource.prlimit(running(beside), resource.RLIMIT_CPU)
    assert 30 < limit < 3_600  # also where nobody looks at it any more
    monkeypatch.setattr("ringfence.compose.worker_process.MOST_BYTES", 1 << 20)
    with pytest.raises(InputError, match="GiB of memory"):
        beside.check(LARGE, lookups, measured=True)
    assert running(beside) is None


def test_closing_gives_up_a_question_under_way_and_those_that_wait(session):
    checks, lookups = ChecksBeside(session.store.folder, CATALOG, session.checks), session.view().lookups
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(checks.check, GOOD, lookups, measured=True) for _ in range(2)]
        while running(checks) is None:
            assert not any(one.done() for one in asked)
        checks.close()
        for one in asked:
            with pytest.raises(StoreError, match="the server stops"):
                one.result(30)
    assert running(checks) is None


def test_it_ends_amid_a_question_that_nobody_waits_for(session):
    command, lookups = (
        ChecksBeside(session.store.folder, CATALOG, session.checks)._apart._command,
        session.view().lookups,
    )
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        send(process.stdin, CATALOG.to_json().encode())
        assert received(process.stdout, 100) == b"ready"
        question = CheckQuestion(
            errand="check", text=LARGE, seed=lookups.seed, lookups=packed(lookups.to_arrays())
        )
        send(process.stdin, msgspec.msgpack.encode(question))
        process.stdin.close()
        assert process.stdout.read() == b""


@pytest.mark.parametrize("said", ["x" * 99, 2 * (chr(1) + 7 * chr(0) + "y")])
def test_a_process_that_says_what_is_no_answer_is_ended(session, said):
    checks = ChecksBeside(session.store.folder, CATALOG, session.checks)
    checks._apart._command = [
        sys.executable,
        "-c",
        f"import time; print({said!r}, flush=True); time.sleep(600)",
    ]
    with contextlib.closing(checks), pytest.raises(StoreError, match="has ended"):
        checks.check(GOOD, session.view().lookups, measured=True)
    assert running(checks) is None


def test_what_anything_prints_there_is_no_answer(session):
    checks = ChecksBeside(session.store.folder, CATALOG, session.checks)
    program = (
        "import os, sys, pathlib; from ringfence.compose.deciding.checking_apart import main; "
        "sys.addaudithook(lambda event, _: event == 'sqlite3.connect' and os.write(1, b'printed')); "
        "main(pathlib.Path(sys.argv[1]), float(sys.argv[2]))"
    )
    checks._apart._command[2:5] = ["-c", program]
    with contextlib.closing(checks):
        assert checks.check(BAD, session.view().lookups, measured=True).faults


def test_the_next_question_has_another_process_where_one_has_ended_or_grown_too_large(
    session, beside, monkeypatch
):
    lookups = session.view().lookups
    assert beside.check(BAD, lookups, measured=True).faults
    os.kill(running(beside), signal.SIGKILL)
    with contextlib.suppress(StoreError):  # asked before the end was seen
        beside.check(BAD, lookups, measured=True)
    monkeypatch.setattr("ringfence.compose.worker_process._LOOK_SECONDS", 60)  # so that it answers first
    monkeypatch.setattr("ringfence.compose.worker_process.MOST_BYTES", 0)
    assert beside.check(BAD, lookups, measured=True).faults
    assert running(beside) is None


def desk_of(session, checks):
    """Where a book is saved in a server: its checks are beside it, and compiling here is an error."""
    served = replace(session, checks=checks)
    return served.rules_desk(served.desk())


def test_a_book_is_read_vetted_and_measured_against_what_decides_beside_the_server(
    session, beside, monkeypatch
):
    book, view = load_book(GOOD, "the book"), session.view()
    assert beside.read(GOOD) == session.checks.read(GOOD) == book
    assert beside.impact(book, view) == session.checks.impact(book, view)
    assert beside.impact(book, view).payments >= 300
    for text, said in (("rules: [", "the book"), ("", "the book")):
        with pytest.raises(RuleError, match=said):
            beside.read(text)
    for text, before, is_fine in (
        (BAD, None, False),
        (BAD, load_book(BAD), True),  # was never true before either
        (BAD, load_book(GOOD), False),
        (NOT_FITTING, None, False),
    ):
        for checks in (beside, session.checks):
            with contextlib.nullcontext() if is_fine else pytest.raises(RuleError):
                checks.vet(load_book(text), before)
    beside.vet(load_book(BAD), possible=False)


def test_saving_a_book_compiles_nothing_in_the_server(session, beside, monkeypatch):
    desk = desk_of(session, beside)
    who = Who("ada", session.clock.now_ms())
    beside.read(GOOD)
    for name in ("compiled_of", "vet_book", "load_book", "impact_of_rules"):
        monkeypatch.setattr(f"ringfence.compose.deciding.checks.{name}", None)
    saved = desk.save(GOOD.replace("T,", "Other,"), "head", who, activate=False)
    assert saved.change.digest == desk.book.head()
    with pytest.raises(RuleError, match="nothing_known"):
        desk.save(NOT_FITTING, "head", who, activate=False)


def test_a_rule_is_paused_while_a_check_goes_on_and_where_no_process_can_be_had(session, beside, monkeypatch):
    desk, lookups = desk_of(session, beside), session.view().lookups
    who = Who("ada", session.clock.now_ms())
    desk.save(GOOD, "head", who, activate=False)
    beside.read(GOOD)
    with beside._apart._turn():  # somebody's check
        assert desk.set_mode("some", Mode.PAUSED, "head", who, activate=False).change.digest
    assert beside.check(GOOD, lookups, measured=False).digest
    os.kill(beside._saving._process.pid, signal.SIGKILL)
    beside._saving._process.wait(30)
    monkeypatch.setattr("ringfence.compose.worker_process.START_SECONDS", 0.01)
    assert desk.set_mode("some", Mode.ACTIVE, "head", who, activate=False).change.digest


def test_a_rule_is_paused_where_the_process_is_late_and_new_conditions_are_refused(session):
    """The process stands still, as on a machine that has no time for it."""
    who, new = Who("ada", session.clock.now_ms()), GOOD.replace("100", "101")
    with contextlib.closing(ChecksBeside(session.store.folder, CATALOG, session.checks, 1.0)) as slow:
        desk = desk_of(session, slow)
        here = desk_of(session, session.checks)
        here.save(new, "head", who, activate=True, confirm=session.checks.read(new).digest)
        slow._saving.start()
        stopped = slow._saving._process
        os.kill(stopped.pid, signal.SIGSTOP)
        with (
            pytest.raises(Refusal, match="not checked within 1 s, as this machine is busy") as refused,
            refusals(),
        ):
            slow.vet(load_book(GOOD), load_book(new))
        assert (refused.value.status, dict(refused.value.headers)) == (503, {b"retry-after": b"30"})
        assert stopped.poll() is not None
        slow._busy_until = 0.0
        slow._saving.start()
        os.kill(slow._saving._process.pid, signal.SIGSTOP)
        paused = desk.set_mode("some", Mode.PAUSED, "head", who, activate=True)
        assert paused.activation.digest == desk.book.force.active() == paused.change.digest
