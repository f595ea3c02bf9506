"""What a declaration of the graph refuses, and how the names of its signals are made."""

from __future__ import annotations

import pytest

from ringfence.errors import SpecError
from ringfence.features.links import Graph, Points, pays, uses
from ringfence.features.spec import FeatureSpec

FLOW = pays("account", "counterparty")


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: uses("wallet", "device"), "no end 'wallet'"),
        (lambda: uses("card", "card"), "from a field to itself"),
        (lambda: uses("card", "device", ttl="400d"), "ends at 366 days"),
        (lambda: uses("card", "device", ttl="soon"), "is no duration"),
        (lambda: uses("card", "device", cap=5000), "whole number from 0 to 1000"),
        (lambda: uses("card", "email", open_to_all="a@example.com"), "is a list of ids"),
        (Graph.of, "declares 0 links"),
        (lambda: Graph.of(uses("card", "ip"), uses("card", "ip")), "declared twice"),
        (lambda: Graph.of(uses("card", "ip"), subject="account"), "nothing links its subject"),
        (lambda: Graph.of(uses("card", "ip"), kinds=["fan"]), "need a link made by `pays`"),
        (lambda: Graph.of(uses("card", "ip"), kinds=["rings"]), "no kind of signal"),
        (lambda: Graph.of(pays("card", "merchant"), kinds=["motif"]), "needs payees of the payer's kind"),
        (lambda: Graph.of(pays("card", "merchant", ttl="1d"), windows=["7d"]), "give them a longer ttl"),
        (
            lambda: Graph.of(uses("card", "ip"), windows=["1h"] * 3 + [f"{n}m" for n in range(1, 8)]),
            "at most",
        ),
        (lambda: Graph.of(uses("card", "ip"), uses("customer", "ip")), "leave 'shared' out"),
        (lambda: Graph.of(FLOW, kinds=["pair", "layering"]), "name both"),
        (lambda: Graph.of(FLOW, scorecard=[Points("graph.x", 1, 1)]), "does not measure"),
        (lambda: Graph.of(FLOW, scorecard=[Points("graph.layering_paid_1d", 1, 1)]), "does not measure"),
        (lambda: Graph.of(FLOW, scorecard=[Points("graph.pair_is_new", 1, 99_999)]), "at most"),
        (lambda: Graph.of(uses("card", "ip"), scorecard=[Points("graph.degree", 1, 1)]), "is for the kind"),
    ],
)
def test_a_declaration_that_cannot_be_says_why(declare, said):
    with pytest.raises(SpecError, match=said):
        declare()


def test_names_say_what_over_which_window():
    graph = Graph.of(uses("account", "email"), pays("account", "counterparty"), windows=["1d"])
    assert "graph.component_emails" in graph.names
    assert "graph.shared_email_1d" in graph.names
    assert "graph.payee_fan_in_1d" in graph.names
    assert len(set(graph.names)) == len(graph.names)


def test_who_is_paid_is_of_the_payers_kind_unless_said_otherwise():
    assert pays("account", "counterparty").target == "account"
    assert pays("account", "counterparty", same=False).target == "counterparty"
    assert pays("account", "merchant", same=True).target == "account"


def test_a_graph_without_a_scorecard_has_the_digest_of_before_there_were_any():
    spec = FeatureSpec.of().with_graph(Graph.of(FLOW))
    assert "scorecard" not in spec.to_json()
    assert FeatureSpec.from_json(spec.to_json()).digest == spec.digest
    carded = FeatureSpec.of().with_graph(Graph.of(FLOW, scorecard=[Points("graph.pair_is_new", 1, 1)]))
    assert FeatureSpec.from_json(carded.to_json()) == carded
    assert carded.digest != spec.digest
