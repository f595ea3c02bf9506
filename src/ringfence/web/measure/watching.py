"""Models watched on the payments of this store: how good, how alike, how far from what they learned on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.api.services import ModelServices
from ringfence.compose.deciding.models import load_model
from ringfence.learning.data.dataset import Dataset
from ringfence.learning.data.history import NEVER
from ringfence.learning.measures.curves import Curves, curves_of
from ringfence.learning.measures.metrics import Ranking, measure_all
from ringfence.learning.measures.money import outcomes_of
from ringfence.learning.watching.drift import Day, DriftReference, by_day
from ringfence.scoring.artifacts.manifest import REFERENCE
from ringfence.scoring.rulesets.outcomes import OUTCOMES
from ringfence.web.measure.sampling import sample_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.scoring.artifacts.artifact import Artifact
    from ringfence.scoring.artifacts.manifest import Metric
    from ringfence.web.dashboard import Dashboard
    from ringfence.web.measure.sampling import PaymentSample

DAY_MS: Final = 86_400_000
MATURITY_MS: Final = 7 * DAY_MS
"""How long after a payment its label is waited for."""

STABLE, SHIFTED = 0.1, 0.25  # of the stability index: below the first all is well, above the second it is not
_DAYS: Final = 60
_FEWEST: Final = 30  # payments of a day
_ROUNDS: Final = 40


@dataclass(frozen=True, slots=True)
class Watched:
    """One model on stored payments.

    Attributes:
        curves: of labelled payments later than those that it was trained on; None without a fraud among them.
        days: against training, oldest first; empty where the model keeps nothing to compare with.
        inputs: names with their latest day's index, the greatest first.
        asked: payments of the sample by the outcome that the bands ask for, and the frauds known among them.
    """

    payments: int
    curves: Curves | None
    days: list[Day]
    inputs: list[tuple[str, float, str]]
    asked: list[tuple[int, int]]


def watch(dashboard: Dashboard, artifact: Artifact) -> Watched:
    """Scores of the model on a sample of what the log holds, whether or not it was in force then."""
    manifest = artifact.manifest
    sample = sample_of(dashboard, manifest.inputs, manifest.zone)
    if sample is None:
        return Watched(0, None, [], [], [])
    score = load_model(artifact).score(np.ascontiguousarray(sample.inputs.T))
    learned = manifest.spans["train"].end_ms if "train" in manifest.spans else 0
    known = mature(sample) & (sample.time_ms >= learned)
    curves = curves_of(_ranking(sample, score, known), manifest.costs)
    days = _days(artifact, sample, score)
    latest = sorted(days[-1].inputs.items(), key=lambda item: -item[1]) if days else []
    outcome = outcomes_of(np.nan_to_num(score), manifest.bands)
    asked = [
        (int((outcome == level).sum()), int(((outcome == level) & (sample.fraud == 1)).sum()))
        for level in range(len(OUTCOMES))
    ]
    told = [(name, index, state_of(index)) for name, index in latest]
    return Watched(len(sample), curves, days, told, asked)


def state_of(index: float) -> str:
    """In a word.

    >>> state_of(0.02), state_of(0.2), state_of(0.7)
    ('stable', 'moved', 'shifted')
    """
    return "stable" if index < STABLE else "moved" if index < SHIFTED else "shifted"


def mature(sample: PaymentSample) -> NDArray[np.bool_]:
    """Payments with a label, and those so much older than the newest labelled one that none will come."""
    labelled = sample.fraud >= 0
    if not labelled.any():
        return labelled
    return labelled | (sample.time_ms <= sample.time_ms[labelled].max() - MATURITY_MS)


def _ranking(sample: PaymentSample, score: NDArray[np.float64], rows: NDArray[np.bool_]) -> Ranking:
    rows = rows & ~np.isnan(score)
    return Ranking.of(
        score[rows], sample.fraud[rows] == 1, sample.amount[rows], sample.entity[rows], sample.time_ms[rows]
    )


def _days(artifact: Artifact, sample: PaymentSample, score: NDArray[np.float64]) -> list[Day]:
    if REFERENCE not in artifact.files:
        return []
    reference = DriftReference.from_json(artifact.files[REFERENCE])
    fraud, known = sample.fraud == 1, mature(sample)
    data = Dataset(
        artifact.manifest.inputs,
        sample.inputs,
        sample.time_ms,
        sample.entity,
        np.where(fraud, 0, NEVER),
        np.full(len(sample), NEVER),
    )
    until = int(sample.time_ms[known].max()) if known.any() else 0
    return by_day(reference, data, score, artifact.manifest.bands.review_at, until, _FEWEST)[-_DAYS:]


@dataclass(frozen=True, slots=True)
class Voice:
    """One model of those in force, over the payments that it and the champion both spoke of.

    Attributes:
        agreement: correlation of the ranks with the champion's; None for the champion itself.
        difference: mean of the absolute differences of probability; likewise.
        outcomes: payments by the outcome that its bands ask for, least strict first.
        otherwise: how many of them would have had another outcome from the champion's bands.
        figures: on labelled payments, with intervals; empty without a fraud among them.
        caught: frauds that it would have had reviewed or declined, of `frauds`; `alarms`, good payments so.
    """

    digest: str
    role: str
    payments: int
    mean: float
    agreement: float | None
    difference: float | None
    outcomes: list[int]
    otherwise: int | None
    figures: dict[str, Metric]
    frauds: int
    caught: int
    alarms: int
    curves: Curves | None


def compare(dashboard: Dashboard) -> list[Voice]:
    """The champion first, then whoever else is in force and has spoken, by what decisions keep of them."""
    sample = sample_of(dashboard)
    deployment = dashboard.of(ModelServices).models.active()
    if sample is None or not deployment.champion:
        return []
    own = np.where(sample.model == deployment.champion, sample.probability, np.nan)
    said = {deployment.champion: ("champion", own)}
    heard = {one: score for one, score in sample.challengers.items() if one in deployment.models}
    said |= {one: ("challenger", score) for one, score in heard.items()}
    said |= {
        share.model: ("rollout", np.where(sample.model == share.model, sample.probability, np.nan))
        for share in deployment.rollout
    }
    return [
        _voice(dashboard, sample, digest, role, score, own)
        for digest, (role, score) in said.items()
        if not np.isnan(score).all()
    ]


def _voice(
    dashboard: Dashboard,
    sample: PaymentSample,
    digest: str,
    role: str,
    score: NDArray[np.float64],
    own: NDArray[np.float64],
) -> Voice:
    manifest = dashboard.manifest(digest)
    champion = dashboard.manifest(dashboard.of(ModelServices).models.active().champion)
    spoken, both = ~np.isnan(score), ~(np.isnan(score) | np.isnan(own))
    outcome = outcomes_of(np.nan_to_num(score), manifest.bands)
    theirs = outcomes_of(np.nan_to_num(own), champion.bands)
    apart = role != "champion" and both.sum() > 2
    known = mature(sample) & spoken
    ranking, alerts = _ranking(sample, score, known), known & (outcome >= 2)
    curves = curves_of(ranking, manifest.costs)
    return Voice(
        digest,
        role,
        int(spoken.sum()),
        float(score[spoken].mean()),
        _alike(score[both], own[both]) if apart else None,
        float(np.abs(score - own)[both].mean()) if apart else None,
        np.bincount(outcome[spoken], minlength=len(OUTCOMES)).tolist(),
        int((outcome != theirs)[both].sum()) if apart else None,
        measure_all(ranking, rounds=_ROUNDS) if curves is not None else {},
        int((sample.fraud[known] == 1).sum()),
        int((sample.fraud[alerts] == 1).sum()),
        int((sample.fraud[alerts] != 1).sum()),
        curves,
    )


def _alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    ranks = [side.argsort().argsort() for side in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1]) if np.ptp(ranks[0]) else None
