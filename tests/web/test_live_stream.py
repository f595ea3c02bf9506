"""The live page's stream ends when the settings say so: a balancer can then spread its listeners."""

from itertools import islice

import httpx
from benchmarks.serving import ALONE, Process


def test_it_ends_after_its_time(tmp_path):
    process = Process(tmp_path / "data", RINGFENCE_SERVE_STREAM_SECONDS="0.02", **ALONE)
    with httpx.stream("GET", f"{process.url}/live/stream", timeout=60) as stream:
        frames = list(islice((line for line in stream.iter_lines() if line.startswith("data:")), 9))
    assert process.end() == 0
    assert 1 <= len(frames) < 9  # one each half second, for ever otherwise
