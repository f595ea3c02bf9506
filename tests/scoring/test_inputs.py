"""A model's inputs by name."""

import numpy as np
import pyarrow as pa
import pytest

from ringfence.errors import InputError
from ringfence.events.batch import EventBatch
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.artifacts.inputs import check_inputs, input_matrix
from ringfence.scoring.columns import Columns
from ringfence.scoring.language.names import Names
from ringfence.scoring.reference import Reference

SPEC = FeatureSpec.of(entity("card").count("1h"))


def columns():
    rows = {
        "kind": pa.array([0, 0, 0], pa.uint8()),
        "event_time_ms": [0, 3_600_000, 7_200_000],
        "amount_minor": [100, 250, None],
        "merchant_category": ["food", None, "fuel"],
        "attributes.score": [0.5, None, 2.0],
    }
    features = np.array([[1.0, 2.0, np.nan]])
    return Columns(EventBatch(pa.RecordBatch.from_pydict(rows)), SPEC, features, Reference(0))


def test_inputs_are_features_numbers_of_the_payment_and_indicators():
    names = ["card.count_1h", "amount", "hour", "attributes.score", "merchant_category=food", "card.blocked"]
    np.testing.assert_array_equal(
        input_matrix(columns(), names),
        [
            [1.0, 1.0, 0.0, 0.5, 1.0, 0.0],
            [2.0, 2.5, 1.0, np.nan, np.nan, 0.0],
            [np.nan, np.nan, 2.0, 2.0, 0.0, 0.0],
        ],
    )


def test_a_value_may_hold_any_character():
    assert input_matrix(columns(), ["merchant_category=a=b"])[:, 0].tolist()[0] == 0.0


@pytest.mark.parametrize("name", ["amuont", "card.count_2h", "city", "amount=3"])
def test_a_name_that_no_payment_has_is_refused(name):
    with pytest.raises(InputError, match=name):
        check_inputs([name], Names(SPEC))


def test_hours_are_those_of_the_models_zone_whatever_the_rules_say():
    found = input_matrix(columns(), ["hour", "weekday"], "Asia/Tokyo") - input_matrix(
        columns(), ["hour", "weekday"]
    )
    assert set(found[:, 0].tolist()) <= {9.0, -15.0}
