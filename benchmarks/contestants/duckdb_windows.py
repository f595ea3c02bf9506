"""DuckDB: one query with eight RANGE windows, over a table in memory, on one thread."""

from __future__ import annotations

import time

import duckdb
import numpy as np

from benchmarks.contestants import ENTITIES, NAMES, WINDOWS_MS

LIBRARY = "duckdb"


def _query() -> str:
    selected, windows = [], []
    for entity in ENTITIES:
        for window, width_ms in WINDOWS_MS.items():
            name = f"{entity}_{window}"
            for function, label in (
                ("count", "count"),
                ("sum", "sum"),
                ("avg", "mean"),
                ("stddev_samp", "std"),
            ):
                selected.append(f"{function}(amount) OVER {name} AS {entity}_{label}_{window}")
            frame = f"RANGE BETWEEN {width_ms - 1} PRECEDING AND CURRENT ROW"
            windows.append(f"{name} AS (PARTITION BY {entity} ORDER BY time_ms {frame})")
    columns = ", ".join(["time_ms", *selected])
    return f"CREATE TABLE measured AS SELECT {columns} FROM payments WINDOW {', '.join(windows)}"


def run(columns):
    """One query, table to table."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("given", columns)
        connection.execute("CREATE TABLE payments AS SELECT * FROM given")
        start = time.perf_counter()
        connection.execute(_query())
        seconds = time.perf_counter() - start
        found = connection.execute(f"SELECT {', '.join(NAMES)} FROM measured ORDER BY time_ms").fetchnumpy()
    return seconds, np.stack([np.ma.filled(found[name].astype(np.float64), np.nan) for name in NAMES])
