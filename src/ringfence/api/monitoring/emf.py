"""The figures of `/metrics` as lines that CloudWatch Logs takes figures from: its Embedded Metric Format.

A counter becomes what it has grown by, a gauge its value (one of each label), a histogram at most 100 values
that are spread as what it has counted since the last line. Labels are left out, because CloudWatch asks a
price for each set of them: only `Metrics.decisions` has a line for each outcome.

Source: "Specification: Embedded metric format", Amazon CloudWatch User Guide.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TextIO

    from prometheus_client import CollectorRegistry, Metric

NAMESPACE: Final = "Ringfence"
EVERY_SECONDS: Final = 60.0
MOST_VALUES: Final = 100
"""Of one figure in one line."""

MOST_FIGURES: Final = 100
"""In one line."""

_LOGGER: Final = logging.getLogger(__name__)
_PREFIX: Final = "ringfence_"
_BY: Final = {"decisions": "outcome"}
_UNITS: Final = {"seconds": "Seconds", "bytes": "Bytes"}


class EmfWriter:
    """Writes lines between `start` and `stop`, one set a minute.

    Args:
        registry: of whose figures; its collectors are asked on a thread of this writer.
        stream: where lines go, which something brings to CloudWatch Logs.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        stream: TextIO,
        now_ms: Callable[[], int],
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._registry, self._stream, self._now_ms, self._every = registry, stream, now_ms, every_seconds
        self._before: dict[tuple[str, ...], float] = {}
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="ringfence-emf", daemon=True)

    def start(self) -> None:
        """Begin; what was counted before is in the first line."""
        self._thread.start()

    def stop(self) -> None:
        """No more lines. Stopping twice is allowed."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def write(self) -> None:
        """One set of lines, now; a stream that takes none has none."""
        try:
            for line in self.lines():
                self._stream.write(f"{line}\n")
            self._stream.flush()
        except Exception:  # whatever a collector does: the next line has what is missing in this one
            _LOGGER.warning("Figures for CloudWatch cannot be written", exc_info=True)

    def lines(self) -> Iterator[str]:
        """What there is to say since the last time, as JSON texts."""
        told: dict[str, float | list[float]] = {}
        for family in self._registry.collect():
            name = family.name.removeprefix(_PREFIX)
            if family.type == "counter":
                grown = self._grown(family, _BY.get(name, ""))
                told[name] = sum(grown.values())
                if name in _BY:
                    for value, count in sorted(grown.items()):
                        yield self._line({name: count}, {_BY[name]: value})
            elif family.type == "gauge":
                values = [one.value for one in family.samples if math.isfinite(one.value)]
                told[name] = sorted(values, reverse=True)[:MOST_VALUES]
            elif family.type == "histogram":
                told[name] = spread(self._buckets(family))
        found = {name: value for name, value in told.items() if value != []}
        names = sorted(found)
        for at in range(0, len(names), MOST_FIGURES):
            yield self._line({name: found[name] for name in names[at : at + MOST_FIGURES]}, {})

    def _grown(self, family: Metric, by: str) -> dict[str, float]:
        """Growth of a counter by the values of one label."""
        found: dict[str, float] = defaultdict(float)
        for one in family.samples:
            if one.name.endswith("_total"):
                found[one.labels.get(by, "")] += self._since(one.name, one.labels, one.value)
        return found

    def _buckets(self, family: Metric) -> dict[float, float]:
        """By upper bound, how many more have been counted below it."""
        found: dict[float, float] = defaultdict(float)
        for one in family.samples:
            if one.name.endswith("_bucket"):
                found[float(one.labels["le"])] += self._since(one.name, one.labels, one.value)
        return found

    def _since(self, name: str, labels: Mapping[str, str], value: float) -> float:
        key = (name, *(f"{label}={labels[label]}" for label in sorted(labels)))
        before = self._before.get(key, 0.0)
        self._before[key] = value
        return value - before if value >= before else value

    def _line(self, figures: Mapping[str, Any], dimensions: Mapping[str, str]) -> str:
        kinds = [{"Name": name, "Unit": _unit(name)} for name in figures]
        told = {"Namespace": NAMESPACE, "Dimensions": [list(dimensions)], "Metrics": kinds}
        line = {"_aws": {"Timestamp": self._now_ms(), "CloudWatchMetrics": [told]}, **dimensions, **figures}
        return msgspec.json.encode(line).decode()

    def _run(self) -> None:
        while not self._stopping.wait(self._every):
            self.write()


def spread(cumulative: Mapping[float, float]) -> list[float]:
    """At most `MOST_VALUES` values that are spread as a histogram's, evenly within each bucket.

    `cumulative` has by upper bound how many are below; those beyond the last bound count as it.

    >>> spread({1.0: 2, 2.0: 4, float("inf"): 4})
    [0.25, 0.75, 1.25, 1.75]
    """
    bounds = sorted(cumulative)
    total = cumulative[bounds[-1]] if bounds else 0
    count = min(int(total), MOST_VALUES)
    found: list[float] = []
    below, under, at = 0.0, 0.0, 0
    for number in range(count):
        rank = (number + 0.5) * total / count
        while cumulative[bounds[at]] < rank:
            below, under, at = bounds[at], cumulative[bounds[at]], at + 1
        above = bounds[at] if math.isfinite(bounds[at]) else below
        inside = cumulative[bounds[at]] - under
        found.append(round(below + (above - below) * (rank - under) / inside, 9))
    return found


def _unit(name: str) -> str:
    return next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "Count")
