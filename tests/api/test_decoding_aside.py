"""Batches decoded by a process beside the server: it gives what decoding here gives, and is bounded."""

import contextlib
import dataclasses
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.api.hot.decoding import Decoding
from ringfence.api.hot.decoding_aside import DECODING_SECONDS, DecodingAside
from ringfence.api.hot.outcomes import Ticket, sort_out
from ringfence.api.hot.portions import Portions, cut
from ringfence.api.hot.records import CHUNK, Lines
from ringfence.api.http.problems import Refusal, refused_record
from ringfence.events import codec
from ringfence.events.bad import BadRecord

from .conftest import NOW_MS, payment, session_in

pytestmark = pytest.mark.slow  # starts the process three times

LINES = {
    "plain": [json.dumps(payment(f"t{n}", card_id="4111 1111 1111 1111")).encode() for n in range(400)],
    "mixed": [
        json.dumps(payment(f"t{n}", attributes={"a": value})).encode() if n % 7 else b'{"n":%d}' % n
        for n, value in enumerate([1, "one", True, 1.5, None] * 80)
    ],
    "secret": [json.dumps(payment(f"t{n}", attributes={"cvv": "123"})).encode() for n in range(3)],
    "bad": [b"\xff%d" % n for n in range(300)],
    "newlines": [json.dumps(payment("t"), indent=1).encode(), b"[", b"{}"],
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("aside") / "data"
    with (
        session_in(folder) as session,
        contextlib.closing(DecodingAside(folder, session.tokenizer)) as aside,
    ):
        yield Decoding(session.tokenizer, session.runner.pipeline.seed), aside, session.tokenizer


def same(found, wanted):
    events, expected = (codec.decode(codec.encode(one[0])).table for one in (found, wanted))
    assert events.schema.names == expected.schema.names
    assert events.to_pylist() == expected.to_pylist()
    assert [answer_of(one) for one in found[1]] == [answer_of(one) for one in wanted[1]]


def answer_of(bad):
    """What is kept of a bad record, and what its sender is told."""
    own = [getattr(bad, one.name) for one in dataclasses.fields(BadRecord)]
    told = getattr(bad, "answer", None) or refused_record(bad).body
    return [*own, told, bad.id, bad.message]


def test_what_another_process_has_refused_is_masked_there_and_only_there(both, monkeypatch):
    """Here each of thousands would be looked through three times while payments wait."""
    here, aside, _ = both
    lines = [b'{"4111 1111 1111 1111": 1, "amount": "%d"}' % n for n in range(300)]
    wanted = here(lines, NOW_MS)
    monkeypatch.setattr("ringfence.events.bad.mask_cards", None)
    monkeypatch.setattr("ringfence.api.http.problems.mask_cards", None)
    events, refused = aside(lines, NOW_MS)
    parts = list(cut(lines, events, refused, 100))
    taken = sort_out([Ticket(lines, "http batch", print, print, prepared=(events, refused))], events, refused)
    monkeypatch.undo()
    assert sum(len(part.bad) for part in parts) == 300
    assert [slot.body for slot in taken.slots] == [refused_record(one).body for one in wanted[1]]
    assert [one.position for one in taken.bad] == list(range(1, 301))
    assert b"4111" not in b"".join(slot.body for slot in taken.slots)


@pytest.mark.parametrize("kind", LINES)
def test_it_gives_what_decoding_here_gives_and_counts_what_was_dropped(both, kind):
    here, aside, tokenizer = both
    lines = LINES[kind]
    before = tokenizer.dropped.copy()
    wanted = here(lines, NOW_MS)
    dropped = tokenizer.dropped - before
    same(aside(lines, NOW_MS), wanted)
    assert tokenizer.dropped - before == dropped + dropped
    if kind == "secret":
        assert dropped.total() == 3
    if kind != "newlines":
        block = Lines.of(b"\n".join(lines))
        same(aside.of_batch()(block, NOW_MS), here.of_batch()(block, NOW_MS))


def test_what_takes_too_long_is_refused_and_the_next_is_read(both, monkeypatch):
    here, aside, _ = both
    aside(LINES["plain"], NOW_MS)
    monkeypatch.setattr(aside._apart, "_seconds", 0.001)
    slow = [json.dumps(payment("t", city="4111 1111 1111 1112 " * 40_000)).encode()] * 4
    with pytest.raises(Refusal) as refusal:
        aside(slow, NOW_MS)
    assert (refusal.value.status, refusal.value.problem.code) == (413, "too_costly")
    spent = []
    with pytest.raises(Refusal):
        aside.of_batch(spent.append)(slow, NOW_MS)
    assert spent == [DECODING_SECONDS]  # what was refused cost as much as what is taken
    monkeypatch.undo()
    same(aside(LINES["plain"], NOW_MS), here(LINES["plain"], NOW_MS))


def test_a_process_that_the_machine_has_no_time_for_is_waited_for(both, monkeypatch):
    """Under a load of 26 on two cores, 3,000 payments were refused as too costly: 413, for good."""
    here, aside, _ = both
    aside(LINES["plain"], NOW_MS)
    pid = aside._apart._process.pid
    monkeypatch.setattr(aside._apart, "_seconds", 0.2)
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(aside, LINES["plain"], NOW_MS)
        assert not wait([asked], timeout=1.0).done
        os.kill(pid, signal.SIGCONT)
        same(asked.result(60), here(LINES["plain"], NOW_MS))
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(aside._apart, "_patience", 0.5)
    with pytest.raises(Refusal, match="had no time") as refusal:
        aside(LINES["plain"], NOW_MS)
    assert (refusal.value.status, dict(refusal.value.headers)[b"retry-after"]) == (503, b"5")
    monkeypatch.undo()
    same(aside(LINES["plain"], NOW_MS), here(LINES["plain"], NOW_MS))


def test_one_that_was_killed_is_started_again_and_one_that_is_closed_says_so(both):
    here, aside, tokenizer = both
    aside(LINES["plain"], NOW_MS)
    os.kill(aside._apart._process.pid, signal.SIGKILL)
    aside._apart._process.wait(30)
    same(aside(LINES["plain"], NOW_MS), here(LINES["plain"], NOW_MS))
    other = DecodingAside(Path(), tokenizer)
    other.close()
    with pytest.raises(Refusal) as refusal:
        other(LINES["plain"], NOW_MS)
    assert refusal.value.status == 503


def test_a_single_payment_comes_before_the_pieces_that_wait(both):
    _, aside, _ = both
    large, told, decode = LINES["plain"] * 20, [], aside.of_batch()

    def ask(name, act, lines):
        act(lines, NOW_MS)
        told.append(name)

    with ThreadPoolExecutor(4) as threads, aside._apart._turn():
        pieces = [threads.submit(ask, f"piece {n}", decode, large) for n in range(3)]
        single = threads.submit(ask, "single", aside, LINES["plain"][:1])
        while not aside._apart._first:
            assert not single.done()
        pending = [*pieces, single]
        assert not any(one.done() for one in pending)
    assert told[0] == "single"


@settings(max_examples=15, deadline=None)
@given(bad=st.sets(st.integers(0, 59)), rows=st.integers(1, 70))
def test_portions_are_the_piece(both, bad, rows):
    here, _, _ = both
    lines = [b"{" if n in bad else json.dumps(payment(f"t{n}")).encode() for n in range(60)]
    events, refused = here(lines, NOW_MS)
    parts = list(cut(lines, events, refused, rows))
    assert [line for part in parts for line in part.lines] == lines
    for part in parts:
        assert len(part.lines) <= rows
        same((part.events, part.bad), here(part.lines, NOW_MS))


def test_portions_shrink_only_while_somebody_pays_one_by_one():
    portions = Portions()
    portions.took(CHUNK, 1.0)
    assert portions.rows(100.0) == CHUNK
    portions.heard(100.0)
    assert portions.rows(100.5) == 256
    for _ in range(9):
        portions.took(portions.rows(100.5), 0.001)
    assert portions.rows(100.5) == CHUNK
