"""What has to know every kind of feature does: a kind that was left out somewhere is named here."""

import pytest
from tests.drawing import drawn
from tests.features.test_oracle_engine import EVERYTHING

from ringfence.features.spec import FeatureKind, entity
from ringfence.scoring.artifacts.reasons import of_feature
from ringfence.testing.strategies.specs import features


@pytest.mark.parametrize("kind", list(FeatureKind))
def test_random_specifications_have_it_and_a_model_has_words_for_it(kind):
    found = drawn(features(entity("card")), lambda bound: bound.feature.kind is kind)
    said = of_feature(found.feature)
    assert "card" in said.analyst
    assert said.customer


def test_the_long_streams_are_measured_by_every_kind():
    assert {bound.feature.kind for bound in EVERYTHING} == set(FeatureKind)
