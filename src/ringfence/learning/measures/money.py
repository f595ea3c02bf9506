"""Which probabilities ask for which outcome, so that mistakes cost least on payments with known labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.learning.measures.metrics import ALERT_SHARE
from ringfence.scoring.artifacts.manifest import Bands, Costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.learning.measures.metrics import Floats, Measure, Ranking

CHALLENGE_STOPS: Final = 0.8
"""Share of frauds that fail a second factor; the rest go through and cost their amount."""

_ENOUGH: Final = 1000  # recent payments of which one in an outcome would be expected


@dataclass(frozen=True, slots=True)
class Caps:
    """Largest share of all payments that each band may take, whatever money says.

    Money alone would ask one customer in three for a second factor where a challenge is cheap: costs know
    nothing of customers who are tired of it, nor of analysts who are few.
    """

    challenge: float = 0.03
    review: float = 0.03
    decline: float = 0.05


CAPS: Final = Caps()


@dataclass(frozen=True, slots=True)
class ChosenBands:
    """Bands with what they cost on the payments that they were chosen on, in major units.

    `without` is the cost of approving everything; `counts` are payments declined, reviewed and challenged;
    `notes` tell of caps that held.
    """

    bands: Bands
    cost: float
    without: float
    counts: tuple[int, int, int]
    notes: tuple[str, ...] = ()


def outcome_costs(ranking: Ranking, costs: Costs) -> Floats:
    """Cost of each payment under each outcome, float64 (4, n): approve, challenge, review, decline."""
    loss = np.where(ranking.fraud, ranking.amount, 0.0)
    return np.stack(
        [
            loss,
            costs.challenge + (1 - CHALLENGE_STOPS) * loss,
            np.full(len(ranking), costs.review),
            np.where(ranking.fraud, 0.0, costs.insult),
        ]
    )


def choose_bands(ranking: Ranking, costs: Costs, max_alerts: float = np.inf) -> ChosenBands:
    """The bands of least cost; at most `max_alerts` payments reviewed or declined.

    Down the ranking the first are declined, then some reviewed, then challenged. Costs of the three borders
    add up, so each best border is a running minimum.
    """
    per_payment = outcome_costs(ranking, costs)
    running = np.concatenate([np.zeros((4, 1)), np.cumsum(per_payment, axis=1)], axis=1)
    allowed = np.append(0, ranking.ends + 1)  # equal scores share one outcome
    approve, challenge, review, decline = running[:, allowed]
    first, declined = _running_best(decline - review)
    limit = int(np.searchsorted(allowed, max_alerts, side="right"))
    to_review = review - challenge + first
    to_review[limit:] = np.inf
    second, reviewed = _running_best(to_review)
    third = challenge - approve + second
    end = int(np.argmin(third))
    middle = int(reviewed[end])
    start = int(declined[middle])
    borders = [int(allowed[at]) for at in (start, middle, end)]
    bands = _bands(ranking.score, borders)
    counts = (borders[0], borders[1] - borders[0], borders[2] - borders[1])
    return ChosenBands(bands, float(third[end] + approve[-1]), float(approve[-1]), counts)


def alerts_only(ranking: Ranking, max_alerts: float = np.inf) -> ChosenBands:
    """Without labels money says nothing: the highest scores are reviewed, 1 in 200 unless told otherwise."""
    most = int(min(max_alerts, ALERT_SHARE * len(ranking)))
    allowed = np.append(0, ranking.ends + 1)
    border = int(allowed[np.searchsorted(allowed, most, side="right") - 1])
    return ChosenBands(_bands(ranking.score, [0, border, border]), 0.0, 0.0, (0, border, 0))


def limited(chosen: ChosenBands, caps: Caps, later: Ranking, recent: Floats, costs: Costs) -> ChosenBands:
    """The bands with thresholds raised until none takes more of the `recent` probabilities than it may.

    What a band gives up falls to the next milder one.
    """
    falling, notes = -np.sort(-recent), list(chosen.notes)
    borders: dict[str, float | None] = {}
    taken, spilled = 0, None
    for name, share in (("decline", caps.decline), ("review", caps.review), ("challenge", caps.challenge)):
        at = getattr(chosen.bands, f"{name}_at")
        at = spilled if at is None else at
        asked = taken if at is None else max(_reaching(falling, at), taken)
        end, spilled = asked, None
        most = taken + int(share * len(falling))
        if asked > most:
            end = max(_above(falling, float(falling[most])), taken)
            money = (asked - taken) / len(falling)
            notes.append(
                f"by cost alone {money:.1%} of payments would get {name}, the cap is {share:.1%}: raise "
                f"--max-{name}-share to allow more"
            )
            spilled, at = at, (_between(falling, end) if end > taken else None)
        elif at is not None and end == taken and len(falling) >= _ENOUGH:
            notes.append(f"no recent payment reaches the threshold of {name}")
        borders[f"{name}_at"] = at
        taken = end
    bands = Bands(**borders)
    outcome = outcomes_of(later.score, bands)
    cost = float(outcome_costs(later, costs)[outcome, np.arange(len(later))].sum())
    declined, reviewed, challenged = (int((outcome == level).sum()) for level in (3, 2, 1))
    return ChosenBands(bands, cost, chosen.without, (declined, reviewed, challenged), tuple(notes))


def _reaching(falling: Floats, threshold: float) -> int:
    """How many of falling scores reach a threshold."""
    return int(np.searchsorted(-falling, -threshold, side="right"))


def _above(falling: Floats, threshold: float) -> int:
    """How many are above it: equal scores share one outcome."""
    return int(np.searchsorted(-falling, -threshold, side="left"))


def expected_cost(bands: Bands, costs: Costs) -> Measure:
    """Mean cost of a payment under these bands, as a measure of `metrics`."""

    def cost(ranking: Ranking, weight: Floats) -> float:
        outcome = outcomes_of(ranking.score, bands)
        per_payment = outcome_costs(ranking, costs)[outcome, np.arange(len(ranking))]
        return float(np.sum(weight * per_payment) / max(weight.sum(), 1e-12))

    return cost


def outcomes_of(probability: Floats, bands: Bands) -> NDArray[np.int8]:
    """Strictness of the outcome that each probability asks for.

    >>> outcomes_of(np.array([0.1, 0.5, 0.95]), Bands(review_at=0.3, decline_at=0.9)).tolist()
    [0, 2, 3]
    """
    outcome = np.zeros(len(probability), np.int8)
    for level, at in enumerate((bands.challenge_at, bands.review_at, bands.decline_at), 1):
        if at is not None:
            outcome[probability >= at] = level
    return outcome


def chosen_each(probability: Floats, amount: Floats, costs: Costs) -> NDArray[np.int8]:
    """The outcome of least expected cost for each payment by itself, by how likely fraud and how much it is.

    >>> chosen_each(np.array([0.02, 0.02, 0.9]), np.array([10.0, 900.0, 900.0]), Costs()).tolist()
    [0, 1, 3]
    """
    loss = probability * np.nan_to_num(amount)
    expected = np.stack(
        [
            loss,
            costs.challenge + (1 - CHALLENGE_STOPS) * loss,
            np.full(len(loss), costs.review),
            (1 - probability) * costs.insult,
        ]
    )
    return expected.argmin(axis=0).astype(np.int8)


def cost_curve(ranking: Ranking, costs: Costs, points: int = 200) -> tuple[Floats, Floats]:
    """Total cost when the first k payments are reviewed and the rest approved: (k, cost), thinned."""
    per_payment = outcome_costs(ranking, costs)
    at = np.unique(np.append(0, np.geomspace(1, len(ranking), points).astype(np.int64)))
    reviewed = costs.review * at
    missed = per_payment[0].sum() - np.append(0.0, np.cumsum(per_payment[0]))[at]
    return at.astype(np.float64), reviewed + missed


def _running_best(values: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Least value so far and where it stands."""
    best = np.minimum.accumulate(values)
    fresh = np.append(True, best[1:] < best[:-1])
    return best, np.maximum.accumulate(np.where(fresh, np.arange(len(values)), 0))


def _bands(score: Floats, borders: list[int]) -> Bands:
    """A band begins halfway between the last score inside and the first outside; an empty one is None."""
    declined, reviewed, challenged = borders
    return Bands(
        challenge_at=_between(score, challenged) if challenged > reviewed else None,
        review_at=_between(score, reviewed) if reviewed > declined else None,
        decline_at=_between(score, declined) if declined > 0 else None,
    )


def _between(score: Floats, border: int) -> float:
    below = score[border] if border < len(score) else 0.0
    return float(score[border - 1] + below) / 2
