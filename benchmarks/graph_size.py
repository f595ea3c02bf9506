"""Memory of the entity graph with 10 million nodes and 50 million pairs: python -m benchmarks.graph_size

Four fifths of the nodes are accounts, the others phones of four accounts each; all other pairs are payments
between accounts that are new to each other, so that no link repeats another. `--part 64` makes a sixty-fourth
of it and tells it times 64: with a power of two, hash tables and rings are as full as in the whole.
`--part 1` makes all of it.
"""

from __future__ import annotations

import argparse

import numpy as np
import pyarrow as pa

from benchmarks.report import machine, show, versions
from ringfence.events.batch import EventBatch
from ringfence.features.links import Graph, pays, uses
from ringfence.graph.network import Network

_STEP = 50_000
_LINKS = (uses("account", "phone"), pays("account", "counterparty"))
GRAPHS = {
    "component, degree, kinds, shared": Graph.of(
        *_LINKS, kinds=["component", "degree", "shared"], windows=[]
    ),
    "all signals": Graph.of(*_LINKS, windows=["1h", "1d"], fraud_memory="1d"),
}
NODES, PAIRS = 10_000_000, 50_000_000


def filled(graph: Graph, nodes: int, pairs: int) -> Network:
    """The network with so many nodes and pairs; a twentieth of the payments is in its windows."""
    network, accounts = Network(graph, 1), nodes * 4 // 5
    payments = pairs - accounts
    spread = np.int64(-7046029254386353131)
    chance = np.random.default_rng(1)
    for begin in range(0, payments, _STEP):
        number = np.arange(begin, min(begin + _STEP, payments), dtype=np.int64)
        payer = number % accounts
        payee = (payer + 1 + chance.integers(0, accounts - 1, len(number))) % accounts
        time = 1_700_000_000_000 + number * (20 * 86_400_000) // payments
        batch = EventBatch(
            pa.RecordBatch.from_pydict(
                {"kind": pa.array(np.zeros(len(number)), pa.uint8()), "event_time_ms": time}
            )
        )
        ids = {"account_id": payer, "counterparty_id": payee, "phone": payer // 4 + accounts}
        hashes = {name: (values + 1) * spread for name, values in ids.items()}
        batch.know(1, hashes | {"transaction_id": (number + 3) * spread})
        network.measure(batch)
    return network


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", type=int, default=64)
    part = parser.parse_args().part
    rows = []
    for name, graph in GRAPHS.items():
        size = filled(graph, NODES // part, PAIRS // part).size
        rows.append(
            (
                name,
                f"{size['nodes']:,}",
                f"{size['pairs']:,}",
                f"{size['bytes'] / 1e6:,.1f} MB",
                f"{size['bytes'] * part / 1e9:.2f} GB",
            )
        )
    whole = f"times {part}: {NODES // 10**6} M nodes, {PAIRS // 10**6} M pairs"
    show(f"Memory; {machine()}; {versions('numba')}", ["signals", "nodes", "pairs", "memory", whole], rows)


if __name__ == "__main__":
    main()
