"""Other engines at the first reference work, each as its own documentation suggests for this question.

Every module has `LIBRARY` (what to install) and `run(columns) -> (seconds, values)`. `columns` holds
`time_ms`, `card`, `merchant` and `amount` (minor units) as int64 arrays in time order. `values` is float64
(32, n): entity, window, then count, sum, mean, std. Loading columns and fetching values are not timed.
"""

from __future__ import annotations

ENTITIES = ("card", "merchant")
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
WINDOWS_MS = {"1h": HOUR_MS, "1d": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS}
STATISTICS = ("count", "sum", "mean", "std")
NAMES = [
    f"{entity}_{statistic}_{window}"
    for entity in ENTITIES
    for window in WINDOWS_MS
    for statistic in STATISTICS
]

CONTESTANTS = {
    "duckdb_windows": 2_000_000,
    "polars_rolling": 2_000_000,
    "plain_python": 200_000,
    "csp_graph": 200_000,
    "bytewax_flow": 200_000,
    "river_rolling": 200_000,
    "flink_over": 100_000,
}
"""Module names and the most events that one run takes: the slow get fewer, whose windows are emptier."""
