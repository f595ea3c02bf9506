"""Flink SQL: eight chained OVER windows (streaming mode allows one per SELECT), parallelism 1, bounded CSV.

The first INSERT warms the JVM up and writes its values; the second, which is timed, drops them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

from benchmarks.contestants import ENTITIES, NAMES

LIBRARY = "apache-flink-libraries"

FRAMES = {"1h": "0 00:59:59.999", "1d": "0 23:59:59.999", "7d": "6 23:59:59.999", "30d": "29 23:59:59.999"}
"""Inclusive on both sides, so one millisecond short of the window."""

if shutil.which("java") is None:
    raise ImportError("no java on the path")
LIBRARIES = Path(str(distribution(LIBRARY).locate_file("pyflink/lib")))


def _chain(source: str) -> str:
    query = f"SELECT * FROM {source}"
    for entity in ENTITIES:
        for window, frame in FRAMES.items():
            query = f"""
                SELECT *,
                    COUNT(*) OVER w AS {entity}_count_{window},
                    SUM(amount) OVER w AS {entity}_sum_{window},
                    AVG(CAST(amount AS DOUBLE)) OVER w AS {entity}_mean_{window},
                    STDDEV_SAMP(CAST(amount AS DOUBLE)) OVER w AS {entity}_std_{window}
                FROM ({query}) WINDOW w AS (PARTITION BY {entity} ORDER BY ts
                    RANGE BETWEEN INTERVAL '{frame}' DAY TO SECOND(3) PRECEDING AND CURRENT ROW)"""
    return query


def _script(folder: Path) -> str:
    types = ["BIGINT" if "_count_" in name or "_sum_" in name else "DOUBLE" for name in NAMES]
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(NAMES, types, strict=True))
    insert = f"SELECT id, {', '.join(NAMES)} FROM ({_chain('payments')})"
    return f"""
        CREATE TABLE payments (id BIGINT, time_ms BIGINT, card BIGINT, merchant BIGINT, amount BIGINT,
            ts AS TO_TIMESTAMP_LTZ(time_ms, 3), WATERMARK FOR ts AS ts)
            WITH ('connector' = 'filesystem', 'path' = '{folder}/payments.csv', 'format' = 'csv');
        CREATE TABLE kept (id BIGINT, {columns})
            WITH ('connector' = 'filesystem', 'path' = '{folder}/kept', 'format' = 'csv');
        CREATE TABLE dropped (id BIGINT, {columns}) WITH ('connector' = 'blackhole');
        INSERT INTO kept {insert};
        INSERT INTO dropped {insert};"""


def _java(script: Path) -> float:
    opens = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in ("util", "lang", "time", "nio")]
    program = Path(__file__).with_name("FlinkOver.java")
    command = ["java", "-Xmx4g", *opens, "-cp", f"{LIBRARIES}/*", str(program), str(script)]
    quiet = {**os.environ, "JAVA_TOOL_OPTIONS": "", "TZ": "UTC"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet)
    if done.returncode:
        raise RuntimeError(f"Flink failed: {done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def run(columns):
    """One Java process: the same statement twice."""
    names = ("time_ms", "card", "merchant", "amount")
    rows = np.stack([np.arange(len(columns["card"])), *(columns[name] for name in names)], axis=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savetxt(folder / "payments.csv", rows, fmt="%d", delimiter=",")
        (folder / "run.sql").write_text(_script(folder))
        seconds = _java(folder / "run.sql")
        found = [
            _values(path) for path in (folder / "kept").rglob("*") if path.is_file() and path.stat().st_size
        ]
    merged = np.concatenate(found)
    return seconds, merged[np.argsort(merged[:, 0])].T[1:]


def _values(path: Path):
    return np.genfromtxt(path, delimiter=",", dtype=np.float64, ndmin=2)
