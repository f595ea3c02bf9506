"""Live traffic keeps its pace over several connections and each customer's order; what is put off counts."""

import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

RINGFENCE = Path(sys.executable).with_name("ringfence")
ANSWER = {"outcome": "approve", "score": 1.0, "decided_at_ms": 1, "latency_us": 1}
LATER = {"status": 503, "code": "overloaded", "detail": "come later"}


class Decides(BaseHTTPRequestHandler):
    """Approves after a while; puts off the first tries of some."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        told = self.server
        body = self.rfile.read(int(self.headers["content-length"]))
        time.sleep(told.seconds)
        records = [msgspec.json.decode(line) for line in body.splitlines()]
        with told.guard:
            told.connections.add(self.client_address)
            late = told.put_off > 0 and self.path == "/v1/decisions"
            told.put_off -= late
            if not late:
                told.records += records
        if late:
            self.answer(503, msgspec.json.encode(LATER))
        elif self.path == "/v1/events":
            self.answer(202, b'{"offset": 1}')
        else:
            answers = [ANSWER | {"transaction_id": record["transaction_id"]} for record in records]
            whole = self.path == "/v1/decisions"
            lines = [a if whole else {"status": 200, "replayed": False, "decision": a} for a in answers]
            self.answer(200, b"\n".join(map(msgspec.json.encode, lines)))

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Decides) as found:
        found.guard, found.records, found.connections = threading.Lock(), [], set()
        found.seconds, found.put_off = 0.0, 0
        found.url = f"http://127.0.0.1:{found.server_port}"
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


WORLD = ("--days", "1", "--customers", "40")


def test_everything_arrives_each_customer_in_order_over_several_connections(ringfence, server):
    ended = ringfence("simulate", "--to", server.url, *WORLD)
    assert ended.code == 0
    paid = [record for record in server.records if record["kind"] == "transaction"]
    assert f"{len(paid):,} decided (approve {len(paid)})" in ended.err
    assert len({record["transaction_id"] for record in paid}) == len(paid) > 40
    for customer in {record["customer_id"] for record in paid}:
        times = [record["event_time"] for record in paid if record["customer_id"] == customer]
        assert times == sorted(times)
    assert len(server.connections) > 4


def test_slow_answers_do_not_hold_up_the_pace(ringfence, server):
    server.seconds = 0.05  # one connection alone would reach 20 a second
    world = ("--days", "1", "--customers", "200")
    ended = ringfence("simulate", "--to", server.url, *world, "--rate", "80", "--connections", "16")
    reached = float(re.search(r"\((\d+)/s, 80/s asked for\)", ended.err)[1])
    assert 40 < reached <= 80
    median = float(re.search(r"within ([\d.]+) ms \(p50\)", ended.err)[1])
    assert median > 50


def test_what_is_put_off_is_sent_again_and_counted(ringfence, server):
    server.put_off = 5
    ended = ringfence("simulate", "--to", server.url, *WORLD)
    paid = {record["transaction_id"] for record in server.records if record["kind"] == "transaction"}
    assert "5 times told to come later (429, 503)" in ended.err
    assert f"{len(paid):,} decided" in ended.err
    assert "given up" not in ended.err


def test_waiting_payments_of_a_connection_go_in_one_request(ringfence, server):
    server.seconds = 0.02
    ended = ringfence("simulate", "--to", server.url, *WORLD, "--batch", "50", "--connections", "2")
    paid = [record for record in server.records if record["kind"] == "transaction"]
    assert f"{len(paid):,} decided (approve {len(paid)})" in ended.err


def test_a_server_that_is_gone_is_told_with_the_remedy(ringfence, server, monkeypatch):
    monkeypatch.setattr("ringfence.cli.setup.traffic._FIRST_WAIT_SECONDS", 0.001)
    ended = ringfence("simulate", "--to", "http://127.0.0.1:9", *WORLD)
    assert ended.code != 0
    assert "cannot be reached" in ended.err


def test_ctrl_c_ends_at_once_and_says_what_was_not_sent(server, tmp_path):
    server.seconds = 0.2
    words = ("simulate", "--to", server.url, "--customers", "200", "--rate", "500", "--connections", "2")
    # A shell in the background starts what it starts deaf to Ctrl-C, and a child inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [RINGFENCE, *words], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as running:
        signal.signal(signal.SIGINT, before)
        end = time.monotonic() + 60
        while not server.records and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)  # by itself it goes on for ever
    assert running.returncode == 130
    assert re.search(r"\d+ not sent any more", said)
    assert "decided" in said
