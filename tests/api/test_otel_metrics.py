"""Figures to an OpenTelemetry collector: what arrives, and what one that is gone costs."""

import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from benchmarks.serving import Process
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from ringfence.adapters.otel import resource_of
from ringfence.adapters.otel_metrics import OtelMetrics
from ringfence.api.monitoring.metrics import Metrics
from ringfence.compose.tracing import metering_of
from ringfence.errors import InputError

from .conftest import payment


class Collector:
    """Takes metrics by OTLP over HTTP, and keeps what it got."""

    def __init__(self, status=200):
        self.got, self.requests, self.paths = threading.Condition(), [], set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with collector.got:
                    collector.paths.add(self.path)
                    if self.path == "/v1/metrics":
                        collector.requests.append(ExportMetricsServiceRequest.FromString(body))
                    collector.got.notify_all()
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def wait_for(self, what):
        with self.got:
            assert self.got.wait_for(lambda: what(self), 60)

    def latest(self):
        """Metrics of the latest request by name."""
        [resource] = self.requests[-1].resource_metrics
        [scope] = resource.scope_metrics
        return {one.name: one for one in scope.metrics}

    def service(self):
        [resource] = self.requests[-1].resource_metrics
        return {one.key: one.value.string_value for one in resource.resource.attributes}["service.name"]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def sending(url, every=60.0):
    return OtelMetrics(resource_of("ringfence", "0"), "0", f"{url}/v1/metrics", every)


def labels(point):
    return {one.key: one.value.string_value for one in point.attributes}


def test_counters_gauges_and_histograms_arrive_as_they_are():
    metrics = Metrics()
    for seconds in (0.004, 0.004, 0.3, 7.0):
        metrics.answered("/v1/decisions", 200, seconds)
    metrics.watch("ringfence_lag_seconds", "Late.", lambda: 7.5)
    with closing(Collector()) as collector:
        sender = sending(collector.url)
        sender.start(metrics.registry)
        sender.stop()
        found = collector.latest()
        assert collector.service() == "ringfence"
    counter = found["ringfence_http_requests"].sum
    assert counter.is_monotonic
    assert counter.aggregation_temporality == 2  # cumulative
    [point] = counter.data_points
    assert (labels(point), point.as_double) == ({"route": "/v1/decisions", "status": "200"}, 4.0)
    assert 0 < point.start_time_unix_nano < point.time_unix_nano
    [gauge] = found["ringfence_lag_seconds"].gauge.data_points
    assert (gauge.as_double, found["ringfence_lag_seconds"].unit) == (7.5, "s")
    [histogram] = found["ringfence_http_request_seconds"].histogram.data_points
    assert (histogram.count, histogram.sum) == (4, pytest.approx(7.308))
    assert len(histogram.bucket_counts) == len(histogram.explicit_bounds) + 1
    told = dict(zip([*histogram.explicit_bounds, "more"], histogram.bucket_counts, strict=True))
    assert {bound: count for bound, count in told.items() if count} == {0.005: 2, 0.5: 1, "more": 1}


def test_a_collector_that_refuses_is_told_of_once_and_one_that_is_gone_holds_nobody_up(caplog):
    metrics = Metrics()
    with closing(Collector(status=400)) as collector:
        sender = sending(collector.url, 0.01)
        sender.start(metrics.registry)
        collector.wait_for(lambda one: len(one.requests) >= 3)
        sender.stop()
    assert sum("takes no figures" in one.message for one in caplog.records) == 1
    gone = sending(collector.url)
    gone.start(metrics.registry)
    gone.stop()
    gone.stop()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"RINGFENCE_OTLP_ENDPOINT": "localhost"}, "no address"),
        ({"OTEL_METRICS_EXPORTER": "statsd"}, "metrics go by otlp"),
        (
            {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"},
            "only http/protobuf",
        ),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "soon"}, "give milliseconds"),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "0"}, "give milliseconds"),
    ],
)
def test_settings_that_mean_nothing_are_refused(monkeypatch, settings, said):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=said):
        metering_of("ringfence")


@pytest.mark.parametrize(
    "settings", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_METRICS_EXPORTER": "none"}]
)
def test_nobody_gets_figures_who_did_not_ask(monkeypatch, settings):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert metering_of("ringfence") is None


def test_a_server_sends_its_figures_and_the_last_ones_as_it_stops(tmp_path):
    with closing(Collector()) as collector:
        process = Process(
            tmp_path / "data", log=tmp_path / "log", RINGFENCE_OTLP_ENDPOINT=collector.url,
            OTEL_TRACES_EXPORTER="none", OTEL_METRIC_EXPORT_INTERVAL="1000",
        )  # fmt: skip
        answer = httpx.post(f"{process.url}/v1/decisions", json=payment("pay-1"), timeout=60)
        assert answer.status_code == 200
        assert process.end() == 0
        found = collector.latest()
        assert collector.paths == {"/v1/metrics"}
    assert sum(one.as_double for one in found["ringfence_decisions"].sum.data_points) == 1.0
    assert "ringfence_slo_target" in found


def test_nothing_of_the_extra_is_loaded_while_figures_are_off(tmp_path):
    code = "import sys, ringfence.cli.deciding.serve, ringfence.api.serving\n"
    code += "print('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
