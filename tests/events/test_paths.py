"""Paths into nested JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.events.values.paths import each, flat, look_up, places

VALUES = st.recursive(
    st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def first_of_everything(value):
    """All that stands in a value, of lists the first element: the plain way."""
    if isinstance(value, dict):
        for inner in value.values():
            yield inner
            yield from first_of_everything(inner)
    elif isinstance(value, list) and value:
        yield value[0]
        yield from first_of_everything(value[0])


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4))
def test_every_place_has_a_path_that_leads_there(item):
    named = list(places(item))
    for path, wanted in zip(named, first_of_everything(item), strict=True):
        if path not in item:  # a key of that very name comes first
            assert look_up(item, path) == wanted


@pytest.mark.parametrize("path", ["a..b", "a[", "a[x]", '"a', "a.b[7].c", "a.b.c.d", "", "[0]", "a[-9]"])
def test_what_leads_nowhere_is_nothing(path):
    assert look_up({"a": {"b": [1]}}, path) is None


def test_a_key_with_points_stands_in_quotes_or_for_itself():
    assert look_up({"a": {"b.c": {"d": 1}}}, 'a."b.c".d') == 1
    assert look_up({"a.b": 1}, "a.b") == 1


def test_wanted_places_stand_beside_what_is_there():
    item = {"id": 1, "outcome": {"risk": {"score": 3}}, "items": [{"sku": 7}]}
    assert flat(item, ["items[0].sku"], every=True) == {"id": 1, "outcome.risk.score": 3, "items[0].sku": 7}
    assert flat(item, ["outcome.risk.score"], every=False) == {**item, "outcome.risk.score": 3}


def test_each_element_is_a_record_and_one_that_is_no_list_stays_itself():
    assert each({"a": {"b": [1, 2]}, "c": 3}, "a.b") == [{"a": {"b": 1}, "c": 3}, {"a": {"b": 2}, "c": 3}]
    assert each({"a": {"b": {}}}, "a.b") == [{"a": {"b": {}}}]
    assert each({"x": 1}, "a.b") == [{"x": 1}]
    assert each({"a": []}, "a") == []
