"""Two hops around an entity: python -m benchmarks.graph_asked [--events N] [--degree N].

- In the walk: one payment by itself with all signals, the search for fraud within two hops among them.
- In the links' file: everything within two hops, as the dashboard and the command line ask for it.
- In ladybug, an embedded graph database, the same question in openCypher, and how fast links get there.
- The first two around a super-node as well, which `--degree` others pay: bounded by what is looked at.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from benchmarks.graph import payments
from benchmarks.report import machine, show, versions
from ringfence.adapters.cypher import EmbeddedGraph
from ringfence.adapters.links import LinkFollower, StoredLinks
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.features.links import Graph, pays, uses
from ringfence.graph.cypher import fill, guarded
from ringfence.graph.network import Network
from ringfence.graph.rings import Node
from ringfence.ports import EVENTS, LogBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

GRAPH = Graph.of(uses("account", "phone"), pays("account", "counterparty"), windows=["1d", "7d"])
HUB = "hub"
_BESIDE = 5000  # links
_LIMIT = 32  # neighbours of one node and link that a question goes through, as the signals' searches do


def star(degree: int) -> EventBatch:
    """Payments of so many others to one account, all of a day."""
    columns = {
        "kind": pa.array(np.zeros(degree), pa.uint8()),
        "event_time_ms": 1_700_000_000_000 + np.arange(degree) * 800,
        "transaction_id": np.char.add("s", np.arange(degree).astype(str)),
        "account_id": np.char.add("b", np.arange(degree).astype(str)),
        "counterparty_id": np.full(degree, HUB),
        "phone": np.char.add("+48", (np.arange(degree) // 2).astype(str)),
        "amount_minor": np.full(degree, 1000),
        "label": np.zeros(degree, np.bool_),
    }
    return EventBatch(pa.RecordBatch.from_pydict({name: pa.array(one) for name, one in columns.items()}))


def two_hops(book: StoredLinks, start: Node) -> int:
    """How many nodes stand within two links of one."""
    found = {start}
    rim = [start]
    for _ in range(2):
        further = []
        for node in rim:
            for pair in book.pairs(node, _LIMIT):
                for other in (pair.source, pair.target):
                    if other not in found:
                        found.add(other)
                        further.append(other)
        rim = further
    return len(found)


def timed(ask: Callable[[Any], object], things: Iterable[Any]) -> list[float]:
    """Milliseconds of each question."""
    took = []
    for thing in things:
        begin = time.perf_counter()
        ask(thing)
        took.append(1000 * (time.perf_counter() - begin))
    return took


def row_of(name: str, took: list[float]) -> tuple[str, ...]:
    """A row of the table."""
    return (name, *(f"{value:.3f}" for value in (*np.percentile(took, [50, 99]), max(took))))


def walked(events: EventBatch, hub: EventBatch, count: int) -> list[tuple[str, ...]]:
    """One payment by itself, all signals: of the usual ones, and to and from the super-node."""
    network = Network(GRAPH, 1)
    network.measure(events.slice(0, len(events) - count))
    network.measure(hub.slice(0, len(hub) - count))
    rows = []
    for name, part in (("the walk, all signals", events), ("the walk, to the super-node", hub)):
        singles = [part.slice(at, at + 1) for at in range(len(part) - count, len(part))]
        for one in singles:
            network.hash(one)
        rows.append(row_of(name, timed(network.measure, singles)))
    return rows


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--degree", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=500)
    given = parser.parse_args()
    events, hub, count = payments(given.events), star(given.degree), given.questions
    rows = walked(events, hub, min(count, given.events // 2, given.degree // 2))
    chosen = [Node("account", f"a{number}") for number in range(min(count, given.events // 10))]
    with tempfile.TemporaryDirectory() as folder:
        follower = LinkFollower(Path(folder), GRAPH)
        for base, part in ((0, events), (len(events), hub)):
            follower.take(EVENTS, [LogBatch(EVENTS, base, len(part), 0, 0, codec.encode(part))])
        follower.close()
        with StoredLinks.looking(Path(folder)) as book:
            rows.append(row_of("the links' file", timed(lambda one: two_hops(book, one), chosen)))
            rows.append(
                row_of(
                    "the links' file, super-node",
                    timed(lambda one: two_hops(book, one), [Node("account", HUB)] * 20),
                )
            )
            if find_spec("ladybug") is not None:
                rows += beside(book, chosen)
    show(
        f"Two hops, milliseconds; {given.events:,} payments, a super-node of {given.degree:,}; {machine()}; "
        f"{versions('numba')}",
        ["asked of", "p50", "p99", "most"],
        rows,
    )


def beside(book: StoredLinks, chosen: list[Node]) -> list[tuple[str, ...]]:
    """The same of ladybug, filled with some of the same links: it takes them slowly."""
    store = EmbeddedGraph(timeout_ms=120_000)
    begin = time.process_time()
    links = fill(store, GRAPH, islice(book.every(), _BESIDE))
    print(f"ladybug takes {links / (time.process_time() - begin):,.0f} links a CPU second")
    near = "MATCH (a:account {id: $id})-[*1..2]-(b) WHERE id(b) <> id(a)"
    asked = guarded(f"{near} RETURN count(DISTINCT b.id)")

    def ask(node: Node) -> object:
        return store.run(asked, {"id": node.id})

    rows = [row_of(f"ladybug, with {links:,} of the links", timed(ask, chosen[:100]))]
    store.close()
    return rows


if __name__ == "__main__":
    main()
