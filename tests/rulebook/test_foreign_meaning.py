"""Random FQL means here what it means there: Python judges the source, DuckDB the translation."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import duckdb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ringfence.rulebook.foreign import Wishes, read_fql
from ringfence.scoring.rulesets.duckdb_sql import SETTINGS, to_duckdb

if TYPE_CHECKING:
    from collections.abc import Callable

    Row = dict[str, Any]
    Part = tuple[str, Callable[[Row], Any]]  # text, and what it gives of a row by the meaning of FQL

_TEXTS = {"t1": "", "t2": ""}
_NUMBERS = ("n1", "n2")
_FLAGS = {"b1": False, "b2": False}
_WORDS = ("", "US", "us", "DE", "a-b")
_COMPARE = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def _name(name: str, default: Any) -> Part:
    return f'@"{name}"', lambda row: default if row[name] is None else row[name]


def _call(form: str, make: Callable[..., Any], *parts: Part) -> Part:
    return form.format(*(text for text, _ in parts)), lambda row: make(*(give(row) for _, give in parts))


def _written(value: Any) -> Part:
    return (f'"{value}"' if isinstance(value, str) else f"{value:g}"), lambda _: value


names_of_texts = st.sampled_from([_name(name, default) for name, default in _TEXTS.items()])
numbers = st.recursive(
    st.sampled_from([_call("{}.ToDouble()", float, _name(name, 0.0)) for name in _NUMBERS])
    | st.integers(0, 4).map(lambda n: _written(float(n))),
    lambda inner: st.builds(
        lambda sign, a, b: _call(f"({{}} {sign} {{}})", {"+": operator.add, "-": operator.sub}[sign], a, b),
        st.sampled_from("+-"), inner, inner,
    )
    | st.builds(lambda a, b: _call("Math.Max({}, {})", max, a, b), inner, inner)
    | st.builds(lambda t: _call("{}.Length", len, t), names_of_texts),
    max_leaves=4,
)  # fmt: skip
texts = (
    names_of_texts
    | st.sampled_from([_written(word) for word in _WORDS])
    | names_of_texts.map(lambda t: _call("{}.ToLower()", str.lower, t))
)


def _comparisons(sides: st.SearchStrategy[Part], signs: str) -> st.SearchStrategy[Part]:
    return st.builds(
        lambda sign, a, b: _call(f"{{}} {sign} {{}}", _COMPARE[sign], a, b),
        st.sampled_from(signs.split()), sides, sides,
    )  # fmt: skip


plain = (
    _comparisons(numbers, "== != < <= > >=")
    | _comparisons(texts, "== !=")
    | st.sampled_from([_name(name, default) for name, default in _FLAGS.items()])
    | st.builds(lambda t: _call("{}.IsNullOrEmpty()", lambda text: not text, t), names_of_texts)
    | st.builds(lambda t: _call('{}.StartsWith("U")', lambda text: text.startswith("U"), t), names_of_texts)
    | st.builds(lambda t: _call('In({}, "US, DE")', lambda text: text in ("US", "DE"), t), names_of_texts)
    | st.builds(lambda b: _call("{} == false", operator.not_, b), st.just(_name("b1", False)))
)
conditions = st.recursive(
    plain,
    lambda inner: (
        st.builds(lambda a, b: _call("({} && {})", lambda x, y: x and y, a, b), inner, inner)
        | st.builds(lambda a, b: _call("({} or {})", lambda x, y: x or y, a, b), inner, inner)
        | st.builds(lambda a: _call("!({})", operator.not_, a), inner)
        | st.builds(
            lambda t, a, b: _call("({} ? {} : {})", lambda x, y, z: y if x else z, t, a, b),
            inner,
            inner,
            inner,
        )
    ),
    max_leaves=6,
)
rows = st.fixed_dictionaries(
    {
        **dict.fromkeys(_TEXTS, st.none() | st.sampled_from(_WORDS)),
        **dict.fromkeys(_NUMBERS, st.none() | st.integers(-2, 4).map(float)),
        **dict.fromkeys(_FLAGS, st.none() | st.booleans()),
    }
)


_FLAG = _name("b1", False)


@example(  # a choice below a negation, over nothing: null there is no more than false
    _call("!({})", operator.not_, _call("({} ? {} : {})", lambda x, y, z: y if x else z, _FLAG, _FLAG,
          _call("!({})", operator.not_, _FLAG))),
    [dict.fromkeys((*_TEXTS, *_NUMBERS, *_FLAGS))],
)  # fmt: skip
@settings(max_examples=100, deadline=None)
@given(conditions, st.lists(rows, min_size=1, max_size=6))
def test_a_translated_condition_is_true_exactly_where_the_source_is(part: Part, table: list[Row]) -> None:
    text, meaning = part
    found = read_fql(f"RETURN Review() WHEN {text}", Wishes(names={"t1": "city"}))
    assert not found.refused, (text, found.refused)
    sql = to_duckdb(found.rules[0].when)
    with duckdb.connect() as connection:
        for setting in SETTINGS:
            connection.execute(setting)
        columns = {"t1": "city"} | {name: f"attributes.{name}" for name in ("t2", *_NUMBERS, *_FLAGS)}
        kinds = {**dict.fromkeys(_TEXTS, "VARCHAR"), **dict.fromkeys(_NUMBERS, "DOUBLE")}
        made = ", ".join(f'"{column}" {kinds.get(name, "BOOLEAN")}' for name, column in columns.items())
        connection.execute(f"CREATE TABLE payments ({made})")
        connection.executemany(
            f"INSERT INTO payments VALUES ({', '.join('?' * len(columns))})",
            [[row[name] for name in columns] for row in table],
        )
        fired = [
            bool(row[0]) for row in connection.execute(f"SELECT ({sql}) IS TRUE FROM payments").fetchall()
        ]
    assert fired == [bool(meaning(row)) for row in table], (text, sql)
