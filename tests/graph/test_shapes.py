"""Shapes of laundering around an account that was flagged, from the follower's file."""

import pytest
from tests.graph.streams import HOUR_MS, START_MS
from tests.graph.test_rings import logged, taken

from ringfence.adapters.links import LinkFollower, StoredLinks, undelivered
from ringfence.events.model import Kind
from ringfence.features.links import Graph, pays
from ringfence.graph.rings import Node
from ringfence.graph.shapes import ring_and_shapes, shapes_around
from ringfence.ports import EVENTS

GRAPH = Graph.of(pays("account", "counterparty"), windows=["1d"])
CIRCLE = "a>b b>c c>d d>a"
SCATTER = "s>m1 s>m2 s>m3 m1>t m2>t m3>t"
CHAIN = "a>b b>c c>d d>e"


def kept(folder, text, flagged=None, step_ms=HOUR_MS):
    """A follower's file with these payments, an hour between them; then somebody is flagged."""
    rows = []
    for number, pair in enumerate(text.split()):
        payer, payee = pair.split(">")
        row = {"transaction_id": f"t{number}", "event_time_ms": START_MS + number * step_ms}
        rows.append(row | {"account_id": payer, "counterparty_id": payee, "amount_minor": 90_000 - number})
    if flagged:
        flag = {"kind": Kind.FLAG, "event_id": "f", "entity_type": "account", "entity_id": flagged}
        rows.append(flag | {"event_time_ms": rows[-1]["event_time_ms"]})
    follower = LinkFollower(folder, GRAPH)
    follower.take(EVENTS, [logged(0, rows)])
    follower.close()


@pytest.mark.parametrize(
    ("payments", "start", "kind", "members"),
    [
        (CIRCLE, "c", "circle", "abcd"),
        (SCATTER, "s", "scatter–gather", ["s", "m1", "m2", "m3", "t"]),
        (SCATTER, "m2", "scatter–gather", ["s", "m1", "m2", "m3", "t"]),
        (SCATTER, "t", "scatter–gather", ["s", "m1", "m2", "m3", "t"]),
        (CHAIN, "b", "chain", "abcde"),
        ("a>b b>a", "a", None, ""),  # two who pay each other are no circle
        ("m1>t m2>t m3>t s>m1 s>m2 s>m3", "s", None, ""),  # gathered before it was scattered
        ("s>m1 s>m2 m1>t m2>t", "s", None, ""),
    ],
)
def test_a_shape_has_all_and_only_those_who_take_part_in_it(tmp_path, payments, start, kind, members):
    kept(tmp_path, f"{payments} x>y y>{start}")
    with StoredLinks.looking(tmp_path) as book:
        found = {one.kind: one for one in shapes_around(book, Node("account", start))}
        if kind is None:
            assert found == {}
        else:
            assert sorted({node.id for node in found[kind].nodes}) == sorted(members)


def test_money_that_moved_the_other_way_round_in_time_is_no_circle(tmp_path):
    kept(tmp_path, "d>a c>d b>c a>b")
    with StoredLinks.looking(tmp_path) as book:
        kinds = {one.kind for one in shapes_around(book, Node("account", "a"))}
    assert "circle" not in kinds


def test_a_flag_from_anywhere_has_the_ring_around_it_looked_at_and_told_once(tmp_path):
    kept(tmp_path, SCATTER, flagged="m2")
    [news] = undelivered(tmp_path)
    assert {node.id for node in news.members} == {"s", "m1", "m2", "m3", "t"}
    assert news.joined == (Node("account", "m2"),)  # of the others only the shape speaks
    assert news.alert == "ring-1"
    assert "scatter–gather: s → 3 others → t" in news.title
    follower = LinkFollower(tmp_path, GRAPH)
    again = {"kind": Kind.FLAG, "event_id": "g", "entity_type": "account", "entity_id": "m2"}
    follower.take(EVENTS, [logged(7, [again | {"event_time_ms": START_MS + 9 * HOUR_MS}])])
    follower.close()
    assert len(undelivered(tmp_path)) == 1


@pytest.mark.parametrize("staff", [9, 200])
@pytest.mark.parametrize("flagged", ["employer", "staff0", "utility"])
def test_payroll_is_no_shape(tmp_path, staff, flagged):
    """An employer pays the staff, and each of them pays a bill to one utility the day after."""
    rows = []
    for number in range(staff):
        paid = {
            "account_id": "employer",
            "counterparty_id": f"staff{number}",
            "amount_minor": 250_000 + number,
        }
        bill = {"account_id": f"staff{number}", "counterparty_id": "utility", "amount_minor": 8_000 + number}
        rows += [(number, paid), (24 * HOUR_MS + number, bill)]
    rows.sort(key=lambda row: row[0])
    taken(
        tmp_path,
        [
            row | {"transaction_id": f"t{n}", "event_time_ms": START_MS + at}
            for n, (at, row) in enumerate(rows)
        ],
        GRAPH,
    )
    with StoredLinks.looking(tmp_path) as book:
        assert shapes_around(book, Node("account", flagged)) == []


def test_a_business_with_many_payees_is_part_of_no_shape(tmp_path):
    """Nearly all goes on and soon, too: only how many take part tells a marketplace from mules."""
    kept(tmp_path, " ".join(f"s>m{n} m{n}>t" for n in range(120)), step_ms=1000)
    with StoredLinks.looking(tmp_path) as book:
        for start in ("s", "m3", "t"):
            assert "scatter–gather" not in {one.kind for one in shapes_around(book, Node("account", start))}


def test_a_flag_that_comes_before_the_links_of_its_account_is_looked_at_with_them(tmp_path):
    flag = {"kind": Kind.FLAG, "event_id": "f", "entity_type": "account", "entity_id": "m2"}
    taken(tmp_path, [flag | {"event_time_ms": START_MS - HOUR_MS}], GRAPH)
    assert undelivered(tmp_path) == []
    kept(tmp_path, SCATTER)
    [news] = undelivered(tmp_path)
    assert news.joined == (Node("account", "m2"),)


def test_what_is_looked_at_is_bounded(tmp_path):
    kept(tmp_path, " ".join(f"h>p{n} p{n}>q{n}" for n in range(400)), step_ms=1000)
    with StoredLinks.looking(tmp_path) as book:
        ring = ring_and_shapes(book, Node("account", "h"), 50)
    assert len(ring.nodes) <= 50
