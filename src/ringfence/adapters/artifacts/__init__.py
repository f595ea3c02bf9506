"""Model artifacts: folders that are checked, kept by their content, and loaded as scorers."""

from ringfence.adapters.artifacts.desk import ModelDesk, Signed, StoredModels, UnsoundError
from ringfence.adapters.artifacts.loading import LocalScorer, load_local, load_scorer
from ringfence.adapters.artifacts.reading import Artifact, read_artifact
from ringfence.adapters.artifacts.registry import ModelRegistry, read_folder

__all__ = [
    "Artifact",
    "LocalScorer",
    "ModelDesk",
    "ModelRegistry",
    "Signed",
    "StoredModels",
    "UnsoundError",
    "load_local",
    "load_scorer",
    "read_artifact",
    "read_folder",
]
