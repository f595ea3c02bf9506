"""What one step of the decision API costs, stage by stage, without sockets.

python -m benchmarks.api_step                    steps of 1, 8 and 32 payments
python -m benchmarks.api_step --model FOLDER     with a model of `ringfence train`
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.api_load import payments
from benchmarks.report import machine, show, versions
from ringfence.access.authoriser import Authoriser
from ringfence.api.outcomes import Resolver, Ticket, sort_out
from ringfence.api.server import Server
from ringfence.api.settings import ServeSettings
from ringfence.compose import load_definitions, open_session
from ringfence.runner import Snapshotting

STAGES = ("decode", "decide", "encode", "write", "answer")


def timed(server: Server, resolver: Resolver, lines: list[bytes]) -> list[float]:
    """Seconds of each stage of one step."""
    marks = [perf_counter()]
    tickets = [Ticket((line,), "http", lambda _: None, lambda _: None) for line in lines]
    taken = sort_out(tickets, *server.decoding(lines, server.clock.now_ms()))
    marks.append(perf_counter())
    work = server.runner.take(taken.events, taken.bad)
    marks.append(perf_counter())
    writing = server.runner.encode([work])
    marks.append(perf_counter())
    server.runner.write(writing)
    marks.append(perf_counter())
    resolver.resolve(taken, work)
    marks.append(perf_counter())
    return np.diff(marks).tolist()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path)
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()
    definitions = load_definitions(None, None, options.model)
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        open_session(Path(folder), definitions, Snapshotting()) as session,
    ):
        server = Server(session, ServeSettings(), Authoriser())
        resolver = Resolver(server.answers, server.stored, lambda *_: None)
        for size in (8, 1, 8, 32):  # the first warms up
            lines = payments(size * options.steps, f"step{size}-{len(rows)}")
            steps = [
                timed(server, resolver, lines[begin : begin + size]) for begin in range(0, len(lines), size)
            ]
            middle = np.median(np.array(steps), axis=0) * 1e6
            rows.append([str(size), *(f"{value:,.0f}" for value in middle), f"{middle.sum():,.0f}"])
    show(
        f"{machine()}; {versions('ringfence', 'pyarrow')}; medians of {options.steps} steps, µs",
        ("payments", *STAGES, "together"),
        rows[1:],
    )


if __name__ == "__main__":
    main()
