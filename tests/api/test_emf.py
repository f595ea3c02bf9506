"""Figures for CloudWatch: what a line says, and within which bounds."""

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.api.monitoring.emf import MOST_VALUES, EmfWriter, spread
from ringfence.api.monitoring.metrics import Metrics


def said(writer):
    return [json.loads(line) for line in writer.lines()]


def figures(lines):
    (line,) = [one for one in lines if one["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]]
    return line


def test_a_line_has_what_has_happened_since_the_last_one():
    metrics, stream = Metrics(), io.StringIO()
    writer = EmfWriter(metrics.registry, stream, lambda: 1_769_853_600_000)
    metrics.answered("/v1/decisions", 200, 0.004)
    metrics.answered("/v1/decisions", 503, 0.004)
    metrics.decisions.labels("decline").inc(3)
    metrics.watch("ringfence_lag_seconds", "Late.", lambda: 7.0)
    lines = said(writer)
    line = figures(lines)
    assert line["http_requests"] == 2
    assert line["decisions"] == 3
    assert line["lag_seconds"] == [7.0]
    assert line["http_request_seconds"] == pytest.approx([0.003125, 0.004375])
    units = {one["Name"]: one["Unit"] for one in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert (units["lag_seconds"], units["decisions"]) == ("Seconds", "Count")
    assert set(units) == set(line) - {"_aws"}
    (declined,) = [one for one in lines if one.get("outcome") == "decline"]
    assert (declined["decisions"], declined["_aws"]["Timestamp"]) == (3, 1_769_853_600_000)
    assert declined["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["outcome"]]
    metrics.answered("/v1/decisions", 200, 0.004)
    again = figures(said(writer))
    assert (again["http_requests"], again["decisions"], len(again["http_request_seconds"])) == (1, 0, 1)


def test_no_figure_has_more_than_a_hundred_values_and_no_line_more_figures():
    metrics = Metrics()
    for number in range(250):
        metrics.watch(f"ringfence_gauge_{number}", "One.", lambda: 1.0)
        metrics.answered(f"/{number}", 200, 0.01 * (number % 7))
    for line in said(EmfWriter(metrics.registry, io.StringIO(), lambda: 0)):
        names = [one["Name"] for one in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
        assert len(names) <= 100
        assert all(len(line[name]) <= MOST_VALUES for name in names if isinstance(line[name], list))


@given(st.lists(st.floats(0.0005, 1.0), min_size=1, max_size=300))
def test_values_are_spread_as_what_was_counted(values):
    bounds = [0.001, 0.01, 0.1, 1.0, float("inf")]
    cumulative = {bound: float(sum(value <= bound for value in values)) for bound in bounds}
    found = spread(cumulative)
    assert len(found) == min(len(values), MOST_VALUES)
    assert found == sorted(found)
    share = np.searchsorted(found, bounds[:4], side="right") / len(found)
    wanted = [cumulative[bound] / len(values) for bound in bounds[:4]]
    assert np.abs(share - wanted).max() <= 1 / len(found) + 1e-9


def test_a_stream_that_nobody_reads_harms_nothing():
    stream = io.StringIO()
    stream.close()
    writer = EmfWriter(Metrics().registry, stream, lambda: 0, every_seconds=0.01)
    writer.start()
    writer.write()
    writer.stop()
    writer.stop()
