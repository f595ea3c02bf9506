"""The score stage: which model speaks on which payment, what it says, and what the others would have said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, runtime_checkable

import numpy as np

from ringfence.errors import ScorerError
from ringfence.features.spec import ENTITY_KEYS
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.artifacts.inputs import input_matrix
from ringfence.scoring.artifacts.reasons import MODEL_SCORE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.scoring.artifacts.endpoint import Endpoint
    from ringfence.scoring.artifacts.manifest import Bands, ReasonText
    from ringfence.scoring.columns import Columns

SHARES: Final = 10_000  # a rollout's share is exact to one in so many entities
MOST_FACTORS: Final = 5


class Scorer(Protocol):
    """One model. Called by the thread that decides: it answers within its own deadline, or raises."""

    @property
    def digest(self) -> str:
        """Content hash of the model: the version that decisions carry."""
        ...

    @property
    def inputs(self) -> Sequence[str]:
        """Names of its inputs, as rules use them."""
        ...

    @property
    def zone(self) -> str:
        """Time zone of its inputs `hour` and `weekday`."""
        ...

    @property
    def waits(self) -> bool:
        """Whether it waits for somebody else, so that whoever calls must hold up nobody meanwhile."""
        ...

    @property
    def bands(self) -> Bands:
        """Probabilities from which it asks for an outcome."""
        ...

    @property
    def reasons(self) -> Mapping[str, ReasonText]:
        """Code and texts of each input that speaks for fraud."""
        ...

    def score(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities (n,) of inputs (n, n_inputs), NaN for unknown; `ScorerError` where it has none."""
        ...

    def contributions(self, inputs: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """What each input adds to the log-odds, the base last (n, n_inputs + 1).

        None for a model that cannot tell.
        """
        ...


@runtime_checkable
class RemoteScorer(Scorer, Protocol):
    """A model that answers elsewhere."""

    @property
    def endpoint(self) -> Endpoint:
        """Where, and how long it is waited for."""
        ...

    def close(self) -> None:
        """End its connections."""
        ...


class Factors(NamedTuple):
    """Per payment, the inputs that moved its score most, strongest first, and by how much (log-odds).

    `codes` are the reasons of those that speak for fraud, where the model asks for an outcome.
    """

    names: list[list[str]]
    weights: list[list[float]]
    codes: list[list[str]]


class Scored:
    """What the models said of a batch of n payments.

    Attributes:
        probability: (n,), of the model that speaks for the payment; NaN where none does, or it failed.
        speaker: (n,) row in `Models.digests` of that model, -1 for none.
        asked: (n,) strictness of the outcome that its bands ask for.
        challengers: (n_challengers, n) probabilities, NaN where one failed.
        failed: (n,) whether the model that should have spoken did not; None where all did.
        scorers: the models, in the order that `speaker` counts; `inputs` by digest are what they were asked.
    """

    __slots__ = ("asked", "challengers", "failed", "inputs", "probability", "scorers", "speaker")

    def __init__(self, count: int, challengers: int) -> None:
        self.probability = np.full(count, np.nan)
        self.speaker = np.full(count, -1, np.int8)
        self.asked = np.zeros(count, np.int8)
        self.challengers = np.full((challengers, count), np.nan)
        self.failed: NDArray[np.bool_] | None = None
        self.scorers: Sequence[Scorer] = ()
        self.inputs: dict[str, NDArray[np.float64]] = {}

    def first(self, count: int) -> Scored:
        """What was said of the first payments."""
        scored = Scored(count, 0)
        scored.probability, scored.speaker = self.probability[:count], self.speaker[:count]
        scored.asked, scored.challengers = self.asked[:count], self.challengers[:, :count]
        if self.failed is not None and self.failed[:count].any():
            scored.failed = self.failed[:count]
        scored.scorers = self.scorers
        scored.inputs = {digest: inputs[:count] for digest, inputs in self.inputs.items()}
        return scored

    def factors(self, rows: NDArray[np.int64]) -> Factors:
        """The strongest contributions of these rows; empty where the model cannot tell."""
        found = Factors([[] for _ in rows], [[] for _ in rows], [[] for _ in rows])
        for number, scorer in enumerate(self.scorers):
            mine = np.flatnonzero((self.speaker[rows] == number) & ~np.isnan(self.probability[rows]))
            if not len(mine):
                continue
            weights = scorer.contributions(self.inputs[scorer.digest][rows[mine]])
            if weights is None:
                for place in mine[self.asked[rows[mine]] > 0]:
                    found.codes[place] = [MODEL_SCORE]
                continue
            weights = weights[:, :-1]
            order = np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :MOST_FACTORS]
            for place, own, ranked in zip(mine, weights, order, strict=True):
                told = ranked[own[ranked] != 0]
                found.names[place] = [scorer.inputs[one] for one in told]
                found.weights[place] = own[told].tolist()
                if self.asked[rows[place]]:
                    texts = [scorer.reasons.get(scorer.inputs[one]) for one in told if own[one] > 0]
                    found.codes[place] = list(dict.fromkeys(text.code for text in texts if text)) or [
                        MODEL_SCORE
                    ]
        return found


class Models:
    """A deployment with its models at hand."""

    def __init__(self, deployment: Deployment, scorers: Mapping[str, Scorer]) -> None:
        """`scorers` by digest hold every model that the deployment names."""
        self.deployment = deployment
        self.scorers = [scorers[digest] for digest in deployment.models]
        self.digests = deployment.models
        self.waits = any(scorer.waits for scorer in self.scorers)
        self._row = {digest: row for row, digest in enumerate(self.digests)}
        ends = np.cumsum([round(one.share * SHARES) for one in deployment.rollout], dtype=np.int64)
        self._ends = ends
        self._speakers = np.array(
            [
                *(self._row[one.model] for one in deployment.rollout),
                self._row.get(deployment.champion, -1),
            ],
            np.int8,
        )

    def score(self, columns: Columns) -> Scored:
        """Ask every model that speaks or is heard."""
        scored = Scored(len(columns), len(self.deployment.challengers))
        scored.speaker[:] = self._speaker_of(columns)
        scored.scorers = self.scorers
        failed = np.zeros(len(columns), np.bool_)
        answers: dict[str, NDArray[np.float64]] = {}
        for row, scorer in enumerate(self.scorers):
            mine = scored.speaker == row
            heard = scorer.digest in self.deployment.challengers
            if not heard and not mine.any():
                continue
            inputs = scored.inputs[scorer.digest] = input_matrix(columns, scorer.inputs, scorer.zone)
            try:
                answers[scorer.digest] = scorer.score(inputs)
            except ScorerError:
                failed |= mine
                continue
            said = answers[scorer.digest]
            if mine.all():
                scored.probability, scored.asked = said, asked(scorer.bands, said)
                continue
            scored.probability = np.where(mine, said, scored.probability)
            scored.asked = np.where(mine, asked(scorer.bands, said), scored.asked)
        for place, digest in enumerate(self.deployment.challengers):
            if digest in answers:
                scored.challengers[place] = answers[digest]
        scored.failed = failed if failed.any() else None
        return scored

    def _speaker_of(self, columns: Columns) -> NDArray[np.int8]:
        if not len(self._ends):
            return np.broadcast_to(self._speakers, (len(columns),))
        ids = columns.transactions.hashes(ENTITY_KEYS[self.deployment.by], columns.reference.seed)
        place = np.searchsorted(self._ends, ids.view(np.uint64) % SHARES, side="right")
        place[ids == 0] = len(self._ends)  # nobody: the champion's
        found: NDArray[np.int8] = self._speakers[place]
        return found


NO_MODELS: Final = Models(Deployment(), {})


def tell(columns: Columns, scored: Scored) -> None:
    """Let rules ask for what the models said."""
    columns.add("model.probability", scored.probability)
    columns.add("model.score", 100 * scored.probability)


def asked(bands: Bands, probability: NDArray[np.float64]) -> NDArray[np.int8]:
    """Strictness of the outcome that bands ask for: 0 approve to 3 decline."""
    strictness = np.zeros(len(probability), np.int8)
    for level, threshold in enumerate((bands.challenge_at, bands.review_at, bands.decline_at), start=1):
        if threshold is not None:
            strictness[probability >= threshold] = level
    return strictness
