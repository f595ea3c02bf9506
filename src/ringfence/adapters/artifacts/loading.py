"""From an artifact to a scorer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from ringfence.adapters.artifacts.onnx import OnnxGraph, OnnxModel
from ringfence.adapters.secrets import secret_of
from ringfence.errors import ScorerError
from ringfence.scoring.artifacts.fitting import check_fit
from ringfence.scoring.artifacts.local import ForestModel, LinearModel, linear_arrays
from ringfence.scoring.artifacts.manifest import FOREST, LINEAR, MODEL
from ringfence.scoring.forest import Forest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ringfence.adapters.remote import RemoteModel
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.artifacts.artifact import Artifact

KEY_VARIABLE: Final = "RINGFENCE_MODEL_KEY"
"""In the environment: what a remote model is asked with, or `secret://…` as of `adapters.secrets`."""

LocalScorer: TypeAlias = ForestModel | LinearModel | OnnxModel
"""A model of an artifact, scoring in this process."""

AGREEMENT: Final = 1e-6
"""How far the graph and the arrays behind it may differ in a probability."""

_PROBES: Final = 256


def load_scorer(artifact: Artifact, spec: FeatureSpec | None = None) -> LocalScorer | RemoteModel:
    """The model of an artifact, over a specification if one is given; a remote one is not asked yet.

    Errors as of `load_local`.
    """
    if spec is not None:
        check_fit(artifact.manifest, spec)
    if artifact.manifest.algorithm == "remote":
        from ringfence.adapters.remote import RemoteModel  # noqa: PLC0415 (its HTTP client loads slowly)

        key = os.environ.get(KEY_VARIABLE)
        return RemoteModel(artifact.manifest, artifact.digest, key=secret_of(key) if key else None)
    return load_local(artifact)


def load_local(artifact: Artifact) -> LocalScorer:
    """The model of an artifact in this process.

    The arrays score where there are any, and the graph must agree with them: what explains a score is then
    what made it. `ScorerError` for a model that does not fit, does not load, or disagrees with itself.
    """
    manifest = artifact.manifest
    if manifest.algorithm == "remote":
        raise ScorerError(f"model {artifact.digest} answers elsewhere: name the model that is served there")
    width = len(manifest.inputs)
    graph = OnnxGraph(artifact.files[MODEL], width)
    if FOREST in artifact.files:
        forest = Forest(artifact.arrays(FOREST), width)
        scorer: ForestModel | LinearModel = ForestModel(manifest, artifact.digest, forest)
        bounds = forest.bounds
    elif LINEAR in artifact.files:
        arrays = linear_arrays(artifact.arrays(LINEAR), width)
        scorer = LinearModel(manifest, artifact.digest, arrays)
        bounds = list(np.stack([arrays["mean"], arrays["mean"] + arrays["scale"]], axis=1))
    else:
        return OnnxModel(manifest, artifact.digest, graph)
    probes = _probes(bounds)
    apart = np.abs(scorer.score(probes) - graph.probabilities(probes)).max(initial=0.0)
    for rows in (probes[:1], probes[:17]):  # every kernel is compiled before a payment waits for it
        scorer.score(rows)
        scorer.contributions(rows)
    if not apart <= AGREEMENT:
        raise ScorerError(
            f"model {artifact.digest}: its graph and its arrays differ by {apart:.2g}: train the model again"
        )
    return scorer


def _probes(bounds: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Rows that fall to either side of the values that matter, the same ones every time; some unknown."""
    columns = []
    for place, known in enumerate(bounds):
        steps = np.arange(_PROBES) * (2 * place + 3)
        values = known if len(known) else np.zeros(1)
        spread = np.where(steps % 3 == 0, 0.0, np.where(steps % 3 == 1, 0.5, -0.5))
        column = values[steps % len(values)] + spread * (1 + np.abs(values[steps % len(values)]))
        columns.append(np.where(steps % 11 == 7, np.nan, column))
    return np.array(columns).T
