"""The graph's state grows a little at a time: a step copies by its payments, whatever came before."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.graph.streams import GRAPHS, START_MS, crowd, stream
from tests.graph.test_signals import same

from ringfence.events.batch import EventBatch
from ringfence.events.model import Kind
from ringfence.features import moving
from ringfence.features.links import Graph, pays, uses
from ringfence.features.memory import is_mapped
from ringfence.graph import growth
from ringfence.graph.kernel import layout as at
from ringfence.graph.network import Network

ROWS = 16
LINKS = 3
BOUND = 2 * 16 * (2 * LINKS + 2) * ROWS + 2 * 2048 + 64
"""Places of two tables and payments of two rings, and what probing carries over a table's end."""

GRAPH = Graph.of(
    uses("card", "device"), uses("card", "ip"), pays("card", "merchant", ttl="2h"), windows=["1h"]
)


def payments(count, apart_ms):
    """Ever new cards, devices and addresses, so far apart; a label after every seventh."""
    number = np.arange(count)
    kinds = np.where(number % 7 == 6, Kind.LABEL, Kind.TRANSACTION)
    named = np.where(number % 7 == 6, number - 5, number)
    text = number.astype(str)
    columns = {
        "kind": pa.array(kinds, pa.uint8()),
        "event_time_ms": START_MS + np.cumsum(apart_ms),
        "transaction_id": np.char.add("t", named.astype(str)),
        "card_id": np.char.add("c", text),
        "device_id": np.char.add("d", text),
        "ip": np.char.add("i", text),
        "merchant_id": np.char.add("m", (number % 50).astype(str)),
        "label": pa.array((number % 2 == 0).tolist(), mask=kinds != Kind.LABEL),
    }
    return EventBatch(pa.RecordBatch.from_pydict(columns))


def test_a_step_copies_so_many_places_however_large_the_state():
    """The payments of the last two hours are kept in a ring that fills while older ones are forgotten."""
    count = 60_000
    apart = np.linspace(3_000, 100, count).astype(int)
    network, most, sizes = Network(GRAPH, 7), 0, set()
    batch = payments(count, apart)
    for begin in range(0, count, ROWS):
        before = network._growth.copied
        network.measure(batch.slice(begin, begin + ROWS))
        most = max(most, network._growth.copied - before)
        sizes |= {(name, len(getattr(network.state, name))) for name in ("node_table", "pair_table", "flow")}
    assert len([name for name, _ in sizes if name == "node_table"]) >= 8
    assert len([name for name, _ in sizes if name == "flow"]) >= 5
    assert network._growth.copied > 200_000
    assert most <= BOUND


@pytest.mark.parametrize("name", GRAPHS)
def test_signals_are_the_same_while_tables_and_rings_move_slowly(name, monkeypatch):
    """A few places with a step, so that many steps fall into some move, and once through a snapshot."""
    graph, events = GRAPHS[name], crowd(3) if name == "scored" else stream(3)
    still, values, _ = in_single_steps(graph, events)
    monkeypatch.setattr(growth, "_RING_DUE", 0.2)
    for setting, value in (("LEAST", 1), ("PACE", 6), ("DUE", 0.2)):
        monkeypatch.setattr(moving, setting, value)
    slow, found, moved = in_single_steps(graph, events)
    assert moved > 5
    assert np.array_equal(found, values, equal_nan=True)
    assert same(still.arrays(), slow.arrays())


def in_single_steps(graph, events):
    """The network afterwards, its signals, and how many steps left something on the move."""
    network, moving, parts = Network(graph, 7), 0, []
    for begin in range(len(events)):
        parts.append(network.measure(events.slice(begin, begin + 1)))
        moving += bool(network._growth._left or network._growth._flows or network._growth._paid)
        if begin == len(events) // 2:
            kept = {key: array.copy() for key, array in network.arrays().items()}
            network = Network.from_arrays(graph, 7, kept)
    return network, np.concatenate(parts, 1), moving


def test_tables_hold_the_same_entries_after_each_move():
    """What is entered, what is taken out and what is entered anew meanwhile, looked up by everybody's key."""
    apart = np.linspace(20_000, 200, 6_000).astype(int)
    network, batch = Network(GRAPH, 7), payments(6_000, apart)
    for begin in range(0, 6_000, ROWS):
        network.measure(batch.slice(begin, begin + ROWS))
        state, larger = network.state, network.state.node_larger
        held = np.sort(state.node_table[state.node_table > 0])
        assert len(held) == state.counters[at.NODES]
        if len(larger) > 1:
            assert np.isin(larger[larger > 0], held).all()
            assert len(np.unique(larger[larger > 0])) == np.count_nonzero(larger)


def resident_bytes():
    """Memory of this process that is there, not only reserved."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * mmap.PAGESIZE


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells")
def test_a_ring_gives_back_the_memory_of_payments_that_it_no_longer_holds():
    """A hundred thousand payments within minutes, then a slow hour: what the ring held then is free."""
    count = 140_000
    network = Network(GRAPH, 7)
    batch = payments(count, np.concatenate([np.full(100_000, 10), np.full(count - 100_000, 1_000)]))
    for begin in range(0, 100_000, 1000):
        network.measure(batch.slice(begin, begin + 1000))
    ring = network.state.flow
    assert is_mapped(ring)
    for begin in range(100_000, count, 1000):
        network.measure(batch.slice(begin, begin + 1000))
    held = int(network.state.counters[at.FLOWS_END] - network.state.counters[at.FLOWS_OLDEST])
    assert network.state.flow is ring
    assert held < 5_000
    assert network.size["bytes"] < sum(array.nbytes for array in network.arrays().values()) - 64 * 50_000
    before = resident_bytes()
    ring[:] = 1  # what was given back comes again when it is written
    assert resident_bytes() - before > 0.7 * ring.nbytes


def test_a_restored_network_holds_the_payments_of_its_rings_wherever_they_stand():
    """The oldest payment stands behind the latest: the ring has gone round."""
    batch = payments(3_000, np.full(3_000, 30_000))
    network = Network(GRAPH, 7)
    network.measure(batch.slice(0, 1_500))
    counters = network.state.counters
    assert counters[at.FLOWS_END] > len(network.state.flow) > 0
    kept = {key: array.copy() for key, array in network.arrays().items()}
    again = Network.from_arrays(GRAPH, 7, kept)
    rest = batch.slice(1_500, 3_000)
    assert np.array_equal(network.measure(rest), again.measure(rest), equal_nan=True)
    assert same(network.arrays(), again.arrays())


def test_large_steps_give_back_nothing_that_a_ring_holds_by_then():
    """A step brings more payments than a ring has free places: some stand where forgotten ones stood."""
    count = 160_000
    batch = payments(count, np.full(count, 120))
    small, large = Network(GRAPH, 7), Network(GRAPH, 7)
    ours = [large.measure(batch.slice(begin, begin + 40_000)) for begin in range(0, count, 40_000)]
    theirs = [small.measure(batch.slice(begin, begin + 500)) for begin in range(0, count, 500)]
    assert is_mapped(large.state.flow)
    assert np.array_equal(np.concatenate(ours, 1), np.concatenate(theirs, 1), equal_nan=True)
    assert same(large.arrays(), small.arrays())
    held = np.arange(large.state.counters[at.FLOWS_OLDEST], large.state.counters[at.FLOWS_END])
    assert large.state.flow[held & (len(large.state.flow) - 1), at.F_SEEN].min() > START_MS
