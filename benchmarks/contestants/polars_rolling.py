"""Polars: rolling_*_by expressions over each key, on one thread.

At 2 M events twice as fast as a grouped `rolling(...).agg(...)` per window; at 200,000 half as fast.
"""

from __future__ import annotations

import os
import time

os.environ["POLARS_MAX_THREADS"] = "1"  # read when Polars is imported

import polars as pl

from benchmarks.contestants import ENTITIES, NAMES, WINDOWS_MS

LIBRARY = "polars"


def _expressions():
    for entity in ENTITIES:
        for window in WINDOWS_MS:
            amount, ones = pl.col("amount"), pl.col("one")
            yield ones.rolling_sum_by("time", window).over(entity).alias(f"{entity}_count_{window}")
            yield amount.rolling_sum_by("time", window).over(entity).alias(f"{entity}_sum_{window}")
            yield amount.rolling_mean_by("time", window).over(entity).alias(f"{entity}_mean_{window}")
            yield amount.rolling_std_by("time", window).over(entity).alias(f"{entity}_std_{window}")


def run(columns):
    """One frame in, one frame out."""
    frame = pl.DataFrame(columns).with_columns(time=pl.col("time_ms").cast(pl.Datetime("ms")), one=pl.lit(1))
    start = time.perf_counter()
    measured = frame.select(*_expressions())
    seconds = time.perf_counter() - start
    return seconds, measured.select(NAMES).cast(pl.Float64).to_numpy().T
