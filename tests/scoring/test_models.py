"""Which model speaks, what the others would have said, and what happens when one fails."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ringfence.errors import InputError, ScorerError
from ringfence.events.batch import EventBatch
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.artifacts.deployment import Deployment, Share
from ringfence.scoring.artifacts.manifest import Bands
from ringfence.scoring.artifacts.models import Models
from ringfence.scoring.columns import Columns
from ringfence.scoring.reference import Reference

SPEC = FeatureSpec.of(entity("card").count("1h"))
N = 4000
NO_BANDS = Bands()


class Fixed:
    """A model that says the same of everybody, or fails."""

    inputs = ("amount", "card.count_1h", "channel=web")
    zone = "UTC"
    waits = False

    def __init__(self, digest, says, bands=NO_BANDS, broken=False):
        self.digest, self.says, self.bands, self.broken = digest, says, bands, broken
        self.seen = None
        self.reasons = {}

    def score(self, inputs):
        if self.broken:
            raise ScorerError("away")
        self.seen = inputs
        return np.full(len(inputs), self.says)

    def contributions(self, inputs):
        return np.tile([0.5, -2.0, 0.0, 0.1], (len(inputs), 1))


def columns(n=N):
    table = {
        "kind": pa.array([0] * n, pa.uint8()),
        "event_time_ms": pa.array(range(n), pa.int64()),
        "transaction_id": [f"t{i}" for i in range(n)],
        "customer_id": [f"c{i % 1000}" for i in range(n)],
        "amount_minor": pa.array([100] * n, pa.int64()),
        "channel": ["web", None, "pos", "web"] * (n // 4),
    }
    return Columns(EventBatch(pa.record_batch(table)), SPEC, np.ones((1, n)), Reference(0))


def models(*scorers, **deployment):
    return Models(Deployment(**deployment), {one.digest: one for one in scorers})


def test_the_champion_speaks_and_its_bands_ask_for_an_outcome():
    champion = Fixed("a", 0.7, Bands(challenge_at=0.2, review_at=0.6, decline_at=0.9))
    scored = models(champion, champion="a").score(columns(8))
    assert scored.probability.tolist() == [0.7] * 8
    assert scored.asked.tolist() == [2] * 8
    assert scored.failed is None
    assert champion.seen[:2].tolist()[0] == [1.0, 1.0, 1.0]
    assert np.isnan(champion.seen[1, 2])


def test_a_challenger_is_heard_and_changes_nothing():
    said = models(
        Fixed("a", 0.1), Fixed("b", 0.9, Bands(decline_at=0.5)), champion="a", challengers=("b",)
    ).score(columns(8))
    assert said.probability.tolist() == [0.1] * 8
    assert said.asked.tolist() == [0] * 8
    assert said.challengers.tolist() == [[0.9] * 8]


def test_a_rollout_speaks_for_its_share_and_always_for_the_same_customers():
    made = models(Fixed("a", 0.1), Fixed("b", 0.9), champion="a", rollout=(Share("b", 0.25),))
    first, again = made.score(columns()), made.score(columns())
    by_b = first.probability == 0.9
    assert 0.2 < by_b.mean() < 0.3
    assert np.array_equal(by_b, again.probability == 0.9)
    assert all(len(set(by_b[customer::1000])) == 1 for customer in range(1000))


def test_a_model_that_fails_leaves_no_score_and_says_where():
    made = models(Fixed("a", 0.1, broken=True), Fixed("b", 0.9), champion="a", rollout=(Share("b", 0.5),))
    scored = made.score(columns())
    assert np.array_equal(np.isnan(scored.probability), scored.failed)
    assert 0.4 < scored.failed.mean() < 0.6


def test_factors_name_the_strongest_inputs_first_and_leave_out_what_adds_nothing():
    scored = models(Fixed("a", 0.9), champion="a").score(columns(8))
    factors = scored.factors(np.array([1, 5]))
    assert factors.names == [["card.count_1h", "amount"]] * 2
    assert factors.weights == [[-2.0, 0.5]] * 2


def test_shares_that_make_no_sense_are_refused():
    for shares in [(Share("a", 0.0),), (Share("a", 0.7), Share("b", 0.7))]:
        with pytest.raises(InputError, match="shares"):
            Deployment(rollout=shares)
    with pytest.raises(InputError, match="by"):
        Deployment(by="planet")
