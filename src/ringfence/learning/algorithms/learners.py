"""The algorithms behind one shape: a `Learner` fits a part of a data set, and what it fitted scores.

Raw scores of the supervised ones are log-odds, to be calibrated; those of isolation trees are a novelty
from 0 to 1, which is no probability and stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from ringfence.learning.algorithms import boosting
from ringfence.learning.algorithms.baselines import Isolation, Linear, fit_isolation, fit_linear
from ringfence.learning.algorithms.forest import forest_of_boosters
from ringfence.learning.algorithms.onnx_graph import forest_graph, isolation_graph, linear_graph
from ringfence.learning.measures.calibrate import calibrated
from ringfence.scoring.artifacts.manifest import FOREST, LINEAR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ringfence.learning.data.dataset import Dataset
    from ringfence.learning.data.splits import Part
    from ringfence.learning.measures.metrics import Floats
    from ringfence.scoring.artifacts.manifest import Calibration

Algorithm = Literal["lightgbm", "logistic", "isolation_forest"]
_EXPLAINED = 2000
_MOST_NOVEL = 200_000


class Fitted(Protocol):
    """A fitted model over inputs (n, k) in the order of the learner's names."""

    def raw(self, inputs: NDArray[np.float64]) -> Floats:
        """Score before calibration, float64 (n,)."""
        ...

    def probability(self, inputs: NDArray[np.float64], calibration: Calibration) -> Floats:
        """Score after calibration."""
        ...

    def graph(self, calibration: Calibration) -> bytes:
        """The ONNX model that gives the same."""
        ...

    def arrays(self) -> dict[str, dict[str, NDArray[Any]]]:
        """Arrays to be written beside it, by file name."""
        ...

    def weights(self, inputs: NDArray[np.float64]) -> Floats:
        """How much each input moves the scores of a sample, float64 (k,)."""
        ...


class Learner(Protocol):
    """One algorithm with its parameters."""

    @property
    def supervised(self) -> bool: ...

    @property
    def parameters(self) -> dict[str, Any]: ...

    def fit(self, data: Dataset, part: Part) -> Fitted:
        """Learn from a part with the labels that it holds."""
        ...


@dataclass(slots=True)
class Boosting:
    """LightGBM: the mean of a few boosters; a quick one is a single booster that sees few good payments."""

    names: tuple[str, ...]
    parameters: dict[str, Any] = field(default_factory=lambda: dict(boosting.DEFAULTS))
    seed: int = 0
    quick: bool = False
    supervised: bool = True
    seconds: float = boosting.USUAL_SECONDS  # of a whole training
    share: float = 1.0  # of these, for the next fit
    most_members: int | None = None
    thinned: tuple[int, int] | None = None  # as of `parameter_search.Searched`
    watched: tuple[Any, ...] = ()  # boosters of the search, one a window, where one stands for the model
    said: list[str] = field(default_factory=list)
    stopwatch: Callable[[], float] | None = None

    def fit(self, data: Dataset, part: Part) -> BoostedTrees:
        frauds = int(part.fraud.sum())
        fewest = 1 if self.quick else min(boosting.members_for(frauds), self.most_members or frauds)
        most_good = boosting.GOOD_IN_QUICK_FIT if self.quick else boosting.good_for(frauds, self.seconds)
        learned = boosting.sample(data, part, self.names, most_good)
        own = {name: self.parameters[name] for name in boosting.DEFAULTS}
        most = fewest if self.quick or self.most_members else boosting.MOST_MEMBERS
        grown = boosting.fit_within(
            learned, own, (fewest, max(fewest, most)), self.seed, self.seconds * self.share, self.stopwatch
        )
        self.parameters = {**self.parameters, **grown.parameters, "members": len(grown.boosters)}
        self.said = [grown.said] if grown.said else []
        if len(learned.fraud) < len(part.rows):
            good = int((~learned.fraud).sum())
            self.said.append(f"{good:,} of {len(part.rows) - frauds:,} good payments, each for its lot")
        return BoostedTrees(grown.boosters, len(self.names))


@dataclass(frozen=True, slots=True)
class BoostedTrees:
    """Boosters that were fitted."""

    boosters: Sequence[Any]
    width: int

    def raw(self, inputs: NDArray[np.float64]) -> Floats:
        return boosting.log_odds(self.boosters, inputs)

    def probability(self, inputs: NDArray[np.float64], calibration: Calibration) -> Floats:
        return calibrated(self.raw(inputs), calibration)

    def graph(self, calibration: Calibration) -> bytes:
        return forest_graph(forest_of_boosters(self.boosters), self.width, calibration)

    def arrays(self) -> dict[str, dict[str, NDArray[Any]]]:
        return {FOREST: forest_of_boosters(self.boosters).arrays()}

    def weights(self, inputs: NDArray[np.float64]) -> Floats:
        """Mean absolute SHAP values."""
        few = inputs[:_EXPLAINED]
        moved = [np.abs(one.predict(few, pred_contrib=True)[:, :-1]).mean(axis=0) for one in self.boosters]
        found: Floats = np.mean(moved, axis=0)
        return found


@dataclass(slots=True)
class Logistic:
    """A logistic regression."""

    names: tuple[str, ...]
    parameters: dict[str, Any] = field(default_factory=lambda: {"penalty": "l2", "C": 0.1})
    supervised: bool = True

    def fit(self, data: Dataset, part: Part) -> LogisticFit:
        return LogisticFit(fit_linear(boosting.sample(data, part, self.names)), len(self.names))


@dataclass(frozen=True, slots=True)
class LogisticFit:
    """A regression that was fitted."""

    linear: Linear
    width: int

    def raw(self, inputs: NDArray[np.float64]) -> Floats:
        return self.linear.log_odds(inputs)

    def probability(self, inputs: NDArray[np.float64], calibration: Calibration) -> Floats:
        return calibrated(self.raw(inputs), calibration)

    def graph(self, calibration: Calibration) -> bytes:
        return linear_graph(self.linear.arrays, self.width, calibration)

    def arrays(self) -> dict[str, dict[str, NDArray[Any]]]:
        return {LINEAR: dict(self.linear.arrays)}

    def weights(self, inputs: NDArray[np.float64]) -> Floats:  # noqa: ARG002 (scaled weights need no sample)
        return np.abs(self.linear.arrays["weight"])


@dataclass(slots=True)
class Novelty:
    """Isolation trees."""

    names: tuple[str, ...]
    seed: int = 0
    parameters: dict[str, Any] = field(default_factory=lambda: {"trees": 100, "payments_per_tree": 256})
    supervised: bool = False

    def fit(self, data: Dataset, part: Part) -> NoveltyFit:
        rows = np.sort(np.random.default_rng(self.seed).permutation(part.rows)[:_MOST_NOVEL])
        return NoveltyFit(fit_isolation(data.matrix(rows, self.names), self.seed), len(self.names))


@dataclass(frozen=True, slots=True)
class NoveltyFit:
    """Isolation trees that were grown."""

    isolation: Isolation
    width: int

    def raw(self, inputs: NDArray[np.float64]) -> Floats:
        return self.isolation.novelty(inputs)

    def probability(self, inputs: NDArray[np.float64], calibration: Calibration) -> Floats:  # noqa: ARG002
        """The novelty itself: there is nothing to calibrate it with."""
        return self.raw(inputs)

    def graph(self, calibration: Calibration) -> bytes:  # noqa: ARG002 (as above)
        one = self.isolation
        return isolation_graph(one.forest, self.width, one.fill, one.expected_path)

    def arrays(self) -> dict[str, dict[str, NDArray[Any]]]:
        return {}

    def weights(self, inputs: NDArray[np.float64]) -> Floats:  # noqa: ARG002 (splits are at random)
        used = self.isolation.forest.feature
        return np.bincount(used[used >= 0], minlength=self.width).astype(np.float64)
