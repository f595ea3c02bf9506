"""Patterns, against an emulator of EventBridge and in columns."""

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.events.models import EventPattern

from ringfence.bus.pattern import matches, parse
from ringfence.bus.table import EventTable
from ringfence.errors import InputError

TEXTS = st.sampled_from(["a", "A", "ab", "abc", "bc", "b.c", "x*y", "DECLINE", "decline", "ß", "1"])
NUMBERS = st.sampled_from([-3, 2, 2.5, 3, 100, 1e9])
FIELDS = {("text",): TEXTS, ("number",): NUMBERS, ("data", "flag"): st.booleans()}
LISTS = {("data", "list"): st.lists(TEXTS, min_size=1, max_size=3)}
WILD = st.sampled_from(["a*", "*c", "a*c", "*", "x\\*y", "b.*", "*B*", "a*a", "a*b*c", "*b*c", "a*bc*c"])

TESTS = st.one_of(
    TEXTS,
    NUMBERS,
    st.builds(lambda t: {"prefix": t}, TEXTS),
    st.builds(lambda t: {"prefix": {"equals-ignore-case": t}}, TEXTS),
    st.builds(lambda t: {"suffix": t}, TEXTS),
    st.builds(lambda t: {"equals-ignore-case": t}, TEXTS),
    st.builds(lambda t: {"wildcard": t}, WILD),
    st.builds(lambda there: {"exists": there}, st.booleans()),
    st.builds(lambda v: {"anything-but": v}, st.one_of(TEXTS, NUMBERS)),
    st.builds(lambda v: {"anything-but": v}, st.lists(TEXTS, min_size=1, max_size=3)),
    st.builds(lambda t: {"anything-but": {"prefix": t}}, TEXTS),
    st.builds(lambda t: {"anything-but": {"wildcard": t}}, WILD),
    st.builds(lambda s, n: {"numeric": [s, n]}, st.sampled_from(["=", "<", "<=", ">", ">="]), NUMBERS),
    st.builds(lambda a, b: {"numeric": [">", a, "<=", a + b]}, NUMBERS, st.sampled_from([1, 7, 500])),
)
TRUTHS = st.one_of(st.booleans(), TEXTS, st.builds(lambda there: {"exists": there}, st.booleans()))
PATHS = st.sampled_from([*FIELDS, *LISTS, ("data", "nowhere")])


@st.composite
def leaves(draw):
    path = draw(PATHS)
    of_path = TRUTHS if path[-1] == "flag" else TESTS  # to the emulator, true is the number 1
    tests = draw(st.lists(of_path, min_size=1, max_size=3))
    pattern = tests
    for name in reversed(path):
        pattern = {name: pattern}
    return pattern


def merged(left, right):
    out = dict(left)
    for name, value in right.items():
        out[name] = merged(out[name], value) if isinstance(out.get(name), dict) else value
    return out


def joined(parts):
    out = {}
    for part in parts:
        out = merged(out, part)
    return out


PLAIN = st.lists(leaves(), min_size=1, max_size=3).map(joined)
PATTERNS = st.one_of(
    PLAIN,
    st.builds(lambda parts, also: {**also, "$or": parts}, st.lists(PLAIN, min_size=2, max_size=3), PLAIN),
)


@st.composite
def events(draw):
    event = {}
    for path, values in (FIELDS | LISTS).items():
        if draw(st.booleans()):
            event = merged(
                event, {path[0]: draw(values)} if len(path) == 1 else {"data": {path[1]: draw(values)}}
            )
    return event


@settings(max_examples=600, deadline=None)
@given(PATTERNS, st.lists(events(), min_size=1, max_size=5))
def test_patterns_match_as_the_emulators_and_in_columns_as_one_by_one(pattern, found):
    ours = [matches(parse(json.dumps(pattern)), event) for event in found]
    assert ours == [EventPattern(None, pattern).matches_event(event) for event in found]
    assert as_table(found).matching(parse(json.dumps(pattern))).tolist() == ours


def as_table(found):
    """Events as columns; one that none of them has is no column."""
    types = {("text",): pa.string(), ("number",): pa.float64(), ("data", "flag"): pa.bool_()}
    types["data", "list"] = pa.list_(pa.string())
    columns = {}
    for path, kind in types.items():
        values = [(e if len(path) == 1 else e.get("data", {})).get(path[-1]) for e in found]
        if any(value is not None for value in values):
            columns[path] = pa.array(values, kind)
    return EventTable(len(found), {}, columns)


def test_a_wildcard_tries_nothing_twice():
    """A backtracking match of this would not end: one subscriber's pattern held up everybody's messages."""
    pattern, event = parse(json.dumps({"a": [{"wildcard": "*a" * 31 + "*b"}]})), {"a": "a" * 100}
    assert not matches(pattern, event)
    assert matches(pattern, {"a": "a" * 100 + "b"})


def test_a_table_gives_its_events_as_json():
    found = [{"text": "a", "data": {"flag": True}}, {"data": {"list": ["a", "b"]}}]
    assert as_table(found).events([1, 0]) == [found[1], found[0]]


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        ("nonsense", "no JSON"),
        ("[1]", "JSON object"),
        ('{"a": {}}', "a: an empty object"),
        ('{"a": []}', "a: a list"),
        ('{"a": "x"}', "a: a list"),
        ('{"a": {"b": [{"prefx": "x"}]}}', "a.b: there is no test 'prefx': did you mean 'prefix'?"),
        ('{"a": [{"numeric": [">", "5"]}]}', 'a.numeric: "5" is no number'),
        ('{"a": [{"numeric": [">", 5, "<", 5]}]}', "a.numeric: no number is between"),
        ('{"a": [{"numeric": [">", 5, ">", 6]}]}', "a.numeric: two bounds"),
        ('{"a": [{"numeric": ["~", 5]}]}', "a.numeric: "),
        ('{"a": [{"exists": "yes"}]}', "a.exists: true or false"),
        ('{"a": [{"wildcard": "a**b"}]}', "a.wildcard: two asterisks"),
        ('{"a": [{"wildcard": "a\\\\b"}]}', "a.wildcard: a backslash"),
        ('{"a": [{"wildcard": "' + "*a" * 33 + '"}]}', "a.wildcard: a text with at most 32 asterisks"),
        ('{"$or": [' * 400 + '{"a": [1]}' + ', {"b": [1]}]}' * 400, "at most 16 levels deep"),
        ('{"a": ["\\ud800"]}', "the pattern is no JSON"),
        ('{"a": [{"prefix": "\\udfff"}]}', "the pattern is no JSON"),
        ('{"a": [{"anything-but": []}]}', "a.anything-but"),
        ('{"a": [{"anything-but": {"numeric": [">", 1]}}]}', "cannot be excluded"),
        ('{"$or": [{"a": [1]}]}', "$or: a list of two"),
        ('{"a": [1], "a": [2]}', "'a' stands twice"),
        ('{"a": [1e300]}', "between -1e15"),
        ("{" + '"a": {' * 20 + '"b": [1]' + "}" * 21, "levels deep"),
        ("[" * 10_000, "no JSON"),
        ('{"a": [' + "1," * 600 + "1]}", "more than 500 tests"),
        ('{"a": ["' + "x" * 20_000 + '"]}', "longer than"),
    ],
)
def test_a_pattern_that_is_none_is_refused_at_its_place(pattern, place):
    with pytest.raises(InputError) as refused:
        parse(pattern)
    assert place in str(refused.value)
