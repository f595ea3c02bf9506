"""A large ring is looked at by its dense part: one household in common does not make one ring of two."""

from tests.graph.streams import START_MS
from tests.graph.test_rings import taken

from ringfence.adapters.links import StoredLinks, communities
from ringfence.adapters.links.communities import dense_part
from ringfence.adapters.links.news import undelivered
from ringfence.events.model import Kind
from ringfence.features.links import Graph, pays, uses
from ringfence.graph.rings import Node, ring_around

GRAPH = Graph.of(
    uses("account", "email", cap=20),
    uses("account", "phone", cap=20),
    pays("account", "counterparty"),
    windows=[],
)
FLAG = {"kind": Kind.FLAG, "event_id": "f", "entity_type": "account", "entity_id": "left7"}


def rows(count):
    """Two groups of so many accounts that share addresses and phones, and one account that knows both."""
    pairs = [("bridge", "left-e0", "right-p0")]
    for group in ("left", "right"):
        pairs += [(f"{group}{n}", f"{group}-e{n % 8}", f"{group}-p{n % 7}") for n in range(count)]
    found = [
        {
            "transaction_id": f"t{number}",
            "event_time_ms": START_MS + number,
            "amount_minor": 100,
            "account_id": account,
            "email": email,
            "phone": phone,
        }
        for number, (account, email, phone) in enumerate(pairs)
    ]
    return [*found, FLAG | {"event_time_ms": START_MS + len(found)}]


def members(folder):
    [news] = undelivered(folder)
    return {node.id for node in news.members}, news.title


def test_only_the_flagged_accounts_own_group_is_told(tmp_path):
    taken(tmp_path, rows(40), GRAPH)
    found, title = members(tmp_path)
    assert {f"left{number}" for number in range(40)} <= found <= {"bridge", *(f"left{n}" for n in range(40))}
    assert "the dense part of 111 that links join" in title


def test_a_small_ring_is_looked_at_whole(tmp_path):
    taken(tmp_path, rows(14), GRAPH)
    found, title = members(tmp_path)
    assert len(found) == 29
    assert "dense part" not in title


def test_the_part_is_the_same_every_time_and_whole_without_the_library(tmp_path, monkeypatch):
    taken(tmp_path, rows(40), GRAPH)
    with StoredLinks.looking(tmp_path) as book:
        ring = ring_around(book, Node("account", "left7"))
    first, again = dense_part(ring), dense_part(ring)
    assert first == again
    assert first.pairs
    assert all(pair.source in first.nodes and pair.target in first.nodes for pair in first.pairs)
    monkeypatch.setattr(communities, "find_spec", lambda _: None)
    assert dense_part(ring) is ring
