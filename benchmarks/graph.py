"""The entity graph beside SciPy: python -m benchmarks.graph [--events N] [--ablation].

Links per second with component, degree and kinds; payments per second with all signals of a graph of
transfers, of which one in 500 is found to be fraud; what each family and search of signals costs; what SciPy
takes for the components of the same links once, as if nothing were kept; bytes for each node and pair. All in
one run on the same core.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmarks.report import machine, show, versions
from ringfence.events.batch import EventBatch
from ringfence.features.links import Graph, pays, uses
from ringfence.graph.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.features.links import LinkSignal

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
        "label": np.zeros(count, np.bool_),
    }
    return EventBatch(pa.RecordBatch.from_pydict(columns | _labels(columns, count)))


def _labels(columns: dict[str, Any], count: int) -> dict[str, Any]:
    """The columns with a label after every 500th payment."""
    place = np.sort(np.concatenate([np.arange(count), np.arange(499, count, 500)]))
    said = np.append(place[1:] == place[:-1], False)
    said = np.roll(said, 1)
    found = {name: pa.array(values).take(pa.array(place)) for name, values in columns.items()}
    return found | {"kind": pa.array(said.astype(np.uint8)), "label": pa.array(said)}


def rate(
    graph: Graph, events: EventBatch, keep: Callable[[LinkSignal], bool] = lambda _: True
) -> tuple[float, Network]:
    """Payments per second of CPU time, hashes made beforehand; and the network behind them.

    Signals that are not kept are not read out; what they are made of is kept up all the same.
    """
    network = Network(graph, 1)
    kept = [number for number, signal in enumerate(graph.signals) if keep(signal)]
    program = network.compiled.program
    network.compiled = replace(
        network.compiled,
        program=program._replace(ops=program.ops[kept].reshape(-1, 3), card=program.card[:0]),
    )
    batches = [events.slice(start, min(start + _STEP, len(events))) for start in range(0, len(events), _STEP)]
    for batch in batches:
        network.hash(batch)
    Network(graph, 1).measure(batches[0])  # also what makes room is compiled by then
    begin = time.process_time()
    for batch in batches:
        network.measure(batch)
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


def ablation(graph: Graph, events: EventBatch) -> list[tuple[str, ...]]:
    """What each family, and each search, adds to a payment that nothing is read out of."""
    base, _ = rate(graph, events, lambda _: False)
    rows: list[tuple[str, ...]] = [("links, windows and nothing read out", f"{base:,.0f}", "")]
    for title in dict.fromkeys(_title(signal) for signal in graph.signals):
        found, _ = rate(graph, events, lambda signal, title=title: _title(signal) == title)
        rows.append((title, f"{found:,.0f}", f"{1e6 / found - 1e6 / base:+.2f}"))
    return rows


def _title(signal: LinkSignal) -> str:
    return signal.what if signal.family == "motif" else signal.family


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--ablation", action="store_true", help="also what each signal costs")
    given = parser.parse_args()
    count = given.events
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
    if given.ablation:
        titles = ["signals", "payments a second", "microseconds more"]
        show("What signals cost, one family or search at a time", titles, ablation(whole, events))


if __name__ == "__main__":
    main()
