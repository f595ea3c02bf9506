"""Traces: what a collector gets of a request, its step and the followers, and what one that hangs costs."""

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from benchmarks.serving import Process
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ringfence.adapters.otel import QUEUE, OtelTracing
from ringfence.compose.tracing import tracing_of
from ringfence.errors import InputError, StoreError
from ringfence.follow.pump import advance
from ringfence.ports.tracing import StageSpan
from ringfence.testing.exams.event_log import batch
from ringfence.testing.memory.event_log import MemoryLog
from ringfence.testing.memory.target import MemoryFollower, MemoryTarget

from .conftest import Peer, payment

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STAGES = {"decode", "decide", "commit"}


class Collector:
    """Takes OTLP over HTTP as a collector does, and keeps what it got."""

    def __init__(self):
        self.raw, self.spans, self.services = b"", [], {}
        self.got = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                collector.take(self.path, self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, path, body):
        with self.got:
            self.raw += path.encode() + body
            assert path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {one.key: one.value.string_value for one in resource.resource.attributes}
                for scope in resource.scope_spans:
                    self.spans += scope.spans
                    self.services.setdefault(names["service.name"], []).extend(scope.spans)
            self.got.notify_all()

    def wait_for(self, what):
        with self.got:
            assert self.got.wait_for(what, 60)

    def named(self, name):
        return [one for one in self.spans if one.name == name]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def collecting(ratio=1.0):
    """A collector, and what sends to it; all has arrived at the end of the block."""
    with (
        closing(Collector()) as collector,
        closing(OtelTracing("ringfence", "0", ratio, f"{collector.url}/v1/traces")) as tracing,
    ):
        yield collector, tracing


def told(span):
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def asked(body, traceparent="", more="", start="POST /v1/decisions", kind="application/json"):
    """A request over a socket."""
    body = json.dumps(body).encode() if body else b""
    head = f"{start} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{more}"
    head += f"traceparent: {traceparent}\r\n" if traceparent else ""
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def talked(wired, tracing, *requests):
    """Answers to requests that come one after the other on one connection."""

    async def talk(server):
        peer, answers = await Peer.of(server), []
        for request in requests:
            await peer.send(request)
            answers.append(await peer.answer())
        return answers

    return wired(talk, tracing=tracing)


def test_a_decided_payment_is_in_its_callers_trace_with_its_step(wired):
    with collecting() as (collector, tracing):
        caller = f"00-{TRACE}-{PARENT}-01"
        secret = "tracestate: bank=4111111111111111\r\nbaggage: who=Alice\r\n"
        [(status, _, _)] = talked(wired, tracing, asked(payment("pay-1"), caller, secret))
        assert status == 200
    (request,) = collector.named("POST /v1/decisions")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    assert told(request) == {
        "http.request.method": "POST",
        "http.route": "/v1/decisions",
        "http.response.status_code": 200,
    }
    (step,) = [one for one in collector.named("step") if one.parent_span_id == request.span_id]
    assert step.trace_id == request.trace_id
    counts = {"requests": 1, "events": 1, "decisions": 1, "bad_records": 0}
    assert told(step) == {f"ringfence.step.{name}": count for name, count in counts.items()}
    parts = [one for one in collector.spans if one.parent_span_id == step.span_id]
    assert {one.name for one in parts} == STAGES
    for part in parts:
        assert step.start_time_unix_nano <= part.start_time_unix_nano <= part.end_time_unix_nano
        assert part.end_time_unix_nano <= step.end_time_unix_nano
    for word in (b"pay-1", b"4111", b"Alice", b"m1"):
        assert word not in collector.raw
    assert tracing.exported == len(collector.spans)
    assert tracing.dropped == 0


def test_other_routes_tell_their_pattern_and_problems_their_trace(wired):
    with collecting() as (collector, tracing):
        caller, wrong = f"00-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01"
        answers = talked(
            wired,
            tracing,
            asked(payment("pay-1"), wrong),  # decided in a trace of its own
            asked(payment("pay-1", amount="99"), caller),  # a conflict
            asked(payment("pay-2", amount="x"), caller),  # refused
            asked(payment("pay-2"), caller, "Origin: http://localhost\r\n"),  # not by the short way
            asked(None, caller, start="GET /v1/decisions/pay-1"),
            asked(None, caller, start="GET /v1/decisions/pay-9"),
            asked({"kind": "nonsense"}, caller, start="POST /v1/events"),
            asked(None, caller, "X: y\r\n", start="GET /no/such/pay-1"),
        )
    assert [status for status, _, _ in answers] == [200, 409, 422, 200, 200, 404, 422, 404]
    for status, headers, body in answers:
        if status >= 400:
            assert json.loads(body)["trace_id"] == TRACE
            assert headers["content-type"] == "application/problem+json"
    (own,) = {one.trace_id.hex() for one in collector.named("POST /v1/decisions")} - {TRACE}
    assert own != "0" * 32
    routes = [told(one).get("http.route") for one in collector.spans if one.kind == 2]
    assert sorted(routes) == sorted(
        [*["/v1/decisions"] * 4, *["/v1/decisions/{transaction_id:id}"] * 2, "/v1/events", "unmatched"]
    )
    assert b"pay-" not in collector.raw


def test_a_step_is_of_its_first_sampled_request_and_refers_to_the_others(wired):
    with collecting() as (collector, tracing):
        sampled, not_sampled = f"00-{TRACE}-{PARENT}-01".encode(), f"00-{TRACE}-{PARENT}-00".encode()
        requests = [tracing.request(one) for one in (not_sampled, sampled, b"", b"")]
        tracing.step(requests, [StageSpan("decide", 1.0, 2.0)], {"requests": 4})
        tracing.step(requests[:1], [StageSpan("decide", 1.0, 2.0)], {"requests": 1})
        tracing.step([], [StageSpan("commit", 1.0, 2.0)], {"requests": 0})
    first, alone = collector.named("step")
    assert first.trace_id.hex() == TRACE
    assert [one.trace_id.hex() for one in first.links] == [one.trace_id for one in requests[2:]]
    assert not alone.parent_span_id
    assert first.end_time_unix_nano - first.start_time_unix_nano == 10**9


def test_the_steps_of_a_batch_are_in_its_callers_trace(wired):
    start, kind = "POST /v1/decisions/batch", "application/x-ndjson"
    request = asked(payment("pay-1"), f"00-{TRACE}-{PARENT}-01", start=start, kind=kind)

    async def talk(server):
        peer = await Peer.of(server)
        await peer.send(request)
        assert (await peer.reader.readline()).split()[1] == b"200"
        await peer.reader.readuntil(b"0\r\n\r\n")

    with collecting() as (collector, tracing):
        wired(talk, tracing=tracing)
    (batch_span,) = collector.named(start)
    assert [one.parent_span_id for one in collector.named("step")] == [batch_span.span_id]


def test_what_the_caller_does_not_sample_is_not_sent_and_ratios_hold_for_the_rest(wired):
    with collecting(ratio=0.0) as (collector, tracing):
        answers = talked(
            wired,
            tracing,
            asked(payment("pay-1"), f"00-{TRACE}-{PARENT}-00"),
            asked(payment("pay-2")),
            asked(payment("pay-3", amount="x"), f"00-{TRACE}-{PARENT}-00"),
        )
        assert [status for status, _, _ in answers] == [200, 200, 422]
        assert json.loads(answers[2][2])["trace_id"] == TRACE
        with tracing.take("lake", "events") as took:
            took(1)
    assert collector.spans == []


def test_a_take_of_a_follower_is_a_span_with_its_records():
    class Broken(MemoryFollower):
        def take(self, _topic, _batches):
            raise StoreError("cannot write 4111111111111111")

    log = MemoryLog()
    log.append([batch(0, 3)])
    with collecting() as (collector, tracing):
        assert advance(log, MemoryFollower(MemoryTarget()), "events", taking=tracing.take)
        with pytest.raises(StoreError):
            advance(log, Broken(MemoryTarget()), "events", taking=tracing.take)
    good, bad = collector.named("take")
    assert told(good) == {"ringfence.follower": "memory", "ringfence.topic": "events", "ringfence.records": 3}
    assert told(bad)["error.type"] == "StoreError"
    assert bad.status.code == 2
    assert b"411111" not in collector.raw


@contextmanager
def hanging():
    """A collector that takes connections and never answers; its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_spans_that_find_no_room_are_dropped_and_counted():
    with hanging() as url:
        tracing = OtelTracing("ringfence", "0", 1.0, f"{url}/v1/traces")
        for _ in range(QUEUE + 100):
            tracing.request(b"").end("GET", "/healthz", 200)
        assert tracing.dropped >= 100
        assert tracing.exported == 0
    tracing.close()


OFF = """
import sys
from pathlib import Path
import ringfence.api.serving, ringfence.cli.deciding.serve, ringfence.web
import ringfence.compose.following.followers
from ringfence.compose.tracing import tracing_of
with tracing_of("ringfence") as tracing:
    assert tracing is None
ours = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "ringfence.adapters.otel")
print([name for name in sys.modules if name.startswith(ours)])
"""


def test_nothing_of_the_extra_is_loaded_while_traces_are_off(tmp_path):
    """FastAPI loads OpenTelemetry's interface, which does nothing, with or without it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    said = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_TRACES_EXPORTER": "none"}
    for more in ({}, said):
        ended = subprocess.run(
            [sys.executable, "-c", OFF],
            cwd=tmp_path,
            env=environment | more,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.stdout, ended.stderr) == ("[]\n", "")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"RINGFENCE_OTLP_ENDPOINT": "collector:4318"}, "otlp_endpoint is no address"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://collector"}, "OTEL_EXPORTER_OTLP_ENDPOINT is no address"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "zipkin"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "only http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER_ARG": "10%"}, "the share of traces"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER_ARG": "nan"}, "the share of traces"),
    ],
)
def test_settings_that_mean_nothing_are_refused(monkeypatch, settings, said):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=said), tracing_of("ringfence"):
        pass


def test_without_the_library_the_setting_is_refused_and_the_environment_warned_of(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    monkeypatch.delitem(sys.modules, "ringfence.adapters.otel")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")
    with tracing_of("ringfence") as tracing:
        assert tracing is None
    assert "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces" in caplog.text
    assert "pip install 'ringfence[otel]'" in caplog.text
    monkeypatch.setenv("RINGFENCE_OTLP_ENDPOINT", "http://localhost:4318")
    with pytest.raises(InputError, match="ringfence\\[otel\\]"), tracing_of("ringfence"):
        pass


@pytest.mark.slow
def test_a_server_and_its_followers_are_traced_and_the_access_log_names_the_trace(tmp_path):
    log = tmp_path / "log"
    with closing(Collector()) as collector:
        process = Process(
            tmp_path / "data",
            log=log,
            RINGFENCE_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_METRICS_EXPORTER="none",  # they have tests of their own
            FASTAPI_OTEL_AUTO_CONFIGURE="true",  # whose spans would have paths
        )
        head = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        answer = httpx.post(f"{process.url}/v1/decisions", json=payment("pay-1"), headers=head, timeout=60)
        assert answer.status_code == 200
        collector.wait_for(lambda: "ringfence-followers" in collector.services)
        assert httpx.get(f"{process.url}/v1/decisions/pay-1").status_code == 200
        assert "ringfence_spans_dropped 0.0" in httpx.get(f"{process.url}/metrics").text
        assert process.end() == 0
    assert TRACE in {one.trace_id.hex() for one in collector.services["ringfence"]}
    assert "GET /v1/decisions/{transaction_id:id}" in {one.name for one in collector.services["ringfence"]}
    assert b"pay-1" not in collector.raw
    assert b"/v1/logs" not in collector.raw
    assert {one.name for one in collector.services["ringfence-followers"]} == {"take"}
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert TRACE in {line["trace_id"] for line in lines if line["route"] == "/v1/decisions"}


@pytest.mark.slow
def test_a_server_whose_collector_hangs_decides_and_stops(tmp_path):
    with hanging() as url:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "RINGFENCE_SERVE_DEADLINE_MS": "5000"}
        process = Process(tmp_path / "data", log=tmp_path / "log", **environment)
        with httpx.Client(base_url=process.url, timeout=60) as client:
            for number in range(50):
                answer = client.post("/v1/decisions", json=payment(f"pay-{number}"))
                assert (answer.status_code, answer.json()["degraded"]) == (200, [])
        assert process.end() == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
