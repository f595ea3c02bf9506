"""How a model in force stands: only matured labels count, and few frauds tell nothing."""

from types import SimpleNamespace

import numpy as np
import pytest

from ringfence.learning.data.dataset import Dataset
from ringfence.learning.data.history import NEVER
from ringfence.learning.watching.standing import Heard, standing
from ringfence.scoring.artifacts.manifest import Bands, Span

DAY_MS = 86_400_000
MANIFEST = SimpleNamespace(
    spans={"train": Span(0, DAY_MS, 10, 1)}, label_cut_off_ms=8 * DAY_MS, bands=Bands(review_at=0.5)
)
"""Labels took seven days when the model was trained."""


def heard(own, *, frauds=60, points="weak", challenger=None, days=60, young=None):
    """4,000 payments; scores of skill 0 (chance) to 1. `young`: skill of payments of the last seven days."""
    rng = np.random.default_rng(5)
    size = 4000
    time_ms = DAY_MS + np.sort(rng.integers(0, days * DAY_MS, size))
    fraud = np.zeros(size, bool)
    fraud[rng.choice(size, frauds, replace=False)] = True

    def score(skill):
        return skill * fraud + rng.normal(0, 0.35, size)

    scores = score(own)
    if young is not None:
        late = time_ms > time_ms.max() - 7 * DAY_MS
        scores[late] = score(young)[late]
    data = Dataset(
        ("amount",),
        np.full((1, size), 20, np.float32),
        time_ms,
        rng.integers(1, 500, size),
        np.where(fraud, time_ms + DAY_MS, NEVER),
        np.full(size, NEVER),
    )
    rules = {"weak": score(0.2), "none": np.full(size, np.nan), "strong": score(2.0)}[points]
    others = {} if challenger is None else {"c" * 16: score(challenger)}
    return Heard(data, scores, rules, others)


def states(found):
    return {one.against[:5]: one.state for one in found.rivalries}


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (heard(1.0), {"chanc": "above", "rules": "above"}),
        (heard(0.0, points="none"), {"chanc": "below"}),
        (heard(0.5, points="strong"), {"chanc": "above", "rules": "below"}),
        (heard(0.5, challenger=2.0), {"chanc": "above", "rules": "above", "ccccc": "below"}),
        (heard(1.0, challenger=1.0), {"chanc": "above", "rules": "above", "ccccc": "level"}),
        (heard(0.0, frauds=9), {"chanc": "too few to tell", "rules": "too few to tell"}),
        (heard(1.0, young=-1.0), {"chanc": "above", "rules": "above"}),
    ],
    ids=["well", "by chance", "below the rules", "below a challenger", "as good", "few frauds", "only young"],
)
def test_a_model_is_held_against_chance_the_rules_and_its_challengers(said, wanted):
    found = standing(said, "m" * 16, MANIFEST, None, 70 * DAY_MS)
    assert states(found) == wanted
    young = np.count_nonzero(said.data.time_ms >= found.end_ms)
    assert (found.waiting, found.payments) == (young, 4000 - young)
    assert found.end_ms == said.data.time_ms.max() + 1 - 7 * DAY_MS  # as the training knew: longer than seen
    assert {one.against[:5] for one in found.weakened} == {k for k, v in wanted.items() if v == "below"}


def test_since_when_it_is_below_is_kept_until_it_recovers():
    weak, well = heard(0.0, points="none"), heard(1.0, points="none")
    few = heard(0.0, points="none", frauds=3)
    found, told = None, []
    for day, said in enumerate([weak, weak, few, weak, well, weak], start=70):
        found = standing(said, "m" * 16, MANIFEST, None, day * DAY_MS, found)
        told.append(found.rivalries[0].since_ms)
    assert [None if one is None else one // DAY_MS for one in told] == [70, 70, 70, 70, None, 75]
