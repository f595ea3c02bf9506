"""DuckDB is the judge: random expressions over random rows with nulls have the same answers."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp
from tests.drawing import drawn

from ringfence.events.batch import EventBatch
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.columns import Columns
from ringfence.scoring.language.lower_boolean import compile_expression
from ringfence.scoring.language.names import Names
from ringfence.scoring.language.program import Builder, run
from ringfence.scoring.language.syntax import _NODES
from ringfence.scoring.machine import Machine
from ringfence.scoring.reference import Reference
from ringfence.scoring.rulesets.duckdb_sql import SETTINGS, to_duckdb

SPEC = FeatureSpec.of(entity("card").count("1h"), entity("card").sum("amount", "1d"))
STORED = ["lat", "lon", "card.count_1h", "card.sum_amount_1d", "attributes.n", "model.probability"]
PARAMETERS = {"three": 3, "less": -2.5}
PARTS = ["hour", "minute", "second", "day", "month", "year", "dow", "isodow"]
ZONES = ["", " AT TIME ZONE 'America/New_York'", " AT TIME ZONE 'Asia/Kathmandu'", " at time zone 'UTC'"]
NUMBERS = [
    *STORED,
    *(f"param.{name}" for name in PARAMETERS),
    *(f"EXTRACT({part} FROM event_time{zone})" for part in PARTS for zone in ZONES),
]
TIMES = [0, -1, 951_782_400_000, 1_711_846_800_000, 1_719_876_600_123, 1_730_595_600_000]  # clocks change
TEXTS = ["country", "city", "currency"]
BOOLEANS = ["attributes.b"]
WORDS = ["", "a", "b", "ab", "Ab", "B", "a_b", "a%b", "it's"]
VALUES = [0.0, 1.0, -1.0, 2.5, -2.5, 3.0, 10.0, 0.5, 1e6]
_DUCKDB = duckdb.connect()

literal_numbers = st.sampled_from(VALUES).map(lambda x: f"{x:g}" if x >= 0 else f"(-{-x:g})")
literal_texts = st.sampled_from(WORDS).map(lambda w: "'" + w.replace("'", "''") + "'")


def numbers(depth: int):
    leaf = st.one_of(st.sampled_from(NUMBERS), literal_numbers)
    if depth == 0:
        return leaf
    sub, cond, words = numbers(depth - 1), conditions(depth - 1), texts(depth - 1)
    return st.one_of(
        leaf,
        st.builds("({} {} {})".format, sub, st.sampled_from(["+", "-", "*", "/", "%"]), sub),
        st.builds("-({})".format, sub),
        st.builds("{}({})".format, st.sampled_from(["ABS", "ROUND", "FLOOR", "CEIL"]), sub),
        st.builds("ROUND({}, {})".format, sub, st.integers(0, 2)),
        st.builds(
            "{}({}, {})".format, st.sampled_from(["LEAST", "GREATEST", "COALESCE", "NULLIF"]), sub, sub
        ),
        st.builds("CASE WHEN {} THEN {} ELSE {} END".format, cond, sub, sub),
        st.builds("CASE WHEN {} THEN {} WHEN {} THEN {} END".format, cond, sub, cond, sub),
        st.builds("LENGTH({})".format, words),
    )


def texts(depth: int):
    leaf = st.one_of(st.sampled_from(TEXTS), literal_texts)
    if depth == 0:
        return leaf
    sub, cond = texts(depth - 1), conditions(depth - 1)
    return st.one_of(
        leaf,
        st.builds("{}({})".format, st.sampled_from(["LOWER", "UPPER"]), sub),
        st.builds("{}({}, {})".format, st.sampled_from(["COALESCE", "NULLIF"]), sub, sub),
        st.builds("CASE WHEN {} THEN {} ELSE {} END".format, cond, sub, sub),
        st.builds("CASE {} WHEN {} THEN {} END".format, sub, sub, sub),
    )


def conditions(depth: int):
    n, t = numbers(max(depth - 1, 0)), texts(max(depth - 1, 0))
    sign = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
    pattern = st.sampled_from(["'a%'", "'%b'", "'a_b'", "'%'", "''", "'_'", "'%a%b%'"])
    leaf = st.one_of(
        st.builds("{} {} {}".format, n, sign, n),
        st.builds("{} {} {}".format, t, sign, t),
        st.builds("{} {}LIKE {}".format, t, st.sampled_from(["", "NOT "]), pattern),
        st.builds("{} {}BETWEEN {} AND {}".format, n, st.sampled_from(["", "NOT "]), n, n),
        st.builds(
            "{} {}IN ({}, {}, {})".format,
            n,
            st.sampled_from(["", "NOT "]),
            literal_numbers,
            n,
            literal_numbers,
        ),
        st.builds("{} {}IN (1, 2.5, 3, 10, 0, 0.5)".format, n, st.sampled_from(["", "NOT "])),
        st.builds("{} {}IN ({}, {})".format, t, st.sampled_from(["", "NOT "]), literal_texts, literal_texts),
        st.builds("({}) IS {}NULL".format, st.one_of(n, t), st.sampled_from(["", "NOT "])),
        st.sampled_from([*BOOLEANS, "TRUE", "FALSE"]),
    )
    if depth == 0:
        return leaf
    sub = conditions(depth - 1)
    return st.one_of(
        leaf,
        st.builds("({} {} {})".format, sub, st.sampled_from(["AND", "OR"]), sub),
        st.builds(
            "({} {} {} {} {})".format,
            sub,
            st.sampled_from(["AND", "OR"]),
            sub,
            st.sampled_from(["AND", "OR"]),
            sub,
        ),
        st.builds("NOT ({})".format, sub),
        st.builds("({}) {} ({})".format, sub, st.sampled_from(["=", "<>"]), sub),
        st.builds(
            "({}) IS {}{}".format,
            sub,
            st.sampled_from(["", "NOT "]),
            st.sampled_from(["TRUE", "FALSE", "NULL"]),
        ),
        st.builds("COALESCE({}, {})".format, sub, sub),
        st.builds("NULLIF(({}), ({}))".format, sub, sub),
        st.builds("CASE WHEN {} THEN {} ELSE {} END".format, sub, sub, sub),
        st.builds("CASE WHEN {} THEN {} END".format, sub, sub),
    )


def maybe(values):
    return st.one_of(st.none(), st.sampled_from(values))


row = st.fixed_dictionaries(
    {
        **{name: maybe(VALUES) for name in STORED},
        "event_time": st.sampled_from(TIMES),
        **{name: maybe(WORDS) for name in TEXTS},
        **{name: maybe([True, False]) for name in BOOLEANS},
    }
)


def columns_of(rows):
    """What the compiler judges: event fields, features, and the model's answer."""
    features = np.array([[np.nan if r[n] is None else r[n] for r in rows] for n in SPEC.names])
    arrays = {
        "kind": pa.array([0] * len(rows), pa.uint8()),
        "event_time_ms": pa.array([r["event_time"] for r in rows], pa.int64()),
        **{n: pa.array([r[n] for r in rows], pa.float64()) for n in ("lat", "lon", "attributes.n")},
        **{n: pa.array([r[n] for r in rows], pa.string()) for n in TEXTS},
        **{n: pa.array([r[n] for r in rows], pa.bool_()) for n in BOOLEANS},
    }
    columns = Columns(EventBatch(pa.record_batch(arrays)), SPEC, features, Reference(0))
    said = [np.nan if r["model.probability"] is None else r["model.probability"] for r in rows]
    columns.add("model.probability", np.array(said))
    return columns


def ours(text, rows):
    """(true, false) sets of the expression by the compiler: in machine code, and step by step."""
    build = Builder()
    truth = compile_expression(text, Names(SPEC), build, PARAMETERS)
    wanted = (truth.true, truth.false)
    registers = run(build.steps, columns_of(rows))
    stepwise = [np.broadcast_to(registers[which], len(rows)).tolist() for which in wanted]
    found, _ = Machine(build.steps, SPEC, wanted).run(columns_of(rows))
    return [side.tolist() for side in found], stepwise


def duck(text, rows):
    """The same sets by DuckDB."""
    sql = to_duckdb(text, PARAMETERS)
    with _DUCKDB.cursor() as connection:
        connection.execute("; ".join((*SETTINGS, "SET threads = 1")))
        kinds = {
            **dict.fromkeys([*STORED, "event_time"], "DOUBLE"),
            **dict.fromkeys(TEXTS, "VARCHAR"),
            **dict.fromkeys(BOOLEANS, "BOOLEAN"),
        }
        table = pa.table(
            {
                n: pa.array(
                    [r[n] for r in rows],
                    {"DOUBLE": pa.float64(), "VARCHAR": pa.string(), "BOOLEAN": pa.bool_()}[k],
                )
                for n, k in kinds.items()
            }
        )
        connection.register("t", table)
        found = [value for (value,) in connection.execute(f"SELECT ({sql}) FROM t").fetchall()]
    return [[value is True for value in found], [value is False for value in found]]


@settings(max_examples=250, deadline=None)
@given(conditions(3), st.lists(row, min_size=2, max_size=12))
def test_an_expression_has_duckdbs_answers_true_false_and_null(text, rows):
    machine, stepwise = ours(text, rows)
    assert machine == stepwise == duck(text, rows)


WORDS_OF_THE_LANGUAGE = [
    node.sql_names()[0]
    for node in _NODES
    if issubclass(node, exp.Func) and node is not exp.If  # a part of CASE
]
PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "rules-language.md").read_text("utf-8")


@pytest.mark.parametrize("word", WORDS_OF_THE_LANGUAGE)
def test_a_function_that_is_understood_is_drawn_here_and_stands_on_the_page(word):
    assert drawn(conditions(3), lambda text: word in text)
    assert word in PAGE
