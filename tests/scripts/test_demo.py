"""`make demo` shows live traffic, ends by itself, leaves nothing running, and can be run again."""

import importlib
import os
import re
import signal
import socket
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import copyfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.waiting import until

from ringfence.cli import execute

DEMO = Path(__file__).parents[2] / "scripts" / "demo.py"
SMALL = ("--customers", "100", "--days", "12")
TAUGHT = ("a model is in force", "not worth promoting")


def demo(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, str(DEMO), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")},
    )


def left_running(folder):
    """Processes that still work in the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(process.joinpath("cwd").readlink()).startswith(str(folder)):
                found.append(process.joinpath("cmdline").read_text())
        except OSError:
            continue
    return found


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="asks /proc which processes are left"),
]


def test_ctrl_c_ends_everything_and_a_second_demo_ends_by_itself_in_the_same_place(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        first, said = demo(tmp_path, *SMALL, "--port", str(port), "--seconds", "200"), ""
        with first:
            for line in first.stdout:
                said += line
                if "Ctrl-C ends the demo" in line:
                    first.send_signal(signal.SIGINT)
    assert first.returncode == 0, said
    assert f"Port {port} is taken" in said
    until(lambda: not left_running(tmp_path))  # on a busy machine the last follower ends a moment later
    second = demo(tmp_path, "--port", "0")  # no terminal: it ends when everything has been shown
    said, _ = second.communicate(timeout=300)
    assert second.returncode == 0, said
    assert re.search(r"live at http://127\.0\.0\.1:\d+", said)
    # The world ends today and so differs by the day: on some the rules do as well.
    assert any(told in said for told in TAUGHT), said
    assert re.search(r"(REVIEW|CHALLENGE|DECLINE) +[\d,.]+ EUR", said)
    assert "Everything is stopped" in said
    until(lambda: not left_running(tmp_path))  # on a busy machine the last follower ends a moment later


def test_live_traffic_begins_where_its_history_ends_and_has_reached_the_clock_in_five_minutes(
    tmp_path, monkeypatch
):
    """The last 300 events at one a second, or a quarter of all where they are few."""
    monkeypatch.syspath_prepend(DEMO.parent)
    shown = importlib.import_module("demo")
    file, first = tmp_path / "h.parquet", datetime(2026, 12, 2, tzinfo=UTC)
    times = [first + timedelta(minutes=n) for n in range(2000)]
    pq.write_table(pa.table({"event_time": pa.array(times, pa.timestamp("ms", "UTC"))}), file)
    assert shown.without_last(file, shown.CATCH_UP_SECONDS) == times[1700]
    assert pq.read_table(file)["event_time"].to_pylist() == times[:1700]
    assert shown.without_last(file, 10_000) == times[1275]


def test_its_model_is_worth_promoting_also_on_a_date_with_few_frauds_to_learn_from(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(DEMO.parent)
    shown = importlib.import_module("demo")
    monkeypatch.chdir(tmp_path)
    copyfile(shown.FEATURES, "features.py")
    start = date(2026, 12, 2) - timedelta(days=shown.DAYS)
    world = (*shown.WORLD, "--customers", "1000", "--start", start.isoformat())
    assert execute(["simulate", "h.parquet", "--days", str(shown.DAYS), *world]) == 0
    assert execute(["run", "h.parquet", "--mapping", "canonical"]) == 0
    assert execute(["train", "--out", "model", "--name", "demo", *shown.LESSON]) == 0
    assert "NOT WORTH PROMOTING" not in "".join(capsys.readouterr())
