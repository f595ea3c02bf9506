"""The figures of `/metrics` to an OpenTelemetry collector, by OTLP over HTTP, once a minute."""

from __future__ import annotations

import itertools
import logging
from threading import Event, Thread
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.sdk.resources import Resource
    from prometheus_client import CollectorRegistry
    from prometheus_client import Metric as Family

STOP_SECONDS: Final = 3.0
"""How long the last figures may take at the end of the process."""

_EXPORT_SECONDS: Final = 5.0  # with all attempts
_LOGGER: Final = logging.getLogger(__name__)
_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE


class OtelMetrics:
    """Sends all families of a registry between `start` and `stop`, on a thread of its own.

    A collector that is slow or gone costs the figures of that minute, which is told in the log once.
    """

    def __init__(self, resource: Resource, version: str, endpoint: str | None, every_seconds: float) -> None:
        """`endpoint` is the full address of what takes metrics, None as the standard environment has it."""
        self._resource, self._scope = resource, InstrumentationScope("ringfence", version)
        self._exporter = OTLPMetricExporter(endpoint, timeout=_EXPORT_SECONDS)
        self._every = every_seconds
        self._began = time_ns()
        self._failing = False
        self._stopping = Event()
        self._thread: Thread | None = None

    def start(self, registry: CollectorRegistry) -> None:
        """Begin; the last figures are sent by `stop`."""
        self._thread = Thread(target=self._run, args=(registry,), name="ringfence-otlp-metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send once more, for a few seconds at most. Stopping twice is allowed."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self, registry: CollectorRegistry) -> None:
        while not self._stopping.wait(self._every):
            self._send(registry)
        self._send(registry)
        self._exporter.shutdown()

    def _send(self, registry: CollectorRegistry) -> None:
        try:
            result = self._exporter.export(self._data(registry))
        except Exception:  # whatever a collector of figures does: the next minute has what is missing in this
            _LOGGER.warning("Figures cannot be made for the collector", exc_info=True)
            return
        failing = result is not MetricExportResult.SUCCESS
        if failing and not self._failing:
            _LOGGER.warning("The OpenTelemetry collector takes no figures; they are sent again every minute")
        self._failing = failing

    def _data(self, registry: CollectorRegistry) -> MetricsData:
        now = time_ns()
        found = [metric for family in registry.collect() for metric in self._metrics(family, now)]
        of_scope = ScopeMetrics(self._scope, found, "")
        return MetricsData([ResourceMetrics(self._resource, [of_scope], "")])

    def _metrics(self, family: Family, now: int) -> Iterator[Metric]:
        data: Any
        if family.type == "counter":
            points = [self._point(one, now) for one in family.samples if one.name.endswith("_total")]
            data = Sum(points, _CUMULATIVE, is_monotonic=True)
        elif family.type == "gauge":
            points = [self._point(one, now) for one in family.samples]
            data = Gauge(points)
        elif family.type == "histogram":
            data = Histogram(list(self._histograms(family, now)), _CUMULATIVE)
        else:
            return
        if data.data_points:
            yield Metric(family.name, family.documentation, _unit(family.name), data)

    def _point(self, sample: Any, now: int) -> NumberDataPoint:
        return NumberDataPoint(dict(sample.labels), self._began, now, float(sample.value))

    def _histograms(self, family: Family, now: int) -> Iterator[HistogramDataPoint]:
        """One for each set of labels; Prometheus counts cumulatively, OTLP in each bucket."""
        found: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
        sums: dict[tuple[tuple[str, str], ...], float] = {}
        for one in family.samples:
            labels = _without(one.labels, "le")
            if one.name.endswith("_bucket"):
                found.setdefault(labels, {})[float(one.labels["le"])] = one.value
            elif one.name.endswith("_sum"):
                sums[labels] = one.value
        for labels, cumulative in found.items():
            bounds = sorted(cumulative)
            below = [0.0, *(cumulative[bound] for bound in bounds)]
            counts = [round(after - before) for before, after in itertools.pairwise(below)]
            yield HistogramDataPoint(
                dict(labels),
                self._began,
                now,
                sum(counts),
                sums.get(labels, 0.0),
                counts,
                bounds[:-1],  # the last one is infinity
                None,  # type: ignore[arg-type]  # what Prometheus does not keep
                None,  # type: ignore[arg-type]
            )


def _without(labels: Mapping[str, str], name: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((label, value) for label, value in labels.items() if label != name))


def _unit(name: str) -> str:
    """As UCUM writes it.

    >>> _unit("ringfence_http_request_seconds"), _unit("ringfence_decisions")
    ('s', '1')
    """
    return {"seconds": "s", "bytes": "By"}.get(name.rsplit("_", 1)[-1], "1")
