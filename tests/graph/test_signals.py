"""Every signal of the graph, against brute force over random streams."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.graph.streams import CROWD, GRAPHS, START_MS, crowd, stream

from ringfence.events.batch import EventBatch
from ringfence.features.links import Graph, pays, uses
from ringfence.graph.kernel import layout as at
from ringfence.graph.network import Network
from ringfence.graph.program import BOUNDS, Bounds
from ringfence.graph.state import OF_PAID
from ringfence.testing.graph_oracle import Oracle

SEED = 7


def different(graph, got, want):
    """One line per signal whose values differ."""
    lines = []
    for name, ours, theirs in zip(graph.names, got, want, strict=True):
        wrong = np.flatnonzero(~np.isclose(ours, theirs, rtol=1e-12, atol=0, equal_nan=True))
        if len(wrong):
            lines.append(
                f"{name}: payment {wrong[0]} has {ours[wrong[0]]}, not {theirs[wrong[0]]}; {len(wrong)}"
            )
    return lines


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", GRAPHS)
def test_each_signal_is_what_brute_force_finds(name, seed):
    """Late links, repeats, expiry, hubs that cross their cap both ways, labels early, late and taken back."""
    graph, events = GRAPHS[name], stream(seed)
    network = Network(graph, SEED)
    got = network.measure(events)
    assert different(graph, got, Oracle(graph, network.key).measure(events)) == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", GRAPHS)
def test_what_a_signal_leaves_out_is_part_of_its_meaning(name, seed):
    """With bounds so small that nearly every count and search meets them."""
    graph, events, bounds = GRAPHS[name], stream(seed), Bounds(look=3, reach=2, steps=5, pairs=6)
    network = Network(graph, SEED, bounds)
    got = network.measure(events)
    assert different(graph, got, Oracle(graph, network.key, bounds).measure(events)) == []


def test_pairs_are_found_in_short_lists_and_in_the_table_and_late_ones_expire_before_their_group():
    """Lists grow beyond `FEW` and become short again; a restored network has the same in its table."""
    events = crowd(0)
    network, parts, tabled, early = Network(CROWD, SEED), [], [], 0
    for begin in range(0, len(events), 20):
        parts.append(network.measure(events.slice(begin, begin + 20)))
        state = network.state
        tabled.append(int(state.counters[at.TABLED]))
        assert np.count_nonzero(state.pair_table) == tabled[-1]
        early += int((state.pair_heap[: state.counters[at.PAIR_HEAP], 1] < 0).sum())
        if begin == len(events) // 2:
            network = Network.from_arrays(
                CROWD, SEED, {key: array.copy() for key, array in network.arrays().items()}
            )
    assert different(CROWD, np.concatenate(parts, 1), Oracle(CROWD, network.key).measure(events)) == []
    assert max(tabled) > 30
    assert tabled[-1] < max(tabled)
    assert early > 0


def test_numbers_of_searches_begin_again_without_old_notes():
    """As after two thousand million searches."""
    graph, events = GRAPHS["transfers"], stream(2)
    plain, near = Network(graph, SEED), Network(graph, SEED)
    near.state.counters[at.SEARCH] = (1 << 31) - 40
    near.state.notes[:] = 1 << 31 | 1  # as the first search will number them again
    near.state.notes[::2] = 0
    assert np.array_equal(plain.measure(events), near.measure(events), equal_nan=True)
    assert near.state.counters[at.SEARCH] < 1 << 20


@pytest.mark.parametrize("name", GRAPHS)
def test_how_events_are_batched_makes_no_difference(name):
    graph, events = GRAPHS[name], stream(99)
    whole, pieces = Network(graph, SEED), Network(graph, SEED)
    values = whole.measure(events)
    cut = np.sort(np.random.default_rng(1).choice(len(events), 40, replace=False)).tolist()
    parts = [
        pieces.measure(events.slice(begin, end))
        for begin, end in zip([0, *cut], [*cut, len(events)], strict=True)
    ]
    assert np.array_equal(np.concatenate(parts, 1), values, equal_nan=True)
    assert same(whole.arrays(), pieces.arrays())


@pytest.mark.parametrize("name", GRAPHS)
def test_a_network_restored_in_the_middle_goes_on_bit_by_bit(name):
    graph, events = GRAPHS[name], stream(5)
    first, half = Network(graph, SEED), len(events) // 2
    first.measure(events.slice(0, half))
    kept = {key: array.copy() for key, array in first.arrays().items()}
    second = Network.from_arrays(graph, SEED, kept)
    rest = events.slice(half, len(events))
    assert np.array_equal(first.measure(rest), second.measure(rest), equal_nan=True)
    assert same(first.arrays(), second.arrays())


def test_a_snapshot_of_a_version_with_other_records_is_refused():
    """It had a counter less, and nothing of it is read as what it is not: `walk` then measures anew."""
    graph = GRAPHS["transfers"]
    network = Network(graph, SEED)
    network.measure(stream(5))
    old = {key: array.copy() for key, array in network.arrays().items()}
    old["counters"] = old["counters"][:-1]
    with pytest.raises(ValueError, match="another graph"):
        Network.from_arrays(graph, SEED, old)


def same(one, other):
    """Whether two states are alike but for what searches leave behind, and for when tables and rings grew."""
    left_out = {"counters", "node_table", "pair_table", "paid_table"}
    one, other = unrolled(one), unrolled(other)
    return [key for key in one.keys() - left_out if not np.array_equal(one[key], other[key])] == []


def unrolled(arrays):
    """The arrays, with rings in the order of their payments."""
    counters, found = arrays["counters"], dict(arrays)
    for names, oldest, end in (
        (("flow",), at.FLOWS_OLDEST, at.FLOWS_END),
        (OF_PAID, at.PAYMENTS_OLDEST, at.PAYMENTS_END),
    ):
        held = np.arange(counters[oldest], counters[end])
        found |= {name: arrays[name][held & (len(arrays[name]) - 1)] for name in names}
    return found


def test_a_storm_of_links_on_one_device_is_counted_and_joins_nobody():
    """What a storm costs is bounded by what is looked at: 250 entries of a list, however long it is."""
    count = 20_000
    columns = {
        "kind": pa.array(np.zeros(count), pa.uint8()),
        "event_time_ms": START_MS + np.arange(count),
        "transaction_id": np.char.add("t", np.arange(count).astype(str)),
        "card_id": np.char.add("c", np.arange(count).astype(str)),
        "device_id": ["d"] * count,
        "merchant_id": ["m"] * count,
    }
    graph = Graph.of(uses("card", "device", cap=5), pays("card", "merchant"), windows=["1h"])
    values = dict(
        zip(
            graph.names,
            Network(graph, SEED).measure(EventBatch(pa.RecordBatch.from_pydict(columns))),
            strict=True,
        )
    )
    assert values["graph.shared_device"].tolist() == list(range(1, count + 1))
    assert values["graph.shared_device_1h"].max() == BOUNDS.look
    assert values["graph.payee_fan_in_1h"].max() == BOUNDS.look
    assert values["graph.component_cards"].tolist() == [1, 2, 3, 4, 5] + [1] * (count - 5)
    assert values["graph.hubs"].tolist() == [0] * 5 + [1] * (count - 5)


def test_a_network_that_everything_has_left_is_empty():
    graph = GRAPHS["transfers"]
    network = Network(graph, SEED)
    network.measure(stream(3))
    late = stream(4, start_day=500)
    network.measure(late.slice(0, 3))
    assert network.size["nodes"] <= 12
