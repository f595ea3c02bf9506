"""What other threads look up in: a view stays as it was, and the state goes on as if nobody had looked."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.events.model import Kind
from ringfence.scoring.reference import Reference

from .conftest import make_events

IDS = st.sampled_from([f"id{n}" for n in range(40)])
TYPES = st.sampled_from(["card", "customer"])
ENDS = st.sampled_from([None, 5, 10])
PROFILES = st.fixed_dictionaries(
    {
        "kind": st.just(Kind.PROFILE),
        "entity_type": TYPES,
        "entity_id": IDS,
        "attributes.age": st.none() | st.floats(0, 90),
        "attributes.tier": st.none() | st.sampled_from(["gold", "silver", "tin", "lead"]),
    }
)
ENTRIES = st.fixed_dictionaries(
    {
        "kind": st.just(Kind.LIST_ENTRY),
        "entity_type": st.none() | TYPES,
        "entity_id": IDS,
        "list_kind": st.sampled_from(["block", "allow", "watch"]),
        "list_name": st.sampled_from(["one", "two", "three"]),
        "removed": st.booleans(),
        "expires_at_ms": ENDS,
    }
)
FLAGS = st.fixed_dictionaries(
    {
        "kind": st.just(Kind.FLAG),
        "entity_type": TYPES,
        "entity_id": IDS,
        "effective_at_ms": st.integers(0, 5),
        "removed": st.booleans(),
        "expires_at_ms": ENDS,
    }
)
CONTROL = st.one_of(PROFILES, ENTRIES, FLAGS)


def written(lookups):
    """All that can be looked up, copied."""
    parts = (lookups.profiles, lookups.lists, lookups.flags)
    return {name: array.copy() for part in parts for name, array in part.to_arrays().items()}


def same(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(one[n], other[n], equal_nan=n.endswith("numbers")) for n in one
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(CONTROL, min_size=1, max_size=12), min_size=2, max_size=8), st.data())
def test_a_view_stays_as_it_was_whatever_comes_later(batches, data):
    """
    batches   ─┬──────┬──────┬──►  the state, looked at where ┬ is
               view 0 view 1 …     each as a state that ended there
    """
    looked_at, alone, views = Reference(3), Reference(3), []
    for batch in batches:
        rows = make_events(*batch)
        looked_at.apply(rows, 0)
        alone.apply(rows, 0)
        if data.draw(st.booleans()):
            views.append((looked_at.view(), written(alone)))
    assert same(written(looked_at), written(alone))
    for view, then in views:
        assert same(written(view), then)
    for (one, _), (other, _) in pairwise(views):
        assert one.lists is not other.lists


def test_what_does_not_change_is_not_copied():
    """A view of many lists costs the next change one list."""
    reference = Reference(3)
    entry = {"kind": Kind.LIST_ENTRY, "list_kind": "block", "entity_id": "a"}
    reference.apply(make_events({**entry, "list_name": "still"}, {**entry, "list_name": "busy"}), 0)
    view = reference.view()
    reference.apply(make_events({**entry, "list_name": "busy", "entity_id": "b"}), 0)
    shared = {
        name: np.shares_memory(array, reference.lists.to_arrays()[name])
        for name, array in view.lists.to_arrays().items()
        if name.endswith("until")
    }
    assert shared == {"lists.0.until": True, "lists.1.until": False}
