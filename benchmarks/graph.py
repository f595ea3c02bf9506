"""The entity graph beside SciPy: python -m benchmarks.graph [--events N].

Links per second with component, degree and kinds; payments per second with all signals of a graph of
transfers; what SciPy takes for the components of the same links once, as if nothing were kept; bytes for
each node and pair. All in one run on the same core.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmarks.report import machine, show, versions
from ringfence.events.batch import EventBatch
from ringfence.features.links import Graph, pays, uses
from ringfence.graph.network import Network

_START_MS = 1_700_000_000_000
_STEP = 8192


def payments(count: int, seed: int = 1) -> EventBatch:
    """Payments of a day for each 50,000: phones of few, transfers to few others, 1 % shared by strangers."""
    chance = np.random.default_rng(seed)
    people = max(count // 10, 10)
    payer = chance.integers(0, people, count)
    phone = np.where(chance.random(count) < 0.01, chance.integers(0, people // 4 + 1, count), payer // 2)
    usual = (payer * 7 + chance.integers(0, 4, count)) % people
    payee = np.where(chance.random(count) < 0.8, usual, chance.integers(0, people, count))
    columns = {
        "kind": pa.array(np.zeros(count), pa.uint8()),
        "event_time_ms": _START_MS + np.arange(count) * 1728,
        "transaction_id": np.arange(count).astype(str),
        "account_id": np.char.add("a", payer.astype(str)),
        "counterparty_id": np.char.add("a", payee.astype(str)),
        "phone": np.char.add("+49", phone.astype(str)),
        "amount_minor": chance.integers(100, 100_000, count),
    }
    return EventBatch(pa.RecordBatch.from_pydict(columns))


def rate(graph: Graph, events: EventBatch) -> tuple[float, Network]:
    """Payments per second of CPU time, hashes made beforehand; and the network behind them."""
    network = Network(graph, 1)
    network.hash(events)
    Network(graph, 1).measure(events.slice(0, 100))
    begin = time.process_time()
    for start in range(0, len(events), _STEP):
        network.measure(events.slice(start, min(start + _STEP, len(events))))
    return len(events) / (time.process_time() - begin), network


def scipy_seconds(events: EventBatch) -> float:
    """CPU seconds for the components of all links, once."""
    accounts, phones = (events.column(name).dictionary_encode() for name in ("account_id", "phone"))
    one, other = accounts.indices.to_numpy(), phones.indices.to_numpy()
    size = len(accounts.dictionary) + len(phones.dictionary)
    begin = time.process_time()
    links = coo_array((np.ones(len(one)), (one, other + len(accounts.dictionary))), (size, size))
    connected_components(links.tocsr(), directed=False)
    return time.process_time() - begin


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000)
    count = parser.parse_args().events
    events = payments(count)
    shared = Graph.of(uses("account", "phone"), kinds=["component", "degree"], windows=[])
    whole = Graph.of(uses("account", "phone"), pays("account", "counterparty"), windows=["1d", "7d"])
    links, network = rate(shared, events)
    size = network.size
    every, _ = rate(whole, events)
    once = scipy_seconds(events)
    rows = [
        ("links a second: component, degree, kinds", f"{links:,.0f}"),
        (f"payments a second: all {len(whole.names)} signals", f"{every:,.0f}"),
        ("the same components by SciPy, once", f"{once:.3f} s"),
        ("ratio: SciPy once for all links to one link here", f"{once * links:,.0f}"),
        ("bytes for each node and pair", f"{size['bytes'] / (size['nodes'] + size['pairs']):.0f}"),
    ]
    show(f"{count:,} payments; {machine()}; {versions('numba', 'scipy')}", ["what", "figure"], rows)


if __name__ == "__main__":
    main()
