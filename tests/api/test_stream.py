"""Decisions as they are made, to whoever listens: a server in a process of its own, listeners on sockets."""

import json
from contextlib import contextmanager

import httpx
import pytest
from benchmarks.serving import ALONE, Process

from .conftest import payment


@contextmanager
def serving(folder):
    process = Process(folder, **ALONE)
    try:
        yield process
    finally:
        code = process.end()
    assert code == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("stream")) as process:
        yield process


@contextmanager
def listening(server, **wanted):
    """The lines of a stream, once the server has it."""
    with httpx.stream("GET", f"{server.url}/v1/stream", params=wanted, timeout=60) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines).startswith(":")
        yield lines


def events(lines, count):
    """So many events: id, kind, data."""
    found, fields = [], {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
            fields = {}
            if len(found) == count:
                break
    return found


def decide(server, identity, **fields):
    answer = httpx.post(f"{server.url}/v1/decisions", json=payment(identity, **fields), timeout=60)
    assert answer.status_code == 200
    return answer.json()


def test_a_listener_hears_of_every_decision_that_passes_its_filters_in_order(server):
    with listening(server) as every, listening(server, entity="merchant", entity_id="m2") as some:
        told = [decide(server, f"t{number}", merchant_id=f"m{number % 3}") for number in range(6)]
        heard = events(every, 6)
        ours = events(some, 2)
    assert [(offset, kind) for offset, kind, _ in heard] == [
        (answer["offset"], "decision") for answer in told
    ]
    assert [data["decision"] for _, _, data in heard] == told
    assert [data["transaction"]["merchant_id"] for _, _, data in ours] == ["m2", "m2"]
    assert "4111111111111111" not in json.dumps([heard, ours])


def test_filters_by_outcome_and_score_leave_out_what_nobody_asked_for(tmp_path):
    with (
        serving(tmp_path) as server,
        listening(server, outcome="approve") as approved,
        listening(server, min_score="100") as grave,
    ):
        answer = decide(server, "t1")
        assert answer["outcome"] == "approve"
        [(_, _, heard)] = events(approved, 1)
        assert heard["decision"] == answer
        server.end()  # ends the streams, too
        assert events(grave, 1) == []


@pytest.mark.parametrize(
    "wanted",
    [{"outcome": "maybe"}, {"min_score": "-1"}, {"entity": "card"}, {"entity": "cat", "entity_id": "x"}],
)
def test_a_filter_that_makes_no_sense_is_refused(server, wanted):
    answer = httpx.get(f"{server.url}/v1/stream", params=wanted)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
