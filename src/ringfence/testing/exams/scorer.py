"""The exam of `ringfence.scoring.artifacts.models.Scorer`: `scorer` is a model of whatever inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ringfence.scoring.logistic import logistic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.scoring.artifacts.models import Scorer

COUNT = 200


class ScorerExam:
    """What a model promises, one sentence a test."""

    @pytest.fixture
    def scorer(self) -> Scorer:
        raise NotImplementedError("an exam needs a `scorer` fixture")

    @pytest.fixture
    def rows(self, scorer: Scorer) -> NDArray[np.float64]:
        """Inputs of every size and sign, one in ten unknown."""
        chance = np.random.default_rng(1)
        rows = chance.normal(size=(COUNT, len(scorer.inputs))) * 10.0 ** chance.integers(-2, 4, (COUNT, 1))
        rows[chance.random(rows.shape) < 0.1] = np.nan
        return rows

    def test_a_model_says_what_it_is(self, scorer: Scorer) -> None:
        assert scorer.digest
        assert scorer.zone
        assert len(set(scorer.inputs)) == len(scorer.inputs) > 0
        assert set(scorer.reasons) <= set(scorer.inputs)
        bands = (scorer.bands.challenge_at, scorer.bands.review_at, scorer.bands.decline_at)
        edges = [edge for edge in bands if edge is not None]
        assert edges == sorted(edges)

    def test_each_row_gets_a_probability(self, scorer: Scorer, rows: NDArray[np.float64]) -> None:
        found = scorer.score(rows)
        assert found.shape == (COUNT,)
        assert found.dtype == np.float64
        assert ((found >= 0) & (found <= 1)).all()

    def test_no_rows_get_none(self, scorer: Scorer, rows: NDArray[np.float64]) -> None:
        assert scorer.score(rows[:0]).shape == (0,)

    def test_a_score_does_not_depend_on_who_shares_the_batch(
        self, scorer: Scorer, rows: NDArray[np.float64]
    ) -> None:
        together = scorer.score(rows)
        alone = np.concatenate([scorer.score(np.ascontiguousarray(row[None])) for row in rows])
        np.testing.assert_allclose(alone, together, rtol=1e-12, atol=1e-15)

    def test_scoring_leaves_the_inputs_alone(self, scorer: Scorer, rows: NDArray[np.float64]) -> None:
        before = rows.copy()
        scorer.score(rows)
        scorer.contributions(rows)
        np.testing.assert_array_equal(rows, before)

    def test_contributions_add_up_to_the_score(self, scorer: Scorer, rows: NDArray[np.float64]) -> None:
        """A model that cannot tell says so with None."""
        found = scorer.contributions(rows)
        if found is None:
            return
        assert found.shape == (COUNT, len(scorer.inputs) + 1)
        np.testing.assert_allclose(logistic(found.sum(axis=1)), scorer.score(rows), rtol=1e-6, atol=1e-9)
