"""Memory of the entity graph: python -m benchmarks.graph_size [--nodes 1000000] [--pairs 5000000].

Four fifths of the nodes are accounts, the others phones of four accounts each; all other pairs are payments
between accounts that are new to each other, so that no link repeats another. What is printed is what the
process takes more than an empty one, at the end and for each node and pair by the slope between two sizes: of
a graph with components, degree and kinds, and of one with all signals.
"""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

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
MOST = 10_000_000, 50_000_000


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


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
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=5_000_000)
    given = parser.parse_args()
    rows = []
    for name, graph in GRAPHS.items():
        filled(graph, 1000, 5000)
        taken, held = [], []
        for share in (2, 1):
            gc.collect()
            before = resident()
            network = filled(graph, given.nodes // share, given.pairs // share)
            taken.append(resident() - before)
            held.append(network.size)
            del network
        wide = (taken[1] - taken[0]) / (held[1]["pairs"] - held[0]["pairs"])
        at_most = taken[1] + wide * (MOST[1] - held[1]["pairs"])
        rows.append(
            (
                name,
                f"{held[1]['nodes']:,}",
                f"{held[1]['pairs']:,}",
                f"{taken[1] / 1e9:.2f} GB",
                f"{wide:.0f}",
                f"{at_most / 1e9:.2f} GB",
            )
        )
    title = f"Memory; {machine()}; {versions('numba')}"
    more = f"at {MOST[0] // 10**6} M nodes and {MOST[1] // 10**6} M pairs"
    show(title, ["signals", "nodes", "pairs", "memory", "bytes a pair with its nodes", more], rows)


if __name__ == "__main__":
    main()
