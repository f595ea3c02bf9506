"""A model and a history brought together: its own features measured, its scores beside the labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from ringfence.cli.learning.histories import WantedHistory, take_in
from ringfence.cli.terminal import options, screen
from ringfence.compose.deciding.models import load_model, model_registry, read_model
from ringfence.features.spec import FeatureSpec
from ringfence.learning.data.dataset import dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.learning.data.dataset import Dataset
    from ringfence.scoring.artifacts.artifact import Artifact

_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class ScoredData:
    """Payments of a history with a model's probabilities, in order; `bad` records could not be read."""

    artifact: Artifact
    data: Dataset
    probability: NDArray[np.float64]
    bad: int = 0


def model_named(name: str, data: Path | None) -> Artifact:
    """The artifact in this folder, or the model of this version or name in the data folder's registry."""
    path = Path(name)
    if path.is_dir():
        return read_model(path)
    registry = model_registry(options.folder(data))
    return registry.read(registry.find(name))


def scored_by(artifact: Artifact, wanted: WantedHistory, what: str) -> ScoredData:
    """Measure what the model asks for over the history, and score every payment."""
    manifest = artifact.manifest
    spec = FeatureSpec.from_json(msgspec.json.encode(manifest.spec).decode())
    fields = frozenset(name.partition("=")[0] for name in manifest.inputs)
    found = take_in(replace(wanted, spec=spec, inputs=fields), what)
    names = tuple(dict.fromkeys((*manifest.inputs, "amount")))
    data = dataset(found.collected, names)
    scorer, rows = load_model(artifact, spec), np.arange(len(data))
    parts = [
        scorer.score(np.ascontiguousarray(data.matrix(rows[at : at + _ROWS], manifest.inputs)))
        for at in range(0, len(rows), _ROWS)
    ]
    _say_what_is_missing(artifact, int(data.time_ms.min()), has_features=bool(spec.features))
    return ScoredData(artifact, data, np.concatenate(parts), found.bad)


def _say_what_is_missing(artifact: Artifact, first_ms: int, *, has_features: bool) -> None:
    """Newer payments alone are scored as if nobody had ever paid before: nothing else would show that."""
    learned = artifact.manifest.spans.get("train")
    if has_features and learned is not None and first_ms >= learned.end_ms:
        screen.say(
            f"Warning: this history begins on {screen.format_time(first_ms)} UTC and holds none of what "
            f"{artifact.manifest.name} learned from, so that counts, averages and label rates begin empty "
            "and scores are worse than in use. Name the earlier files before the newer ones: only payments "
            "after the model's last label are judged unless --since says otherwise"
        )
