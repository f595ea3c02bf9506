"""What one step of the decision API costs, stage by stage, without sockets.

python -m benchmarks.api_step                    steps of 1, 8 and 32 payments
python -m benchmarks.api_step --trees 200        with a model of so many trees: 1 % reviewed, 3 % challenged
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.api_load import WORLD, World
from benchmarks.model import write_model
from benchmarks.report import machine, show, versions
from ringfence.access.authoriser import Authoriser
from ringfence.api.hot.outcomes import Resolver, Ticket, sort_out
from ringfence.api.server import Server
from ringfence.api.settings import ServeSettings
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.saving import Snapshotting

if TYPE_CHECKING:
    from ringfence.compose.deciding.definitions import Definitions

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
    parser.add_argument("--trees", type=int, default=0)
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        if options.trees:
            write_model(model, options.trees, World(seed=1000).payments(40_000, "learned"))
        definitions = load_definitions(None, None, model if options.trees else None)
        rows = measure(Path(scratch) / "data", definitions, options.steps)
    show(
        f"{machine()}; {versions('ringfence', 'pyarrow')}; {options.trees} trees; "
        f"medians of {options.steps} steps, µs",
        ("payments", *STAGES, "together", "score"),
        rows,
    )


def measure(folder: Path, definitions: Definitions, count: int) -> list[list[str]]:
    """So many steps of each size; `score` is a part of `decide`, and its mean."""
    rows = []
    with open_session(folder, definitions, Snapshotting()) as session:
        server = Server(session, ServeSettings(), Authoriser())
        resolver = Resolver(server.answers, server.stored, lambda *_: None)
        for size in (8, 1, 8, 32):  # the first warms up
            lines = WORLD.payments(size * count, f"step{size}-{len(rows)}")
            before = server.runner.seconds["score"]
            steps = [
                timed(server, resolver, lines[begin : begin + size]) for begin in range(0, len(lines), size)
            ]
            score = (server.runner.seconds["score"] - before) / count * 1e6
            middle = np.median(np.array(steps), axis=0) * 1e6
            values = [*middle, middle.sum(), score]
            rows.append([str(size), *(f"{value:,.0f}" for value in values)])
    return rows[1:]


if __name__ == "__main__":
    main()
