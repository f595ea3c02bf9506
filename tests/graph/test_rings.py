"""Rings, paths and neighbours from the follower's file, with SciPy as a second opinion."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, shortest_path
from tests.graph.streams import HOUR_MS, START_MS
from tests.lakes import decisions
from tests.spine import batch

from ringfence.adapters.links import LinkFollower, StoredLinks
from ringfence.adapters.links.schema import opened
from ringfence.events import codec
from ringfence.events.model import Kind
from ringfence.features.links import Graph, pays, uses
from ringfence.graph.drawing import csv_of, graphml_of
from ringfence.graph.rings import Node, path_between, ring_around, why
from ringfence.ports import DECISIONS, EVENTS, LogBatch

GRAPH = Graph.of(
    uses("account", "device", ttl="10h", cap=4, open_to_all=["d0"]),
    uses("account", "email", ttl="20h", cap=3),
    pays("account", "counterparty", ttl="10h"),
    windows=[],
)


def taken(folder, rows, graph=GRAPH, pieces=1):
    follower = LinkFollower(folder, graph)
    parts = np.array_split(np.arange(len(rows)), pieces)
    for part in parts:
        follower.take(EVENTS, [logged(int(part[0]), [rows[at] for at in part])])
    follower.close()


def logged(base, rows):
    return LogBatch(EVENTS, base, len(rows), 0, 0, codec.encode(batch(rows)))


def random_rows(seed, count=150):
    chance = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        row = {
            "transaction_id": f"t{number}",
            "event_time_ms": START_MS + number * 600_000,
            "amount_minor": 100,
        }
        row |= {"account_id": f"a{chance.integers(40)}", "device_id": f"d{chance.integers(30)}"}
        row |= {"email": f"e{chance.integers(30)}", "counterparty_id": f"a{chance.integers(40)}"}
        rows.append(row)
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_a_ring_is_a_connected_component_and_a_path_is_shortest(tmp_path, seed):
    taken(tmp_path, random_rows(seed), pieces=1 + seed)
    with StoredLinks.looking(tmp_path) as book:
        pairs = list(book.every())
        nodes = sorted({end for pair in pairs for end in (pair.source, pair.target)})
        at = {node: place for place, node in enumerate(nodes)}

        def joined(keep):
            kept = [pair for pair in pairs if keep(pair)]
            ends = [at[one.source] for one in kept], [at[one.target] for one in kept]
            return coo_array((np.ones(len(kept)), ends), (len(nodes), len(nodes))).tocsr()

        def joins(pair):
            sharers = sum(one.link == pair.link and one.target == pair.target for one in pairs)
            return pair.target.id != "d0" and sharers <= GRAPH.links[pair.link].cap

        _, component = connected_components(joined(joins), directed=False)
        far = shortest_path(joined(lambda _: True), directed=False, unweighted=True)
        for node in nodes[::4]:
            members = {one for one in nodes if component[at[one]] == component[at[node]]}
            assert set(ring_around(book, node).nodes) == members
            way, cut = path_between(book, nodes[0], node)
            assert not cut
            assert len(way) == (0 if np.isinf(far[0, at[node]]) else far[0, at[node]])


def test_a_hub_is_told_and_not_gone_through(tmp_path):
    rows = [
        {"transaction_id": f"t{n}", "event_time_ms": START_MS, "account_id": f"a{n}", "email": "shared"}
        for n in range(4)
    ]
    taken(tmp_path, rows)
    with StoredLinks.looking(tmp_path) as book:
        ring = ring_around(book, Node("account", "a1"))
    assert ring.of_kind("account") == ["a1"]
    assert ring.hubs == {Node("email", "shared"): "more than 3 share it"}


def test_a_storm_of_links_is_bounded_and_says_so(tmp_path):
    graph = Graph.of(uses("account", "device", cap=1000), windows=[])
    rows = [
        {
            "transaction_id": f"t{n}",
            "event_time_ms": START_MS,
            "account_id": f"a{n}",
            "device_id": f"d{n % 9}",
        }
        for n in range(3000)
    ]
    taken(tmp_path, rows, graph)
    with StoredLinks.looking(tmp_path) as book:
        ring = ring_around(book, Node("device", "d1"), most=100)
    assert len(ring.nodes) == 100
    assert ring.cut


def test_fraud_is_told_whether_its_label_comes_before_or_after_the_payment(tmp_path):
    rows = [
        {
            "kind": Kind.LABEL,
            "event_id": "l1",
            "transaction_id": "t2",
            "event_time_ms": START_MS,
            "label": True,
        },
        {"transaction_id": "t1", "event_time_ms": START_MS, "account_id": "a1", "email": "e"},
        {"transaction_id": "t2", "event_time_ms": START_MS, "account_id": "a2", "email": "e"},
        {
            "kind": Kind.LABEL,
            "event_id": "l2",
            "transaction_id": "t1",
            "event_time_ms": START_MS,
            "label": True,
        },
        {
            "kind": Kind.LABEL,
            "event_id": "l3",
            "transaction_id": "t1",
            "event_time_ms": START_MS,
            "label": False,
        },
    ]
    taken(tmp_path, rows, pieces=5)
    with StoredLinks.looking(tmp_path) as book:
        ring = ring_around(book, Node("account", "a1"))
    assert ring.frauds == {Node("account", "a2"): 1}
    assert "1 of 2 had confirmed fraud" in why(ring, GRAPH)


def left_in(folder):
    with closing(opened(folder, read_only=True)) as connection:
        return {
            table: [one for (one,) in connection.execute(f"SELECT id FROM {table} ORDER BY id")]
            for table in ("early", "pending")
        }


def test_labels_and_stops_of_payments_that_never_come_are_forgotten(tmp_path):
    """In a file of an earlier version, too: it has no column for that."""
    with closing(sqlite3.connect(tmp_path / "links.sqlite")) as old:
        old.executescript(
            "CREATE TABLE early (id TEXT PRIMARY KEY, fraud INTEGER) WITHOUT ROWID;"
            "CREATE TABLE pending (id TEXT PRIMARY KEY) WITHOUT ROWID;"
        )
    label = {"kind": Kind.LABEL, "event_id": "l", "transaction_id": "x", "event_time_ms": START_MS}
    rows = [{"transaction_id": f"p{n}", "event_time_ms": START_MS + n * HOUR_MS} for n in range(30)]
    follower = LinkFollower(tmp_path, Graph.of(uses("account", "device"), windows=[], fraud_memory="20h"))
    follower.take(DECISIONS, [decisions(0, 6)])  # t0 and t4 are declined
    follower.take(EVENTS, [logged(0, [label | {"label": True}, rows[0]])])
    assert left_in(tmp_path) == {"early": ["x"], "pending": ["t4"]}
    for at, row in enumerate(rows[1:], 2):
        follower.take(EVENTS, [logged(at, [row])])
    follower.close()
    assert left_in(tmp_path) == {"early": [], "pending": []}


def test_links_expire_and_another_declaration_begins_again(tmp_path):
    rows = random_rows(1)
    taken(tmp_path, [*rows, {"transaction_id": "z", "event_time_ms": START_MS + 999 * HOUR_MS}])
    with StoredLinks.looking(tmp_path) as book:
        assert list(book.every())  # one wrong date expires nothing
    for graph, come in ((Graph.of(uses("account", "device"), windows=[]), 0), (GRAPH, len(rows) + 1)):
        with closing(LinkFollower(tmp_path, graph)) as follower:
            assert follower.positions()[EVENTS] == come


def test_hostile_ids_stay_inert_in_exports(tmp_path):
    names = ["=1+1", '"<&>\x01', "a\nb"]
    rows = [
        {"transaction_id": f"t{n}", "event_time_ms": START_MS, "account_id": name, "device_id": "d1"}
        for n, name in enumerate(names)
    ]
    taken(tmp_path, rows)
    with StoredLinks.looking(tmp_path) as book:
        text = "".join(csv_of(book.every(), GRAPH))
        drawn = "".join(graphml_of(book.every(), GRAPH))
    assert "'=1+1" in text
    assert "&lt;&amp;&gt;\ufffd" in drawn
