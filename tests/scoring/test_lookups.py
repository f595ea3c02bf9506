"""What follows from one text, word by word, beside the same program step by step."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ringfence.events.batch import EventBatch
from ringfence.features.spec import FeatureSpec
from ringfence.scoring.columns import Columns
from ringfence.scoring.language import operations as ops
from ringfence.scoring.language.lower_boolean import compile_expression
from ringfence.scoring.language.names import Names
from ringfence.scoring.language.program import Builder, load, run
from ringfence.scoring.machine import Machine
from ringfence.scoring.machine.lookups import _MOST, Lookup, fields_asked
from ringfence.scoring.reference import Reference

SPEC = FeatureSpec((), ())
TEXTS = (
    "lower(city) LIKE 'b%'",
    "coalesce(city, 'web') IN ('web', 'Ulm')",
    "city NOT IN ('Bern', 'Ulm')",
    "length(city) > 3",
    "lower(city) = upper(city)",
    "city = country",
    "city IS NULL OR country > 'D'",
)


def columns_of(cities, countries=("DE",), encoded=False):
    count = len(cities)
    city = pa.array(cities, pa.string())
    rows = {
        "kind": pa.array([0] * count, pa.uint8()),
        "event_time_ms": pa.array(range(count), pa.int64()),
        "city": city.dictionary_encode() if encoded else city,
        "country": pa.array([countries[row % len(countries)] for row in range(count)], pa.string()),
    }
    return Columns(EventBatch(pa.record_batch(rows)), SPEC, np.empty((0, count)), Reference(0))


@pytest.mark.parametrize("count", [1, 2, 5, 64, 65, 500])
@pytest.mark.parametrize("encoded", [False, True])
def test_words_met_before_or_not_are_as_step_by_step(count, encoded):
    build, names = Builder(), Names(SPEC)
    wanted = [compile_expression(text, names, build).true for text in TEXTS]
    machine, chance = Machine(build.steps, SPEC, wanted), np.random.default_rng(count)
    for _ in range(3):
        cities = chance.choice(["Bern", "Basel", "Ulm", "BERN", "1", None], count).tolist()
        countries = ("DE", "Bern", None)
        found, _ = machine.run(columns_of(cities, countries, encoded))
        registers = run(build.steps, columns_of(cities, countries, encoded))
        for text, row, register in zip(TEXTS, found, wanted, strict=True):
            assert row.tolist() == np.broadcast_to(registers[register], count).tolist(), text


def test_ever_new_words_are_forgotten():
    steps = [(load, (), ("text", ("city",))), (ops.text_is, (0,), ("like", "%7"))]
    lookup = Lookup("city", steps)
    for begin in range(0, 3 * _MOST, 1000):
        found = lookup.of(columns_of([f"c{number}" for number in range(begin, begin + 1000)]))
        assert found.tolist() == [number % 10 == 7 for number in range(begin, begin + 1000)]
        assert len(lookup._known) <= _MOST


def test_what_depends_on_two_texts_or_on_all_words_of_a_batch_is_no_lookup():
    city, country = (load, (), ("text", ("city",))), (load, (), ("text", ("country",)))
    lower, ranks = (ops.text_lower, (0,), None), (ops.text_ranks, (0, 2), None)
    number = (load, (), ("number", ("amount",)))
    assert fields_asked([city, country, lower, ranks, number]) == ["city", "country", "city", None, None]
