"""The Fraud Detection Handbook's features, from a specification, equal its own definitions in every row."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from ringfence.features.engine import Engine
from ringfence.testing.handbook import (
    DAY_MS,
    facts_of_the_payment,
    handbook_features,
    invented_payments,
    log_of_payments,
    read_payments,
)
from ringfence.testing.oracle import differences, measure

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "handbook" / "features.py"))
DATA = os.environ.get("RINGFENCE_DATA")


def expected(payments):
    found = handbook_features(payments)
    return np.array([found[name] for name in EXAMPLE["HANDBOOK_NAMES"]])


@pytest.mark.parametrize("label_delay_days", [0, 3, 7])
def test_the_specification_gives_the_handbooks_values(label_delay_days):
    """Labels that come within the week of the delay give the same risk, whenever exactly they come."""
    payments = invented_payments(3, 20_000)
    log = log_of_payments(payments, label_delay_days * DAY_MS)
    want = expected(payments)
    assert want[-1].max() > 0.05
    np.testing.assert_array_equal(Engine(EXAMPLE["spec"]).measure(log), want)


def test_the_definitions_in_sorted_arrays_agree_with_the_oracle():
    payments = invented_payments(4, 2000)
    log = log_of_payments(payments)
    assert not differences(EXAMPLE["spec"], expected(payments), measure(log, EXAMPLE["spec"]))


def test_weekend_and_night_are_facts_of_the_payment():
    """The example's expressions, in SQL over the calendar, against days and hours counted since 1970."""
    payments = invented_payments(5, 5000)
    event = pa.table(
        {"amount": payments.cents / 100, "moment": pa.array(payments.time_ms, pa.timestamp("ms"))}
    )
    fields = "select amount, hour(moment) as hour, isodow(moment) - 1 as weekday from event"
    chosen = ", ".join(f"({text})::double as {name}" for name, text in EXAMPLE["OF_THE_EVENT"].items())
    with duckdb.connect() as connection:
        connection.register("event", event)
        found = connection.execute(f"select {chosen} from ({fields})").fetchnumpy()
    for name, want in facts_of_the_payment(payments).items():
        np.testing.assert_array_equal(found[name], want)


@pytest.mark.skipif(not DATA, reason="RINGFENCE_DATA does not name a folder with handbook_raw.parquet")
def test_the_first_fifty_days_of_the_real_set_are_equal_too():
    payments = read_payments(f"{DATA}/handbook_raw.parquet", days=50)
    got = Engine(EXAMPLE["spec"]).measure(log_of_payments(payments))
    np.testing.assert_array_equal(got, expected(payments))
