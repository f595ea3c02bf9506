"""What cannot be a link is none, and what would never end is cut: clear answers, within bounds."""

import numpy as np
import pyarrow as pa
import pytest
from tests.graph.streams import START_MS
from tests.graph.test_cypher import embedded
from tests.graph.test_rings import taken

from ringfence.adapters.links import StoredLinks
from ringfence.errors import InputError
from ringfence.events.batch import EventBatch
from ringfence.features.links import Graph, pays, uses
from ringfence.graph.cypher import guarded
from ringfence.graph.kernel import layout as at
from ringfence.graph.network import Network
from ringfence.graph.program import BOUNDS
from ringfence.graph.rings import Node

__all__ = ["embedded"]  # a fixture

GRAPH = Graph.of(uses("account", "phone", cap=5), pays("account", "counterparty"), windows=["1h"])


def events(accounts, counterparties, phones, fraud=()):
    """Payments, a second apart, and labels that call those of these numbers fraud."""
    count = len(accounts)
    columns = {
        "kind": [0] * count + [1] * len(fraud),
        "event_time_ms": [START_MS + 1000 * n for n in range(count)] + [START_MS + 1000 * count] * len(fraud),
        "transaction_id": [f"t{n}" for n in (*range(count), *fraud)],
        "account_id": [*accounts, *[None] * len(fraud)],
        "counterparty_id": [*counterparties, *[None] * len(fraud)],
        "phone": [*phones, *[None] * len(fraud)],
        "amount_minor": [100] * (count + len(fraud)),
        "label": [None] * count + [True] * len(fraud),
    }
    kinds = {"kind": pa.uint8(), "event_time_ms": pa.int64(), "amount_minor": pa.int64(), "label": pa.bool_()}
    arrays = {name: pa.array(values, kinds.get(name, pa.string())) for name, values in columns.items()}
    return EventBatch(pa.RecordBatch.from_pydict(arrays))


def test_self_links_and_missing_ends_link_nobody():
    network = Network(GRAPH, 1)
    values = network.measure(events(["a", None, "b"], ["a", "c", None], [None, "p", None]))
    assert network.size["nodes"] == network.size["pairs"] == 0
    assert np.isnan(values[GRAPH.names.index("graph.component_size")]).all()
    assert np.isnan(values[GRAPH.names.index("graph.pair_is_new")]).all()


def test_a_kind_of_thing_that_nobody_declared_has_no_links(tmp_path):
    rows = [{"transaction_id": "t", "event_time_ms": START_MS, "account_id": "a", "phone": "p"}]
    taken(tmp_path, rows, GRAPH)
    with StoredLinks.looking(tmp_path) as book:
        assert book.find("account", "a") == Node("account", "a")
        assert book.find("ship", "a") is None
        assert book.pairs(Node("ship", "a"), 10) == []
    with pytest.raises(Exception, match="no end 'ship'"):
        Graph.of(uses("ship", "phone"))


def test_a_storm_of_links_next_to_fraud_looks_at_no_more_than_its_bounds():
    """3,000 accounts share a phone and each pays one of forty: a search ends, and says what is near."""
    count = 3000
    names = [f"a{n}" for n in range(count)]
    paid = [f"a{(7 * n + 1) % 40}" for n in range(count)]
    network = Network(GRAPH, 1)
    network.measure(events(names, paid, ["p"] * count, fraud=[5]))
    busy = events(["a1"], ["a2"], ["p"])
    busy = busy.take(np.array([0]))
    values = network.measure(busy)
    assert network.state.counters[at.LOOKED] <= BOUNDS.pairs + 1
    assert values[GRAPH.names.index("graph.hubs")] == [1]


def test_a_question_for_a_million_rows_gets_a_thousand(embedded):
    asked = guarded("UNWIND range(1, 1000000) AS n RETURN n")
    assert len(embedded.run(asked, {})) == 1000
    with pytest.raises(InputError, match="too many rows"):
        guarded("UNWIND range(1, 1000000) AS n RETURN n LIMIT 1000000")
