"""Traces to an OpenTelemetry collector, by OTLP over HTTP. Only this and `otel_metrics` import its library.

Spans wait in a bounded queue for a thread that sends them. A collector that is slow or gone costs spans,
which are counted, and nothing else.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from threading import Lock, Thread
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from ringfence.ports.tracing import RequestTrace, StageSpan

QUEUE: Final = 2048
"""Spans that may wait for being sent, or be under way."""

STOP_SECONDS: Final = 3.0
"""How long the last spans may take at the end of the process."""

_BATCH: Final = 512
_EVERY_MS: Final = 1000
_EXPORT_SECONDS: Final = 5.0  # one batch, with all attempts
_MOST_LINKS: Final = 128
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_NOBODY: Final = trace.set_span_in_context(trace.INVALID_SPAN)  # a parent that is none


def resource_of(service: str, version: str) -> Resource:
    """What this process is called; the name gives way to the standard environment."""
    told: dict[str, Any] = {"service.version": version}
    if "OTEL_SERVICE_NAME" not in os.environ:
        told["service.name"] = service
    return Resource.create(told)


class OtelTracing:
    """See `ringfence.ports.tracing.Tracing`."""

    def __init__(self, service: str, version: str, ratio: float, endpoint: str | None) -> None:
        """`ratio` of traces that begin here are kept, of 1.

        `endpoint` is the full address of what takes traces, None as the standard environment has it. The name
        of the service gives way to that environment, too.
        """
        self._provider = TracerProvider(
            ParentBased(TraceIdRatioBased(ratio)), resource_of(service, version), shutdown_on_exit=False
        )
        self._queue = _BoundedQueue(OTLPSpanExporter(endpoint, timeout=_EXPORT_SECONDS))
        self._provider.add_span_processor(self._queue)
        self._tracer = self._provider.get_tracer("ringfence", version)

    @property
    def exported(self) -> int:
        """See `Tracing.exported`."""
        return self._queue.exported

    @property
    def dropped(self) -> int:
        """See `Tracing.dropped`."""
        return self._queue.dropped

    def request(self, traceparent: bytes) -> RequestTrace:
        """See `Tracing.request`."""
        parent = _NOBODY
        if traceparent:
            # What else a caller can put into a trace (tracestate, baggage) is free text: it is left alone.
            parent = _PROPAGATOR.extract({"traceparent": traceparent.decode("latin-1")}, _NOBODY)
        return _Request(self._tracer.start_span("request", parent, trace.SpanKind.SERVER))

    def step(
        self, requests: Sequence[RequestTrace], stages: Sequence[StageSpan], counts: Mapping[str, int]
    ) -> None:
        """See `Tracing.step`."""
        sampled = [one.span for one in requests if isinstance(one, _Request) and one.is_sampled]
        if requests and not sampled:
            return
        begin, end = min(one.begin for one in stages), max(one.end for one in stages)
        since = time_ns() - round(perf_counter() * 1e9)  # between the two clocks, as of now
        span = self._tracer.start_span(
            "step",
            trace.set_span_in_context(sampled[0]) if sampled else _NOBODY,
            attributes={f"ringfence.step.{name}": count for name, count in counts.items()},
            links=[trace.Link(one.get_span_context()) for one in sampled[1 : 1 + _MOST_LINKS]],
            start_time=since + round(begin * 1e9),
        )
        if span.is_recording():
            within = trace.set_span_in_context(span)
            for stage in stages:
                part = self._tracer.start_span(
                    stage.name, within, start_time=since + round(stage.begin * 1e9)
                )
                part.end(since + round(stage.end * 1e9))
        span.end(since + round(end * 1e9))

    @contextmanager
    def take(self, follower: str, topic: str) -> Iterator[Callable[[int], None]]:
        """See `Tracing.take`. Of an error only its type is told: a message may quote what it is about."""
        told = {"ringfence.follower": follower, "ringfence.topic": topic}
        span = self._tracer.start_span("take", _NOBODY, attributes=told)
        try:
            yield lambda records: span.set_attribute("ringfence.records", records)
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
            raise
        finally:
            span.end()

    def close(self) -> None:
        """See `Tracing.close`. A collector that hangs keeps a thread, for which the process need not wait."""
        closing = Thread(target=self._provider.shutdown, name="ringfence-spans-end", daemon=True)
        closing.start()
        closing.join(STOP_SECONDS)


class _Request:
    """See `ringfence.ports.tracing.RequestTrace`."""

    __slots__ = ("is_sampled", "span", "trace_id")

    def __init__(self, span: trace.Span) -> None:
        context = span.get_span_context()
        self.span = span
        self.trace_id = trace.format_trace_id(context.trace_id)
        self.is_sampled = context.trace_flags.sampled

    def end(self, method: str, route: str, status: int) -> None:
        """See `RequestTrace.end`."""
        if not self.is_sampled:
            return
        span, known = self.span, method if method in _METHODS else "_OTHER"
        span.update_name(f"{known} {route}")
        span.set_attribute("http.request.method", known)
        span.set_attribute("http.route", route)
        if status:
            span.set_attribute("http.response.status_code", status)
        if not status or status >= 500:
            span.set_attribute("error.type", str(status) if status else "caller_gone")
            span.set_status(trace.StatusCode.ERROR)
        span.end()


class _BoundedQueue(BatchSpanProcessor):
    """Drops the newest where there is no room, and counts what becomes of each span."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._lock = Lock()
        self._waiting = self.exported = self.dropped = 0
        super().__init__(_Counted(exporter, self._settled), QUEUE, _EVERY_MS, _BATCH)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span; never waits for the exporter."""
        with self._lock:
            if self._waiting >= QUEUE:
                self.dropped += 1
                return
            self._waiting += 1
        super().on_end(span)

    def _settled(self, count: int, *, received: bool) -> None:
        with self._lock:
            self._waiting -= count
            if received:
                self.exported += count
            else:
                self.dropped += count


class _Counted(SpanExporter):
    """Tells what became of each batch."""

    def __init__(self, exporter: SpanExporter, settled: Callable[..., None]) -> None:
        self._exporter, self._settled = exporter, settled

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See `SpanExporter.export`."""
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self._settled(len(spans), received=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """See `SpanExporter.shutdown`."""
        self._exporter.shutdown()
