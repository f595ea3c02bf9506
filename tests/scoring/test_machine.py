"""Machine code beside the same program step by step, where the expressions of other tests do not reach."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ringfence.events.batch import EventBatch
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.columns import Columns
from ringfence.scoring.language import operations as ops
from ringfence.scoring.language.lower_boolean import compile_expression
from ringfence.scoring.language.names import Names
from ringfence.scoring.language.program import Builder, run
from ringfence.scoring.machine import Machine
from ringfence.scoring.machine.kernel import ROWS
from ringfence.scoring.reference import Reference

SPEC = FeatureSpec.of(entity("card").count("1h"), entity("card").sum("amount", "1d"))
TEXTS = (
    "card.count_1h > 3 AND amount < 5",
    "card.count_1h / amount > 0.5 OR card.sum_amount_1d IS NULL",
    "lower(city) LIKE 'b%' AND card.count_1h IN (1, 2, 3, 5, 8, 13)",
    "round(card.sum_amount_1d) % 3 = 1",
    "card.blocked OR true",
    "CASE WHEN city = 'Bern' THEN amount ELSE card.count_1h END > 4",
)


def columns_of(count, *, strided=False):
    chance = np.random.default_rng(count)
    features = chance.integers(0, 10, (2, 2 * count)).astype(float)
    features[chance.random(features.shape) < 0.2] = np.nan
    features = features[:, ::2] if strided else features[:, :count].copy()
    rows = {
        "kind": pa.array([0] * count, pa.uint8()),
        "event_time_ms": pa.array(range(count), pa.int64()),
        "amount_minor": pa.array(chance.integers(0, 1000, count)),
        "currency": pa.array(["EUR"] * count),
        "city": pa.array(chance.choice(["Bern", "Basel", "Ulm", None], count).tolist(), pa.string()),
    }
    return Columns(EventBatch(pa.record_batch(rows)), SPEC, features, Reference(0))


def compiled(texts=TEXTS):
    build = Builder()
    names = Names(SPEC)
    return build, [compile_expression(text, names, build).true for text in texts]


@pytest.mark.parametrize("count", [1, 2, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS + 7])
@pytest.mark.parametrize("strided", [False, True])
def test_any_number_of_rows_is_as_step_by_step(count, strided):
    build, wanted = compiled()
    groups = [list(zip(wanted[:3], (30.5, -12.25, 90.0), strict=True)), [], [(wanted[4], -5.0)]]
    found, scores = Machine(build.steps, SPEC, wanted, groups).run(columns_of(count, strided=strided))
    registers = run(build.steps, columns_of(count, strided=strided))
    for row, register in zip(found, wanted, strict=True):
        assert row.tolist() == np.broadcast_to(registers[register], count).tolist()
    weighed = ops.weigh(*(registers[register] for register in wanted[:3]), (30.5, -12.25, 90.0))
    assert scores[0].tolist() == weighed.tolist()
    assert scores[1].tolist() == scores[2].tolist() == [0.0] * count


def test_features_that_come_one_by_one_are_the_same():
    build, wanted = compiled()
    whole = columns_of(200)
    apart = Columns(whole.transactions, FeatureSpec((), ()), np.empty((0, 200)), Reference(0))
    for name, values in zip(SPEC.names, whole.features, strict=True):
        apart.add(name, values)
    machine = Machine(build.steps, SPEC, wanted)
    assert machine.run(apart)[0].tolist() == machine.run(whole)[0].tolist()


def test_one_chain_of_five_hundred_conditions():
    text = " OR ".join(f"card.count_1h = {number}" for number in range(500))
    build, wanted = compiled([f"({text}) AND amount >= 0"])
    found, _ = Machine(build.steps, SPEC, wanted).run(columns_of(300))
    assert found[0].tolist() == (~np.isnan(columns_of(300).features[0])).tolist()


def test_nothing_asked_gives_nothing():
    found, scores = Machine([], SPEC, []).run(columns_of(3))
    assert (found.shape, scores.shape) == ((0, 3), (0, 3))
